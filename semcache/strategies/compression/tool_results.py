"""Old tool results as one line each: what was called, how much it brought, and the handle of the full text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semcache.request import Json
from semcache.strategies.compression.sizes import byte_count
from semcache.strategies.compression.turns import blocks_of, kind_of, unmarked

_HASH_DIGITS = 12
_ARGUMENTS_SHOWN = 80  # characters
_SHINGLE = 5  # words
_SAME_SHARE = 0.9  # of the shingles of two results: nearly the same
_READ_CHARACTERS = 20_000  # when two results are compared
_MASKABLE = frozenset({"text", "image", "document", "search_result"})  # others act on what follows: tool references
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class ToolResult:
    """One tool result of a conversation, and its stub."""

    message: int
    block: int  # within the message
    content: str  # as text; JSON where it is more than text
    handle: str
    stub: str

    @property
    def pays(self) -> bool:
        return byte_count(self.stub) < byte_count(self.content)


def tool_results_of(messages: Sequence[Json]) -> list[ToolResult]:
    """All that may be masked, in order. A stub depends only on what stands before it and on its own result."""
    calls: dict[str, Json] = {}
    seen: list[tuple[str, frozenset[str]]] = []
    found = []
    for place, at, block in _blocks(messages):
        if kind_of(block) == "tool_use":
            calls[str(block.get("id"))] = block
        elif kind_of(block) == "tool_result" and (text := _content_of(block)) is not None:
            handle = handle_of(text)
            twin, shingles = _twin(text, handle, seen)
            call = calls.get(str(block.get("tool_use_id")), {})
            found.append(ToolResult(place, at, text, handle, _stub(call, block, handle, twin)))
            if twin is None:
                seen.append((handle, shingles))
    return found


def masked(message: Json, stubs: Mapping[int, ToolResult]) -> Json:
    """The message with these of its blocks as stubs; ids, error flags and marks stay."""
    content = [
        _masked_block(block, stubs[at]) if at in stubs else block
        for at, block in enumerate(blocks_of(message["content"]))
    ]
    return {**message, "content": content}


def handle_of(text: str) -> str:
    """The short hash under which a text can be recovered."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]


def _masked_block(block: Json, result: ToolResult) -> Json:
    inner = [each.get("cache_control") for each in blocks_of(block.get("content")) if isinstance(each, dict)]
    marks = [mark for mark in (block.get("cache_control"), *reversed(inner)) if mark is not None]
    marked = {"cache_control": marks[0]} if marks else {}
    return {**block, "content": [{"type": "text", "text": result.stub}], **marked}


def _blocks(messages: Sequence[Json]) -> Iterator[tuple[int, int, Any]]:
    for place, message in enumerate(messages):
        for at, block in enumerate(blocks_of(message.get("content"))):
            yield place, at, block


def _content_of(block: Json) -> str | None:
    """The text of a result; None where there is nothing to mask, or something that must stay."""
    blocks = unmarked(blocks_of(block.get("content")))
    if not blocks or any(kind_of(each) not in _MASKABLE for each in blocks):
        return None
    if all(each.keys() == {"type", "text"} and isinstance(each["text"], str) for each in blocks) and len(blocks) == 1:
        return str(blocks[0]["text"])
    return json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))


def _stub(call: Json, block: Json, handle: str, twin: str | None) -> str:
    arguments = json.dumps(call.get("input", {}), ensure_ascii=False, separators=(",", ":"))
    if len(arguments) > _ARGUMENTS_SHOWN:
        arguments = arguments[:_ARGUMENTS_SHOWN] + "\u2026"
    size = byte_count(_content_of(block) or "")
    parts = [f"{call.get('name', 'tool')}({arguments})", f"{size} bytes", handle]
    if block.get("is_error") is True:
        parts.insert(1, "error")
    if twin is not None:
        parts.append("the same as before" if twin == handle else f"nearly the same as {twin}")
    told = " \u00b7 ".join(parts)
    return f"[result left out: {told}]"


def _twin(text: str, handle: str, seen: Sequence[tuple[str, frozenset[str]]]) -> tuple[str | None, frozenset[str]]:
    """The handle of an earlier result that this one repeats."""
    shingles = _shingles(text)
    for other, known in seen:
        if other == handle:
            return other, shingles
        smaller, larger = sorted((len(shingles), len(known)))
        if smaller < _SAME_SHARE * larger or not smaller:
            continue
        shared = len(shingles & known)
        if shared >= _SAME_SHARE * (len(shingles) + len(known) - shared):
            return other, shingles
    return None, shingles


def _shingles(text: str) -> frozenset[str]:
    words = _WORD.findall(text[:_READ_CHARACTERS])
    return frozenset(" ".join(words[at : at + _SHINGLE]) for at in range(max(0, len(words) - _SHINGLE + 1)))
