"""A request as Claude's prompt cache sees it: blocks in order, each with the digest and the size of all up to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from semcache.message import THINKING_TYPES
from semcache.pricing import Model, estimate_tokens
from semcache.request import Json, Request
from semcache.strategies.breakpoints.parting import Parting

LOOKBACK_BLOCKS = 20  # positions that Claude tries for each mark, the mark's own being the first
MOST_MARKS = 4
_TURN_TOKENS = 3
_DATA_TOKENS = {"image": 1_500, "document": 3_000}
# What changes the prefix, or who may read it (Claude API §4): a change of one is taken for a change of everything.
_CONFIGURATION = ("model", "thinking", "output_config", "tool_choice", "speed", "context_management", "container")


@dataclass(frozen=True, slots=True)
class Place:
    """One block. `inner` None: the field is a bare text, and becomes a list of one block where it bears a mark."""

    section: str  # tools, system or messages
    outer: int
    inner: int | None
    digest: str  # of all up to and including it
    reach_tokens: int  # of all up to and including it
    role: str = ""
    ttl: str | None = None  # of the mark that it bears
    is_markable: bool = True


@dataclass(frozen=True)
class Prefix:
    """The blocks of one request, for one model and credential."""

    places: tuple[Place, ...]
    automatic_ttl: str | None = None  # of a top-level cache_control, which marks the last block and uses one slot
    seam: int | None = None  # the place of the first part of a text that we have parted

    @property
    def tokens(self) -> int:
        return self.places[-1].reach_tokens if self.places else 0

    @property
    def marks(self) -> int:
        """Slots that the caller has used."""
        own = sum(place.ttl is not None for place in self.places)
        return own + int(self.automatic_ttl is not None)  # it needs a slot to look for, even where it finds a mark


def prefix_of(request: Request, model: Model, *, parting: Parting | None = None) -> Prefix:
    """One pass over the body; `parting` is where one of its texts has been parted."""
    body = request.body
    digest = hashlib.blake2b(_scope(request), digest_size=12)
    places: list[Place] = []
    reached = Decimal(0)
    for section, outer, inner, block, role in _blocks(body):
        digest.update(_material(block, role))
        reached += _raw_tokens(block) * model.tokenizer_factor + (_TURN_TOKENS if section == "messages" else 0)
        mark = block.get("cache_control")
        ttl = str(mark.get("ttl", "5m")) if isinstance(mark, dict) else None
        is_markable = block.get("type") not in THINKING_TYPES and block.get("text") != ""
        places.append(Place(section, outer, inner, digest.hexdigest(), int(reached), role, ttl, is_markable))
    automatic = body.get("cache_control")
    ttl = str(automatic.get("ttl", "5m")) if isinstance(automatic, dict) else None
    return Prefix(tuple(places), ttl, None if parting is None else _seam(places, parting))


def _seam(places: Sequence[Place], parting: Parting) -> int:
    first = parting.section, parting.outer, parting.inner or 0
    return next(at for at, place in enumerate(places) if (place.section, place.outer, place.inner) == first)


def _scope(request: Request) -> bytes:
    settings = [request.body.get(name) for name in _CONFIGURATION]
    return _canonical([request.caller.credential, request.version, request.betas, settings])


def _blocks(body: Json) -> Iterator[tuple[str, int, int | None, Json, str]]:
    for place, tool in enumerate(_objects(body.get("tools"))):
        yield "tools", place, None, tool, ""
    yield from (("system", 0, inner, block, "") for inner, block in _content(body.get("system")))
    for turn, message in enumerate(_objects(body.get("messages"))):
        for inner, block in _content(message.get("content")):
            yield "messages", turn, inner, block, str(message.get("role"))


def _content(content: Any) -> list[tuple[int | None, Json]]:
    if isinstance(content, str):
        return [(None, {"type": "text", "text": content})] if content else []
    return [(inner, block) for inner, block in enumerate(content or []) if isinstance(block, dict)]


def _objects(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _material(block: Json, role: str) -> bytes:
    return _canonical([role, _unmarked(block)])


def _unmarked(value: Any) -> Any:
    """Without marks, however deep: they are no part of the prefix."""
    if isinstance(value, dict):
        return {name: _unmarked(item) for name, item in value.items() if name != "cache_control"}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _raw_tokens(block: Json) -> int:
    """By the older tokenizer, roughly as Claude counts."""
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        return estimate_tokens(block["text"])
    source = block.get("source")
    if isinstance(source, dict) and source.get("type") == "text":
        return estimate_tokens(str(source.get("data", "")))
    known = {name: item for name, item in block.items() if name not in ("source", "signature", "data", "cache_control")}
    extra = _DATA_TOKENS.get(str(block.get("type")), 0) if isinstance(source, dict) else 0
    return estimate_tokens(json.dumps(known, ensure_ascii=False, separators=(",", ":"))) + extra
