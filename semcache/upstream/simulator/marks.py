"""Whether the cache_control marks of a request are where and as many as Claude allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from semcache.request import Json
from semcache.upstream.simulator.blocks import blocks_of

Problems = Iterator[str]

MAX_MARKS = 4
_MARK_FIELDS = frozenset({"type", "ttl"})


def mark_problems(body: Json) -> Problems:
    """What is wrong with the marks, the automatic one included."""
    marks = list(_marks(body))
    for where, block, mark in marks:
        yield from _shape_problems(where, block, mark)
    automatic = body.get("cache_control")
    is_last_marked = _last_is_marked(body)
    # The automatic mark is none of its own where the last block bears one, but with four there is no slot to look for.
    count = len(marks) + int(automatic is not None and (len(marks) == MAX_MARKS or not is_last_marked))
    if count > MAX_MARKS:
        yield f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {count}."
    if automatic is not None and is_last_marked and _ttl(marks[-1][2]) != _ttl(automatic):
        yield "cache_control.ttl: the last block already has a cache_control with a different ttl"
    ttls = [(f"{where}.", _ttl(mark)) for where, _, mark in marks]
    if automatic is not None:
        ttls.append(("", _ttl(automatic)))
    yield from _order_problems(ttls)


def _order_problems(ttls: list[tuple[str, Any]]) -> Problems:
    has_short = False
    for where, ttl in ttls:
        if ttl == "1h" and has_short:
            yield (
                f"{where}cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
                "`messages`."
            )
        has_short = has_short or ttl == "5m"


def _marks(body: Json) -> Iterator[tuple[str, Json, Any]]:
    for where, block in _markable(body):
        if block.get("cache_control") is not None:
            yield where, block, block["cache_control"]


def _markable(body: Json) -> Iterator[tuple[str, Json]]:
    for place, tool in enumerate(body.get("tools") or []):
        yield f"tools.{place}", tool
    for place, block in enumerate(blocks_of(body.get("system"))):
        yield f"system.{place}", block
    for turn, message in enumerate(body["messages"]):
        for place, block in enumerate(blocks_of(message["content"])):
            where = f"messages.{turn}.content.{place}"
            if block.get("type") == "tool_result":
                for inner, nested in enumerate(blocks_of(block.get("content"))):
                    yield f"{where}.tool_result.content.{inner}", nested
            yield where, block


def _last_is_marked(body: Json) -> bool:
    blocks = [block for _, block in _markable(body) if block.get("type") not in ("thinking", "redacted_thinking")]
    return bool(blocks) and blocks[-1].get("cache_control") is not None


def _shape_problems(where: str, block: Json, mark: Any) -> Problems:
    if not isinstance(mark, dict):
        yield f"{where}.cache_control: Input should be a valid dictionary"
    elif mark.get("type") != "ephemeral":
        yield f"{where}.cache_control.type: Input should be 'ephemeral'"
    elif "ttl" in mark and mark["ttl"] not in ("5m", "1h"):
        yield f"{where}.cache_control.ttl: Input should be '5m' or '1h'"
    else:
        yield from (
            f"{where}.cache_control.{name}: Extra inputs are not permitted" for name in mark if name not in _MARK_FIELDS
        )
    if block.get("type") == "text" and block.get("text") == "":
        yield f"{where}.text: cache_control cannot be set for empty text blocks"


def _ttl(mark: Any) -> Any:
    return mark.get("ttl", "5m") if isinstance(mark, dict) else None
