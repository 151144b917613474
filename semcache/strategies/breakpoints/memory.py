"""Prefixes that were seen: when they came again, and until when Claude is believed to hold them."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from semcache.journal import Journalled, operation

TTL_SECONDS = {"5m": 300.0, "1h": 3600.0}
MOST_PREFIXES, MOST_KINDS = 30_000, 2_000
_KEPT_PREFIXES = 10_000  # of what is written to the store: the latest
# Chance that a prefix comes again within 5 minutes and within an hour, before anything is known of it.
PRIORS = {
    "tools": (0.2, 0.5),  # just too little to be written unseen: what comes a second time is written then
    "system": (0.2, 0.5),
    "context": (0.35, 0.6),  # a document before its question
    "later": (0.6, 0.7),  # the end of a turn in a conversation that has begun
    "first": (0.2, 0.3),  # the end of a first turn
}
_KIND_WEIGHT, _PREFIX_WEIGHT = 6.0, 1.5


@dataclass(slots=True)
class _Seen:
    count: int = 0
    soon: int = 0  # followed by another within 5 minutes
    within_hour: int = 0
    last: float = float("-inf")
    held_until: float = float("-inf")
    ttl: str = "5m"
    kind: str = ""

    def followed(self, place: int) -> int:
        """How many sightings were followed by another: within 5 minutes (0), or within an hour (1)."""
        return (self.soon, self.within_hour)[place]


class PrefixMemory(Journalled):
    """Bounded and thread-safe; holds digests and counts, never a text."""

    def __init__(self) -> None:
        self._prefixes: OrderedDict[str, _Seen] = OrderedDict()
        self._kinds: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = Lock()

    def chance(self, digest: str, kind: str, groups: Sequence[str], ttl: str, *, now: float) -> float:
        """That this prefix, which is here now, comes again within the TTL.

        Its own record, shrunk towards those of its kind in `groups`, the widest of them first.
        """
        place = 0 if ttl == "5m" else 1
        expected = PRIORS[kind][place]
        with self._lock:
            for group in groups:
                if (like := self._kinds.get(f"{group}/{kind}")) is not None:
                    expected = _shrunk(like.followed(place), like.count, expected, _KIND_WEIGHT)
            own = self._prefixes.get(digest)
            if own is None:
                return expected
            has_returned = now - own.last < TTL_SECONDS[ttl]  # this very request says so
            return _shrunk(own.followed(place) + has_returned, own.count, expected, _PREFIX_WEIGHT)

    def held_for(self, digest: str, *, now: float) -> str | None:
        """The TTL under which Claude is believed to hold it; None: not at all."""
        with self._lock:
            seen = self._prefixes.get(digest)
            return seen.ttl if seen is not None and now < seen.held_until else None

    @operation
    def note_seen(self, digest: str, kind: str, groups: Sequence[str], *, now: float) -> None:
        """A request with this prefix was sent. That it came again is to the credit of what it was the last time."""
        with self._lock:
            seen = self._touched(self._prefixes, digest, MOST_PREFIXES)
            gap, was = now - seen.last, seen.kind or kind
            for each in (seen, *(self._touched(self._kinds, f"{group}/{was}", MOST_KINDS) for group in groups)):
                each.soon += gap < TTL_SECONDS["5m"]
                each.within_hour += gap < TTL_SECONDS["1h"]
            for each in (seen, *(self._touched(self._kinds, f"{group}/{kind}", MOST_KINDS) for group in groups)):
                each.count += 1
            seen.last, seen.kind = now, kind

    @operation
    def note_held(self, digest: str, ttl: str, *, now: float) -> None:
        """Claude has written it."""
        with self._lock:
            seen = self._touched(self._prefixes, digest, MOST_PREFIXES)
            seen.ttl = ttl
            seen.held_until = now + TTL_SECONDS[ttl]

    @operation
    def note_read(self, digest: str, *, now: float) -> None:
        """A hit lives on for its own TTL."""
        with self._lock:
            seen = self._prefixes.get(digest)
            if seen is not None:
                seen.held_until = now + TTL_SECONDS[seen.ttl]

    @operation
    def note_lost(self, digest: str) -> None:
        """Claude did not hold it after all."""
        with self._lock:
            if digest in self._prefixes:
                self._prefixes[digest].held_until = float("-inf")

    def to_bytes(self) -> bytes:
        with self._lock:
            prefixes = list(self._prefixes.items())[-_KEPT_PREFIXES:]
            kinds = list(self._kinds.items())
        return json.dumps([[_row(item) for item in prefixes], [_row(item) for item in kinds]]).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        prefixes, kinds = json.loads(content)
        with self._lock:
            self._prefixes = OrderedDict(_seen(row) for row in prefixes)
            self._kinds = OrderedDict(_seen(row) for row in kinds)

    @staticmethod
    def _touched(known: OrderedDict[str, _Seen], name: str, most: int) -> _Seen:
        seen = known.setdefault(name, _Seen())
        known.move_to_end(name)
        if len(known) > most:
            known.popitem(last=False)
        return seen


def _shrunk(followed: int, count: int, expected: float, weight: float) -> float:
    """The share of sightings that were followed by another; of a kind, the latest of each prefix was not, as yet."""
    return (followed + weight * expected) / (count + weight)


def _row(item: tuple[str, _Seen]) -> list[Any]:
    name, seen = item
    times = [None if value == float("-inf") else round(value, 1) for value in (seen.last, seen.held_until)]
    return [name, seen.count, seen.soon, seen.within_hour, *times, seen.ttl, seen.kind]


def _seen(row: list[Any]) -> tuple[str, _Seen]:
    name, count, soon, within_hour, last, held_until, ttl, kind = row
    times = [float("-inf") if value is None else float(value) for value in (last, held_until)]
    return str(name), _Seen(int(count), int(soon), int(within_hour), times[0], times[1], str(ttl), str(kind))
