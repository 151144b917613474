"""Pages of a list as Claude's list endpoints cut them: limit, after_id, before_id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from semcache.request import Json
from semcache.upstream.simulator.responses import Problem

_PAGE = 20
_MAX_PAGE = 1000


@dataclass(frozen=True)
class Cut:
    """Which part of a list a page shows."""

    start: int
    end: int
    has_more: bool


def cut_of(ids: Sequence[str], query: str, *, kind: str) -> Cut | Problem:
    """What a query asks of this list; `kind` names its items in complaints."""
    asked = parse_qs(query)
    limit = asked.get("limit", [str(_PAGE)])[0]
    if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit) <= _MAX_PAGE:
        return Problem(400, f"limit: Input should be between 1 and {_MAX_PAGE}")
    start, end = 0, len(ids)
    for name in ("after_id", "before_id"):
        if name in asked and asked[name][0] not in ids:
            return Problem(400, f"{name}: no {kind} with the id {asked[name][0][:100]}")
    if "after_id" in asked:
        start = ids.index(asked["after_id"][0]) + 1
    if "before_id" not in asked:
        return Cut(start, min(end, start + int(limit)), start + int(limit) < end)
    end = ids.index(asked["before_id"][0])
    first = max(start, end - int(limit))
    return Cut(first, max(first, end), first > 0)


def page_body(ids: Sequence[str], items: list[Any], cut: Cut) -> Json:
    """The page; `items` are those of the cut."""
    shown = ids[cut.start : cut.end]
    return {
        "data": items,
        "has_more": cut.has_more,
        "first_id": shown[0] if shown else None,
        "last_id": shown[-1] if shown else None,
    }
