"""Puts marks into a request: nothing else changes, and nothing of the caller's is edited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from semcache.policy import PROMPT_CACHING
from semcache.request import Json, Request
from semcache.strategies.breakpoints.planning import Mark
from semcache.strategies.breakpoints.prefix import Place, Prefix

STRATEGY = PROMPT_CACHING


def marked(request: Request, prefix: Prefix, marks: Iterable[Mark]) -> Request:
    """The request with these marks; a bare text becomes a list of one block where it bears one."""
    changes: Json = {}
    for mark in marks:
        place = prefix.places[mark.place]
        changes[place.section] = _with_mark(changes.get(place.section, request.body[place.section]), place, mark.ttl)
    return request.reshaped(STRATEGY, changes) if changes else request


def _with_mark(section: Any, place: Place, ttl: str) -> Any:
    mark = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
    if place.section == "system":
        return _content_with_mark(section, place.inner, mark)
    items = list(section)
    objects = [number for number, item in enumerate(items) if isinstance(item, dict)]
    number = objects[place.outer]
    if place.section == "tools":
        items[number] = {**items[number], "cache_control": mark}
    else:
        turn = items[number]
        items[number] = {**turn, "content": _content_with_mark(turn["content"], place.inner, mark)}
    return items


def _content_with_mark(content: Any, inner: int | None, mark: Json) -> list[Any]:
    if inner is None:
        return [{"type": "text", "text": content, "cache_control": mark}]
    return [{**block, "cache_control": mark} if number == inner else block for number, block in enumerate(content)]
