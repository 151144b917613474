"""Prefixes that were seen: when they came again, and until when Claude is believed to hold them."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, NamedTuple

from semcache.journal import Journalled, operation

TTL_SECONDS = {"5m": 300.0, "1h": 3600.0}
MOST_PREFIXES, MOST_KINDS = 30_000, 2_000
_KEPT_PREFIXES = 10_000  # of what is written to the store: the latest
SEAM = "seam"  # the end of what is alike in texts that vary behind it
PREVIOUS = "previous"  # the end of a turn that another has followed: it comes again with the last one
_KIND_WEIGHT, _PREFIX_WEIGHT = 6.0, 10.0
_MOST_USES = 5  # what came oftener is counted with these


class Chances(NamedTuple):
    """That a prefix comes again: within 5 minutes, within an hour, at all."""

    soon: float
    within_hour: float
    ever: float

    def within(self, ttl: str) -> float:
        return self.soon if ttl == "5m" else self.within_hour


# Before anything is known: too little to be written, but for documents. Waiting for the first that comes again costs
# one write less than was worth it; writing unasked costs one too many for each of its kind, until that is learned.
PRIORS = {
    "tools": Chances(0.2, 0.4, 0.6),
    "system": Chances(0.2, 0.4, 0.6),
    "context": Chances(0.35, 0.5, 0.6),  # a document before its question: parted from it for a reason
    SEAM: Chances(0.35, 0.5, 0.6),  # it is known because it has come before
    "first": Chances(0.2, 0.4, 0.6),  # the end of a first turn
    "later": Chances(0.2, 0.4, 0.6),  # the end of a turn in a conversation that has begun
}
_LIKE = {"later": "first"}  # what is known of this kind is the first that is believed of that one
# By several conversations. Counted by use: what came back once does so rather than what is new.
SHARED = frozenset({"tools", "system", "context", SEAM})


@dataclass(slots=True)
class _Seen:
    count: int = 0
    soon: int = 0  # followed by another within 5 minutes
    within_hour: int = 0
    again: int = 0  # followed by another, however late
    last: float = float("-inf")
    held_until: float = float("-inf")
    ttl: str = "5m"
    kind: str = ""

    def note_return(self, gap: float) -> None:
        self.soon += gap < TTL_SECONDS["5m"]
        self.within_hour += gap < TTL_SECONDS["1h"]
        self.again += gap < float("inf")

    def besides(self, part: _Seen | None) -> _Seen:
        """The counts without those of a part of them."""
        if part is None:
            return self
        return _Seen(
            count=max(0, self.count - part.count),
            soon=max(0, self.soon - part.soon),
            within_hour=max(0, self.within_hour - part.within_hour),
            again=max(0, self.again - part.again),
        )

    def towards(self, expected: Chances, weight: float) -> Chances:
        """The shares of sightings that were followed by another, shrunk."""
        whole = self.count + weight
        return Chances(
            (self.soon + weight * expected.soon) / whole,
            (self.within_hour + weight * expected.within_hour) / whole,
            (self.again + weight * expected.ever) / whole,
        )


class _Pending(NamedTuple):
    """A sighting that may come again soon, and the counts that it goes into."""

    at: float
    names: tuple[str, ...]


class PrefixMemory(Journalled):
    """Bounded and thread-safe; holds digests and counts, never a text."""

    def __init__(self) -> None:
        self._prefixes: OrderedDict[str, _Seen] = OrderedDict()
        self._kinds: OrderedDict[str, _Seen] = OrderedDict()
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._lock = Lock()

    def chances(
        self, digest: str, kind: str, groups: Sequence[str], *, now: float, within: Iterable[str] = ()
    ) -> Chances:
        """That this prefix, which is here now, comes again; `within` are the kinds of the longer ones it begins.

        What is known of its kind in `groups`, the widest of them first; of those among them that have come as often
        as this one; and of this one.
        """
        expected = max(PRIORS[each] for each in (kind, *within) if each in PRIORS)
        with self._lock:
            self._settle(now)
            own = self._prefixes.get(digest)
            uses = own.count if own is not None else 0
            for name, inner in _likenesses(kind, groups, uses):
                if (like := self._kinds.get(name)) is not None:
                    expected = like.besides(self._kinds.get(inner)).towards(expected, _KIND_WEIGHT)
            if own is None or not uses:
                return expected
            known = replace(own)
            known.note_return(now - own.last)  # this very request says so
            return known.towards(expected, _PREFIX_WEIGHT)

    def held_for(self, digest: str, *, now: float) -> str | None:
        """The TTL under which Claude is believed to hold it; None: not at all."""
        with self._lock:
            seen = self._prefixes.get(digest)
            return seen.ttl if seen is not None and now < seen.held_until else None

    @operation
    def note_seen(self, digest: str, kind: str, groups: Sequence[str], *, now: float) -> None:
        """A request with this prefix was sent. That it came again is to the credit of what it was the last time."""
        with self._lock:
            self._settle(now)
            seen = self._touched(self._prefixes, digest, MOST_PREFIXES)
            gap, was, before = now - seen.last, seen.kind, seen.count
            self._count(self._pending.pop(digest, None))
            if was and was != PREVIOUS:
                seen.note_return(gap)
                for name in _alike(groups, was, before - 1):
                    self._touched(self._kinds, name, MOST_KINDS).note_return(gap)
            if kind != PREVIOUS:
                seen.count += 1
                self._pending[digest] = _Pending(now, tuple(_alike(groups, kind, before)))
            seen.last, seen.kind = now, kind

    def _settle(self, now: float) -> None:
        """Those that have not come again soon count from now on: before, nothing can be said of them."""
        while self._pending:
            digest, pending = next(iter(self._pending.items()))
            if now - pending.at < TTL_SECONDS["5m"] and len(self._pending) <= MOST_PREFIXES:
                return
            self._count(self._pending.pop(digest))

    def _count(self, pending: _Pending | None) -> None:
        for name in pending.names if pending is not None else ():
            self._touched(self._kinds, name, MOST_KINDS).count += 1

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
            for pending in self._pending.values():  # the next process will not know when they came
                self._count(pending)
            self._pending.clear()
            kinds = list(self._kinds.items())
        return json.dumps([[_row(item) for item in prefixes], [_row(item) for item in kinds]]).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        prefixes, kinds = json.loads(content)
        with self._lock:
            self._pending.clear()
            self._prefixes = OrderedDict(_seen(row) for row in prefixes)
            self._kinds = OrderedDict(_seen(row) for row in kinds)

    @staticmethod
    def _touched(known: OrderedDict[str, _Seen], name: str, most: int) -> _Seen:
        seen = known.setdefault(name, _Seen())
        known.move_to_end(name)
        if len(known) > most:
            known.popitem(last=False)
        return seen


def _likenesses(kind: str, groups: Sequence[str], uses: int) -> Iterator[tuple[str, str]]:
    """Whose counts tell of such a prefix, the least alike first; and the next, whose own are left out of them."""
    if kind in _LIKE:
        yield f"{groups[-1]}/{_LIKE[kind]}", ""
    names = [f"{group}/{kind}" for group in groups]
    if kind in SHARED:
        names.append(_by_use(names[-1], uses))
    yield from zip(names, [*names[1:], ""], strict=True)


def _alike(groups: Sequence[str], kind: str, uses: int) -> Iterator[str]:
    """The counts that a sighting of this kind, after so many others of the same prefix, goes into."""
    yield from (f"{group}/{kind}" for group in groups)
    if kind in SHARED:
        yield _by_use(f"{groups[-1]}/{kind}", uses)


def _by_use(name: str, uses: int) -> str:
    return f"{name}#{min(uses, _MOST_USES)}"


def _row(item: tuple[str, _Seen]) -> list[Any]:
    name, seen = item
    times = [None if value == float("-inf") else round(value, 1) for value in (seen.last, seen.held_until)]
    return [name, seen.count, seen.soon, seen.within_hour, seen.again, *times, seen.ttl, seen.kind]


def _seen(row: list[Any]) -> tuple[str, _Seen]:
    name, count, soon, within_hour, again, last, held_until, ttl, kind = row
    times = [float("-inf") if value is None else float(value) for value in (last, held_until)]
    counts = (int(count), int(soon), int(within_hour), int(again))
    return str(name), _Seen(*counts, times[0], times[1], str(ttl), str(kind))
