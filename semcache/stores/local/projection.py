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

from semcache.stores.local import index as faiss_index
from semcache.stores.local.locks import SharedLock
from semcache.stores.similarity import closest_first, cosines, units

if TYPE_CHECKING:
    from semcache.entry import Vector, Vectors


MARGIN = 8  # slots fetched beyond k, so that ties at the k-th place are seen
TIE = 1e-5  # float32 scores closer than this may change places in float64

_DEAD = -math.inf


@dataclass(frozen=True)
class Rows:
    """Exemplars to index: ascending ids, their entries' expiry, and vectors of any length."""

    ids: NDArray[np.int64]
    expires_at: NDArray[np.float64]
    vectors: Vectors

    @classmethod
    def of(cls, rows: Sequence[tuple[int, float, bytes]], dims: int) -> Rows:
        """From (id, expires_at, float32 bytes)."""
        return cls(
            np.array([row[0] for row in rows], np.int64),
            np.array([row[1] for row in rows], np.float64),
            np.frombuffer(b"".join(row[2] for row in rows), np.float32).reshape(len(rows), dims),
        )


class Projection:
    """Thread-safe. `seq` is the last change of the log that it knows; `unsaved` counts changes since a snapshot."""

    def __init__(
        self, index: faiss_index.Index, ids: NDArray[np.int64], expires_at: NDArray[np.float64], *, seq: int
    ) -> None:
        self.index = index
        self.seq = seq
        self.unsaved = 0
        self.is_graph = faiss_index.is_graph(index)
        self._ids, self._expires_at = ids, expires_at
        self._count = len(ids)
        self._dead = int(np.count_nonzero(expires_at == _DEAD))
        self._lock = SharedLock()

    @classmethod
    def exact(cls, dims: int, *, seq: int) -> Projection:
        return cls(faiss_index.exact_index(dims), np.empty(0, np.int64), np.empty(0, np.float64), seq=seq)

    @classmethod
    def graph(cls, dims: int, *, seq: int) -> Projection:
        return cls(faiss_index.graph_index(dims), np.empty(0, np.int64), np.empty(0, np.float64), seq=seq)

    @property
    def ids(self) -> NDArray[np.int64]:
        """Of all slots, dead ones too, ascending."""
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
        return self._count * (faiss_index.bytes_per_slot(self.index) + 16)

    def search(self, query: Vector, *, k: int, now: float) -> list[int]:
        """Ids among which are the k nearest live exemplars, and few more; in a graph, nearly always."""
        faiss_index.on_one_core()
        with self._lock.shared():
            live = self._expires_at[: self._count] > now
            wanted = min(k, int(np.count_nonzero(live)))
            if wanted <= 0:
                return []
            slots = self._near(query, wanted, live) if self.is_graph else self._nearest(query, wanted, live)
            ids = self._ids[slots]
            if len(slots) > wanted + MARGIN:  # many that are equally near: only the oldest of them count
                similarities = cosines(query, faiss_index.vectors_at(self.index, slots))
                ids = ids[closest_first(ids, similarities)[:wanted]]
        return [int(each) for each in ids]

    def add(self, rows: Rows) -> None:
        """Index those rows that are newer than all that is here."""
        with self._lock.alone():
            first = int(np.searchsorted(rows.ids, self.last_id, side="right"))
            fresh = len(rows.ids) - first
            if not fresh:
                return
            self._reserve(self._count + fresh)
            self.index.add(units(rows.vectors[first:]))
            self._ids[self._count : self._count + fresh] = rows.ids[first:]
            self._expires_at[self._count : self._count + fresh] = rows.expires_at[first:]
            self._count += fresh
            self.unsaved += fresh

    def remove(self, ids: Sequence[int]) -> None:
        """Bury these exemplars; those that are not here are passed over."""
        with self._lock.alone():
            for exemplar_id in ids:
                slot = int(np.searchsorted(self.ids, exemplar_id))
                if slot < self._count and self._ids[slot] == exemplar_id and self._expires_at[slot] != _DEAD:
                    self._expires_at[slot] = _DEAD
                    self._dead += 1
                    self.unsaved += 1

    def vector(self, exemplar_id: int) -> Vector:
        """The indexed vector of an exemplar that is here."""
        with self._lock.shared():
            slots = np.searchsorted(self.ids, [exemplar_id])
            return np.asarray(faiss_index.vectors_at(self.index, slots)[0])

    @contextmanager
    def at_rest(self) -> Iterator[tuple[faiss_index.Index, NDArray[np.int64], int]]:
        """The index, the ids of its slots, and the `seq` they stand for, unchanged while this is held."""
        with self._lock.shared():
            yield self.index, self.ids, self.seq

    # with the lock held

    def _near(self, query: Vector, wanted: int, live: NDArray[np.bool_]) -> NDArray[np.int64]:
        """By the graph; by an exact search where too many of what the graph finds are dead."""
        scores, slots = faiss_index.search(self.index, query, wanted + MARGIN)
        found = (slots >= 0) & live[slots]
        scores, slots = scores[found], slots[found]
        if len(slots) < wanted:
            return self._nearest(query, wanted, live)
        return np.asarray(slots[scores >= scores[wanted - 1] - TIE])

    def _nearest(self, query: Vector, wanted: int, live: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Exactly, with whatever is as near as the last one wanted."""
        available, asked = int(np.count_nonzero(live)), wanted + MARGIN
        while True:
            scores, slots = faiss_index.search_exactly(self.index, query, min(asked, available), live)
            near = scores >= scores[wanted - 1] - TIE
            if asked >= available or not near[-1]:
                return np.asarray(slots[near])
            asked *= 4

    def _reserve(self, count: int) -> None:
        if count > len(self._ids):
            room = max(count, 2 * len(self._ids)) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.zeros(room, np.int64)])
            self._expires_at = np.concatenate([self._expires_at, np.full(room, _DEAD)])
