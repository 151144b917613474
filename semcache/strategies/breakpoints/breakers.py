"""What breaks a prefix: where system prompts and tools change from request to request, told without a word of them."""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from semcache.canonical import digest
from semcache.journal import Journalled, operation
from semcache.request import Request
from semcache.strategies.compression.turns import unmarked
from semcache.strategies.routing.conversations import system_text

logger = logging.getLogger(__name__)

DOCUMENT = "prefix-breakers"
_MOST_KEPT, _LONGEST = 256, 40_000
_MOST_FOUND = 100
_ALIKE = 200  # characters at the beginning or the end by which two prompts are taken for one
_SAME_SHARE = 0.8  # of the longer prompt: less in common is another prompt
_LOOKS = (
    ("a timestamp", re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}:\d\d|\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*day\b", re.I)),
    ("an id", re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=\w*\d)\w{12,}\b", re.I)),
    ("a number", re.compile(r"\d")),
)
TOOLS_ORDER, TOOLS_TEXT = "the order of the tools", "the definition of a tool"


@dataclass(frozen=True, slots=True)
class Breaker:
    """What changes between requests that are otherwise alike. `offset` in the system prompt; None: tools."""

    namespace: str
    looks_like: str
    offset: int | None
    times: int = 1

    def says(self) -> str:
        if self.offset is None:
            return (
                f"{self.looks_like} changes from request to request ({self.times} times so far): tools stand before "
                "everything else, so nothing of these prompts can be cached; send them always the same"
            )
        return (
            f"the system prompt carries {self.looks_like} at character {self.offset} that changes from request to "
            f"request ({self.times} times so far): what stands behind it cannot be cached, so put it into a last block "
            "of its own, or into the user's turn; what stands before it is cached where it is long enough"
        )


class Breakers(Journalled):
    """Keeps the latest prompts of each caller in memory only; what was found is kept, without a text. Thread-safe."""

    def __init__(self) -> None:
        self._latest: OrderedDict[str, Any] = OrderedDict()
        self._found: OrderedDict[tuple[str, str, int | None], Breaker] = OrderedDict()
        self._lock = Lock()

    def note(self, request: Request) -> None:
        """Compare with the last prompts of this caller that begin or end alike, and the last tools of these names."""
        self._note_system(request)
        self._note_tools(request)

    def of(self, namespace: str) -> Breaker | None:
        """The latest that was found."""
        with self._lock:
            return next((found for found in reversed(self._found.values()) if found.namespace == namespace), None)

    def all(self) -> tuple[Breaker, ...]:
        """The latest first."""
        with self._lock:
            return tuple(reversed(self._found.values()))

    def to_bytes(self) -> bytes:
        return json.dumps([[each.namespace, each.looks_like, each.offset, each.times] for each in self.all()]).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        found = read_breakers(content)
        with self._lock:
            self._found = OrderedDict((_name(each), each) for each in reversed(found))

    def _note_system(self, request: Request) -> None:
        text = system_text(request.body)
        if not 2 * _ALIKE <= len(text) <= _LONGEST:
            return
        caller = request.caller.namespace, request.caller.credential
        begins = self._replaced(digest([*caller, "begins", text[:_ALIKE]]), text)
        ends = self._replaced(digest([*caller, "ends", text[-_ALIKE:]]), text)
        for before in (begins, ends):
            if isinstance(before, str) and (found := _difference(before, text)) is not None:
                offset, looks_like = found
                self._told(Breaker(request.caller.namespace, looks_like, offset))
                return

    def _note_tools(self, request: Request) -> None:
        tools = request.body.get("tools")
        if not isinstance(tools, list) or not tools:
            return
        names = [str(tool.get("name")) for tool in tools if isinstance(tool, dict)]
        caller = request.caller.namespace, request.caller.credential, digest(system_text(request.body)[:_ALIKE])
        now = names, digest(unmarked(tools))
        before = self._replaced(digest([*caller, "tools", sorted(names)]), now)
        if isinstance(before, tuple) and before != now:
            looks_like = TOOLS_ORDER if before[0] != names else TOOLS_TEXT
            self._told(Breaker(request.caller.namespace, looks_like, None))

    def _replaced(self, key: str, value: Any) -> Any:
        """What was kept under this key before; None: nothing."""
        with self._lock:
            before = self._latest.get(key)
            self._latest[key] = value
            self._latest.move_to_end(key)
            if len(self._latest) > _MOST_KEPT:
                self._latest.popitem(last=False)
        return before

    def _told(self, breaker: Breaker) -> None:
        if self._count(breaker) == 1:
            logger.warning("prompt cache: in namespace %s %s", breaker.namespace, breaker.says())

    @operation
    def _count(self, breaker: Breaker) -> int:
        """How often it has been found by now."""
        with self._lock:
            known = self._found.pop(_name(breaker), None)
            found = breaker if known is None else replace(known, times=known.times + 1)
            self._found[_name(found)] = found
            if len(self._found) > _MOST_FOUND:
                self._found.popitem(last=False)
        return found.times


def read_breakers(content: bytes) -> tuple[Breaker, ...]:
    """What `Breakers.to_bytes` wrote, the latest first. Raises `ValueError`, `TypeError` for anything else."""
    return tuple(
        Breaker(str(namespace), str(looks_like), None if offset is None else int(offset), int(times))
        for namespace, looks_like, offset, times in json.loads(content)
    )


def _name(breaker: Breaker) -> tuple[str, str, int | None]:
    return breaker.namespace, breaker.looks_like, breaker.offset


def _difference(before: str, text: str) -> tuple[int, str] | None:
    """Where two prompts differ, and what the difference looks like; None where they are the same, or not of a kind."""
    if before == text:
        return None
    shorter = min(len(before), len(text))
    start = next((place for place in range(shorter) if before[place] != text[place]), shorter)
    end = 0
    while end < shorter - start and before[-1 - end] == text[-1 - end]:
        end += 1
    if min(start, end) < _ALIKE and start + end < _SAME_SHARE * max(len(before), len(text)):
        return None
    word_start = start
    while word_start > 0 and not text[word_start - 1].isspace():
        word_start -= 1
    changed = text[word_start : len(text) - end + 8]
    return word_start, next((name for name, pattern in _LOOKS if pattern.search(changed)), "a text of its own")
