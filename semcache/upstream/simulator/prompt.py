"""A request's prompt as Claude's prompt cache sees it: ordered blocks with tokens, marks and a prefix hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

from semcache.pricing import Model, estimate_tokens
from semcache.request import Json
from semcache.upstream.simulator.blocks import blocks_of, canonical, plain

ROLE_TOKENS = 3  # what a turn costs beside its content
_SOURCE_TOKENS = {"image": 1500, "document": 3000}  # for data that is not text
_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})


class Section(Enum):
    """The parts of a prompt, in the order in which they are hashed."""

    TOOLS = "tools"
    SYSTEM = "system"
    MESSAGES = "messages"


@dataclass(frozen=True)
class Block:
    """One block of the prompt. `ttl` is that of its cache_control mark; None: it bears none."""

    path: str
    section: Section
    material: bytes
    tokens: int
    ttl: str | None
    is_markable: bool
    is_toggle: bool = False  # web search: a switch of the system prompt, which leaves the tools beside it cached


@dataclass(frozen=True)
class Prompt:
    """All blocks in order, and what else divides one section's cache from another's."""

    blocks: tuple[Block, ...]
    salts: dict[Section, bytes]

    @property
    def tokens(self) -> int:
        return sum(block.tokens for block in self.blocks)

    def prefix_digests(self, scope: bytes) -> list[bytes]:
        """For each block, the digest of everything up to and including it."""
        digest, digests = hashlib.blake2b(scope, digest_size=16), []
        sections = iter(Section)
        entered: Section | None = None
        for block in self.blocks:
            while entered is not block.section:
                entered = next(sections)
                digest.update(self.salts[entered])
            reached = digest.copy() if block.is_toggle else digest
            reached.update(len(block.material).to_bytes(8, "big"))
            reached.update(block.material)
            digests.append(reached.digest())
        return digests


def prompt_of(body: Json, model: Model) -> Prompt:
    """Lay out a valid body; a top-level cache_control marks the last block that can bear a mark."""
    blocks = tuple(_blocks(body, model.tokenizer_factor))
    salts = {Section.TOOLS: b"", Section.SYSTEM: _system_salt(body), Section.MESSAGES: _messages_salt(body)}
    return Prompt(_automatically_marked(blocks, body.get("cache_control")), salts)


def count_text(text: str, model: Model) -> int:
    """Tokens of a text in the model's tokenizer."""
    return math.ceil(estimate_tokens(text) * model.tokenizer_factor)


def _blocks(body: Json, factor: Decimal) -> Iterator[Block]:
    for place, tool in enumerate(body.get("tools") or []):
        made = _block(f"tools.{place}", Section.TOOLS, tool, canonical(plain(tool)), factor)
        yield replace(made, is_toggle=_is_web_search(tool))
    for place, block in enumerate(blocks_of(body.get("system"))):
        yield _block(f"system.{place}", Section.SYSTEM, block, canonical(plain(block)), factor)
    for turn, message in enumerate(body["messages"]):
        for place, block in enumerate(blocks_of(message["content"])):
            material = canonical([message["role"], place == 0, plain(block)])
            made = _block(f"messages.{turn}.content.{place}", Section.MESSAGES, block, material, factor)
            role_tokens = math.ceil(ROLE_TOKENS * factor) if place == 0 else 0
            yield replace(made, tokens=made.tokens + role_tokens)


def _block(path: str, section: Section, source: Json, material: bytes, factor: Decimal) -> Block:
    mark = mark_of(source)
    return Block(
        path=path,
        section=section,
        material=material,
        tokens=math.ceil(_raw_tokens(source) * factor),
        ttl=None if mark is None else mark.get("ttl", "5m"),
        is_markable=source.get("type") not in _UNMARKABLE and source.get("text") != "",
    )


def mark_of(source: Json) -> Json | None:
    """The block's cache_control mark, or that of the last block nested in a tool result."""
    mark = source.get("cache_control")
    if mark is None and source.get("type") == "tool_result":
        nested = [block.get("cache_control") for block in blocks_of(source.get("content"))]
        mark = next((each for each in reversed(nested) if each is not None), None)
    return mark


def _automatically_marked(blocks: tuple[Block, ...], mark: Any) -> tuple[Block, ...]:
    if not isinstance(mark, dict):
        return blocks
    for place in range(len(blocks) - 1, -1, -1):
        if blocks[place].is_markable:
            marked = replace(blocks[place], ttl=blocks[place].ttl or mark.get("ttl", "5m"))
            return (*blocks[:place], marked, *blocks[place + 1 :])
    return blocks


def _raw_tokens(block: Json) -> int:
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        return estimate_tokens(block["text"])
    extra = _SOURCE_TOKENS.get(str(block.get("type")), 0) if _has_data(block) else 0
    nested = blocks_of(block.get("content")) if block.get("type") == "tool_result" else []
    own = {key: value for key, value in block.items() if key not in ("source", "signature", "data", "cache_control")}
    if nested:
        own["content"] = None
    source = block.get("source")
    text = str(source.get("data", "")) if isinstance(source, dict) and source.get("type") == "text" else ""
    spelled = json.dumps(own, ensure_ascii=False, separators=(",", ":"))
    return estimate_tokens(spelled) + estimate_tokens(text) + extra + sum(map(_raw_tokens, nested))


def _has_data(block: Json) -> bool:
    source = block.get("source")
    return isinstance(source, dict) and source.get("type") != "text"


def _is_web_search(tool: Json) -> bool:
    return str(tool.get("type", "")).startswith("web_search_")


def _system_salt(body: Json) -> bytes:
    """What invalidates system and messages, but not tools."""
    searches = [plain(tool) for tool in body.get("tools") or [] if _is_web_search(tool)]
    speed = "fast" if body.get("speed") == "fast" else "standard"
    return canonical([searches, speed, any(_cites(block) for block in _message_blocks(body))])


def _messages_salt(body: Json) -> bytes:
    """What invalidates messages only; an explicit default equals omission."""
    choice = plain(body.get("tool_choice") or {"type": "auto"})
    if not choice.get("disable_parallel_tool_use"):
        choice.pop("disable_parallel_tool_use", None)
    has_images = any(block.get("type") == "image" for block in _message_blocks(body))
    return canonical([choice, has_images, plain((body.get("output_config") or {}).get("format"))])


def _cites(block: Json) -> bool:
    citations = block.get("citations")
    return isinstance(citations, dict) and citations.get("enabled") is True


def _message_blocks(body: Json) -> Iterator[Json]:
    for message in body["messages"]:
        for block in blocks_of(message["content"]):
            yield block
            if block.get("type") == "tool_result":
                yield from blocks_of(block.get("content"))
