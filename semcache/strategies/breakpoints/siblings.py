"""Requests of one batch that begin alike: they are known before any of them is sent, so what they share is no guess.

A batch is worked on over minutes to hours, in any order. So its prefixes are marked for an hour or not at all, and a
request counts on finding one written only as often as batches are known to (`_FOUND`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from semcache.canonical import digest
from semcache.request import Json, Request
from semcache.strategies.breakpoints.memory import Chances
from semcache.strategies.breakpoints.planning import Candidate, Outlook

LEAST_BYTES = 1_500  # of a body: what is shorter holds no prefix that Claude would keep
_FOUND = 0.7  # of the requests behind the first, those that read what it wrote; 0.3 to 0.98 (Claude API, section 5)


class Siblings:
    """How many requests of a batch begin alike. Models are left out: which one it will be is not known yet."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, body: Json) -> None:
        self._counts.update(_beginnings(body).values())

    def count(self, body: Json, kind: str) -> int:
        """Requests that share the beginning of this kind with it, itself among them."""
        beginning = _beginnings(body).get(kind)
        return 0 if beginning is None else self._counts[beginning]


def expected_in_batch(outlook: Outlook, request: Request) -> Outlook:
    """What is known of a prefix whose request is one of many."""
    siblings = request.siblings
    if siblings is None:
        return outlook
    candidates, ceiling = [], 1.0
    for each in outlook.candidates:
        count = siblings.count(request.body, each.kind)
        chance = _FOUND * (count - 1) / count if count else each.chances.within_hour
        ceiling = min(ceiling, max(chance, each.chances.within_hour))
        candidates.append(Candidate(each.place, each.kind, Chances(0.0, ceiling, ceiling)))
    return replace(outlook, candidates=tuple(candidates))


def _beginnings(body: Json) -> dict[str, str]:
    """Digests of what may be shared, by the kinds of `planning.kinds_of`."""
    tools, system = body.get("tools"), body.get("system")
    found = {}
    if tools:
        found["tools"] = digest(["tools", tools])
    if system:
        found["system"] = digest(["system", tools, system])
    if (documents := _documents(body.get("messages"))) is not None:
        found["context"] = digest(["context", tools, system, documents])
    return found


def _documents(messages: Any) -> list[Any] | None:
    """The blocks of the first turn before its last one."""
    first = messages[0] if isinstance(messages, list) and messages else None
    content = first.get("content") if isinstance(first, dict) else None
    return content[:-1] if isinstance(content, list) and len(content) > 1 else None
