"""The exemplars of one scope as a FAISS index: exact while small, a graph when large.

Slots are never reused. A removed exemplar leaves a tombstone (its time of expiry becomes minus
infinity), so removal is one store into an array, and expiry and removal are one comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semcache.stores import vector_index
from semcache.stores.locks import SharedLock
from semcache.stores.similarity import closest_first, cosines, units

if TYPE_CHECKING:
    from semcache.entry import Vector, Vectors


MARGIN = 8  # slots fetched beyond k, so that ties at the k-th place are seen

_DEAD = -math.inf


@dataclass(frozen=True)
class Precision:
    """Scores closer than `slack` may change places; of those about as near as the k-th so many are given beyond k."""

    slack: float
    spare: int


FLOAT32 = Precision(slack=1e-5, spare=MARGIN)  # its scores, against those in float64
# Rounded to 16 bits, each component is off by at most 2^-11 of itself, so each vector of length 1 by as much, and so
# are its similarities to a query that is not rounded (Cauchy and Schwarz): of two, twice that. 3e-5 was seen at 384
# dims.
HALF = Precision(slack=1e-3, spare=80)


@dataclass(frozen=True)
class Rows:
    """Exemplars to index: ids, each once, their entries' expiry, and vectors, each of length one or zero."""

    ids: NDArray[np.int64]
    expires_at: NDArray[np.float64]
    vectors: Vectors

    @classmethod
    def of(cls, rows: Sequence[tuple[int, float, bytes]], dims: int) -> Rows:
        """From (id, expires_at, float32 bytes of any length)."""
        return cls(
            np.array([row[0] for row in rows], np.int64),
            np.array([row[1] for row in rows], np.float64),
            units(np.frombuffer(b"".join(row[2] for row in rows), np.float32).reshape(len(rows), dims)),
        )


class Projection:
    """Thread-safe. `seq` is the last change of the log that it knows; `unsaved` counts changes since a snapshot."""

    def __init__(
        self,
        index: vector_index.Index,
        ids: NDArray[np.int64],
        expires_at: NDArray[np.float64],
        *,
        seq: int,
        precision: Precision = FLOAT32,
    ) -> None:
        """`ids` ascend."""
        self.index = index
        self.seq = seq
        self.unsaved = 0
        self.is_graph = vector_index.is_graph(index)
        self.slot_bytes = vector_index.bytes_per_slot(index) + ids.itemsize + expires_at.itemsize
        self._precision = precision
        self._ids, self._expires_at = ids, expires_at
        self._order: NDArray[np.intp] | None = None  # in which ids ascend; None: as they came
        self._count = len(ids)
        self._dead = int(np.count_nonzero(expires_at == _DEAD))
        self._lock = SharedLock()

    @classmethod
    def exact(cls, dims: int, *, seq: int = 0) -> Projection:
        return cls(vector_index.exact_index(dims), np.empty(0, np.int64), np.empty(0, np.float64), seq=seq)

    @classmethod
    def half(cls, dims: int) -> Projection:
        """As exact, for whoever ranks what is found by vectors that are not rounded."""
        index = vector_index.half_index(dims)
        return cls(index, np.empty(0, np.int64), np.empty(0, np.float64), seq=0, precision=HALF)

    @classmethod
    def graph(cls, dims: int, *, seq: int) -> Projection:
        return cls(vector_index.graph_index(dims), np.empty(0, np.int64), np.empty(0, np.float64), seq=seq)

    @property
    def ids(self) -> NDArray[np.int64]:
        """Of all slots, dead ones too, in the order they came."""
        return self._ids[: self._count]

    @property
    def live(self) -> int:
        """Exemplars not removed, expired or not."""
        return self._count - self._dead

    @property
    def last_id(self) -> int:
        return int(self._ids[self._count - 1]) if self._count else 0

    @property
    def dead_share(self) -> float:
        return self._dead / self._count if self._count else 0.0

    @property
    def memory_bytes(self) -> int:
        return self._count * self.slot_bytes

    def search(self, query: Vector, *, k: int, now: float) -> list[int]:
        """Ids among which are the k nearest live exemplars, and few more; in a graph, nearly always."""
        vector_index.on_one_core()
        with self._lock.shared():
            live = self._expires_at[: self._count] > now
            wanted = min(k, int(np.count_nonzero(live)))
            if wanted <= 0:
                return []
            slots = self._near(query, wanted, live) if self.is_graph else self._nearest(query, wanted, live)
            ids = self._ids[slots]
            if len(slots) > (most := wanted + self._precision.spare):  # so many equally near: the oldest of them count
                similarities = cosines(query, vector_index.vectors_at(self.index, slots))
                ids = ids[closest_first(ids, similarities)[:most]]
        return [int(each) for each in ids]

    def add(self, rows: Rows) -> None:
        """Index those rows that are not here yet, and never were."""
        with self._lock.alone():
            is_fresh = self._slots_of(rows.ids) < 0
            fresh = int(np.count_nonzero(is_fresh))
            if not fresh:
                return
            self._reserve(self._count + fresh)
            self.index.add(rows.vectors[is_fresh])
            self._ids[self._count : self._count + fresh] = rows.ids[is_fresh]
            self._expires_at[self._count : self._count + fresh] = rows.expires_at[is_fresh]
            newer = self._ids[max(0, self._count - 1) : self._count + fresh]
            self._count += fresh
            self.unsaved += fresh
            if self._order is not None or (np.diff(newer) <= 0).any():
                self._order = np.argsort(self.ids, kind="stable")

    def remove(self, ids: Sequence[int]) -> None:
        """Bury these exemplars; those that are not here are passed over."""
        with self._lock.alone():
            slots = self._slots_of(np.unique(np.array(ids, np.int64)))
            living = [slot for slot in slots[slots >= 0] if self._expires_at[slot] != _DEAD]
            self._expires_at[living] = _DEAD
            self._dead += len(living)
            self.unsaved += len(living)

    def vector(self, exemplar_id: int) -> Vector:
        """The indexed vector of an exemplar that is here."""
        with self._lock.shared():
            slots = self._slots_of(np.array([exemplar_id], np.int64))
            return np.asarray(vector_index.vectors_at(self.index, slots)[0])

    @contextmanager
    def at_rest(self) -> Iterator[tuple[vector_index.Index, NDArray[np.int64], int]]:
        """The index, the ids of its slots, and the `seq` they stand for, unchanged while this is held."""
        with self._lock.shared():
            yield self.index, self.ids, self.seq

    # with the lock held

    def _slots_of(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where these are; -1: not here."""
        if not self._count:
            return np.full(len(ids), -1)
        places = np.minimum(np.searchsorted(self.ids, ids, sorter=self._order), self._count - 1)
        slots = places if self._order is None else self._order[places]
        return np.where(self._ids[slots] == ids, slots, -1)

    def _near(self, query: Vector, wanted: int, live: NDArray[np.bool_]) -> NDArray[np.int64]:
        """By the graph; by an exact search where too many of what the graph finds are dead."""
        scores, slots = vector_index.search(self.index, query, wanted + MARGIN)
        found = (slots >= 0) & live[slots]
        scores, slots = scores[found], slots[found]
        if len(slots) < wanted:
            return self._nearest(query, wanted, live)
        return np.asarray(slots[scores >= scores[wanted - 1] - self._precision.slack])

    def _nearest(self, query: Vector, wanted: int, live: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Exactly, with whatever is as near as the last one wanted."""
        available, asked = int(np.count_nonzero(live)), wanted + MARGIN
        while True:
            scores, slots = vector_index.search_exactly(self.index, query, min(asked, available), live)
            near = scores >= scores[wanted - 1] - self._precision.slack
            if asked >= available or not near[-1]:
                return np.asarray(slots[near])
            asked *= 4

    def _reserve(self, count: int) -> None:
        if count > len(self._ids):
            room = max(count, 2 * len(self._ids)) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.zeros(room, np.int64)])
            self._expires_at = np.concatenate([self._expires_at, np.full(room, _DEAD)])
