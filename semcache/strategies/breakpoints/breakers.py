"""What breaks a prefix: where a system prompt changes from request to request, told without a word of it."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from semcache.request import Request
from semcache.strategies.routing.conversations import system_text

_MOST_KEPT, _LONGEST = 128, 40_000
_LEAST_COMMON = 200  # characters before and behind the change: else it is another prompt
_LOOKS = (
    ("a timestamp", re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}:\d\d|\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*day\b", re.I)),
    ("an id", re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=\w*\d)\w{12,}\b", re.I)),
    ("a number", re.compile(r"\d")),
)


@dataclass(frozen=True, slots=True)
class Breaker:
    """Where the system prompt changes between requests that are otherwise alike, and what it looks like."""

    offset: int  # in characters
    looks_like: str
    times: int

    def says(self) -> str:
        return (
            f"the system prompt changes at character {self.offset} between requests ({self.times} times): it looks "
            f"like {self.looks_like}; what stands behind it cannot be cached, so put it last, or into the user's turn"
        )


class Breakers:
    """Keeps the latest system prompt of each caller, in memory only. Thread-safe."""

    def __init__(self) -> None:
        self._latest: OrderedDict[str, str] = OrderedDict()
        self._found: OrderedDict[str, Breaker] = OrderedDict()
        self._lock = Lock()

    def note(self, request: Request) -> None:
        """Compare with the last prompt of this caller that begins alike."""
        text = system_text(request.body)
        if not 2 * _LEAST_COMMON <= len(text) <= _LONGEST:
            return
        who = f"{request.caller.namespace}/{request.caller.credential}/{text[:_LEAST_COMMON]}"
        with self._lock:
            before = self._latest.get(who)
            self._latest[who] = text
            self._latest.move_to_end(who)
            if len(self._latest) > _MOST_KEPT:
                self._latest.popitem(last=False)
            if before is not None and before != text and (found := _difference(before, text)) is not None:
                known = self._found.get(request.caller.namespace)
                times = known.times + 1 if known is not None and known.offset == found[0] else 1
                self._found[request.caller.namespace] = Breaker(*found, times)

    def of(self, namespace: str) -> Breaker | None:
        """The latest that was found."""
        with self._lock:
            return self._found.get(namespace)


def _difference(before: str, text: str) -> tuple[int, str] | None:
    """Where two prompts differ, and what the difference looks like; None where they are no two of a kind."""
    start = next((place for place, (one, other) in enumerate(zip(before, text, strict=False)) if one != other), None)
    if start is None:
        return None
    end = 0
    while end < min(len(before), len(text)) - start and before[-1 - end] == text[-1 - end]:
        end += 1
    if end < _LEAST_COMMON:
        return None
    word_start = start
    while word_start > 0 and not text[word_start - 1].isspace():
        word_start -= 1
    changed = text[word_start : len(text) - end + 8]
    return word_start, next((name for name, pattern in _LOOKS if pattern.search(changed)), "a text of its own")
