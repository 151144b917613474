"""A scope's vectors held in this process, brought up to the newest change at every look: what every shared store needs.

A look says in one round trip what is new in the scope since the last one, and which of the exemplars that were found
are still there. So a search compares vectors here, and asks the server only for what no copy can know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from semcache.entry import Scope
from semcache.stores.projection import Projection, Rows
from semcache.stores.recollection import Pair

if TYPE_CHECKING:
    from semcache.entry import Vector

MOST_NEWS = 1024  # rows that a look brings: 5 ms; whoever is further behind begins anew

Mark = TypeVar("Mark")  # how a store names what was seen of its changes
_KEY_BYTES = 200  # a key, and its place in the table of them


@dataclass(frozen=True)
class Stand(Generic[Mark]):
    """What was seen of a scope, and when by the store's clock."""

    mark: Mark
    at: float


@dataclass(frozen=True)
class Outset(Generic[Mark]):
    """Where a scope's rows begin to be followed from, and how many there are; `are_keyed`: their keys are held too."""

    stand: Stand[Mark]
    rows: int
    are_keyed: bool = False

    def memory_bytes(self, slot_bytes: int) -> int:
        """That the rows will take."""
        return self.rows * (slot_bytes + (_KEY_BYTES if self.are_keyed else 0))


@dataclass(frozen=True)
class Portion:
    """Rows of a scope; and the keys of their entries, where an exemplar cannot be found without."""

    rows: Rows
    keys: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Look(Generic[Mark]):
    """What a look brought: the stand it was taken at, what is new, which of the asked are there, what was missing."""

    stand: Stand[Mark]
    news: Portion
    there: frozenset[int]
    fresh: Mapping[int, Pair]


@dataclass(frozen=True)
class Near:
    """What the server found, in no order: all that may be among the k nearest; `is_few`: it is quick, there are few."""

    pairs: Mapping[int, Pair]
    is_few: bool


class Source(Protocol[Mark]):
    """What a store is asked for so that its scopes can be followed. Everything raises `StoreError`."""

    def begin(self, scope: Scope) -> Outset[Mark] | None:
        """None: it cannot be followed now."""
        ...

    def pages(self, scope: Scope) -> Iterator[Portion]:
        """All rows of the scope that are there before and after, others wanting the server in between."""
        ...

    def empty(self) -> Projection: ...

    def look(
        self, scope: Scope, followed: Followed[Mark], seen: Stand[Mark], *, known: Sequence[int], missing: Sequence[int]
    ) -> Look[Mark] | None:
        """What came after `seen`; which of the known exist, and the missing with their entries. None: begin anew."""
        ...

    def search(self, scope: Scope, query: Vector, *, k: int) -> Near:
        """The server's own search, for whoever does not hold the scope."""
        ...


class Followed(Generic[Mark]):
    """The vectors of one scope, and what has been seen of its rows. Thread-safe.

    All rows that the stand has seen are in the projection before it says so, but for those that are gone. What was
    removed may still be in it: whoever finds something here has to ask whether it is still there.
    """

    def __init__(self, projection: Projection, keys: dict[int, bytes], stand: Stand[Mark]) -> None:
        self.projection = projection
        self.stand = stand
        self._keys = keys
        self._lock = Lock()
        self._most_slots = 2 * len(projection.ids) + MOST_NEWS

    @property
    def memory_bytes(self) -> int:
        return self.projection.memory_bytes + len(self._keys) * _KEY_BYTES

    @property
    def is_outgrown(self) -> bool:
        """As many came since as were loaded: by then as many may have gone that nobody found near."""
        return len(self.projection.ids) > self._most_slots

    def key(self, exemplar_id: int) -> bytes:
        """Of the entry of an exemplar that is held; empty where it was buried meanwhile."""
        return self._keys.get(exemplar_id, b"")

    def take(self, seen: Stand[Mark], look: Look[Mark]) -> None:
        """Everything that was there at the look is here after it. `seen` is the stand that it was told."""
        if len(look.news.rows.ids):
            self._keys.update(look.news.keys)  # before anybody can find them
            self.projection.add(look.news.rows)
        with self._lock:
            if self.stand is seen:  # another thread's is as good: both brought what this one had not seen
                self.stand = look.stand

    def bury(self, gone: Iterable[int]) -> None:
        """These are not there any more."""
        some = list(gone)
        self.projection.remove(some)
        for exemplar_id in some:
            self._keys.pop(exemplar_id, None)
