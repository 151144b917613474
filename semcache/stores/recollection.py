"""Rows of exemplars kept in memory, within a budget: the most used answers are read from the database once.

An exemplar never changes, and its entry changes only together with its exemplars; so a row is right
for as long as its id is. Only the entry's hit counters may lag behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock

from semcache.entry import Entry, Exemplar
from semcache.stores.stored import StoredMessage

Pair = tuple[Entry, Exemplar]

_OVERHEAD_BYTES = 2000  # the objects of a pair


class Recollection:
    """Thread-safe; the rows kept longest are forgotten first."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._held_bytes = 0
        self._pairs: dict[int, Pair] = {}
        self._lock = Lock()

    def recall(self, exemplar_ids: Iterable[int]) -> dict[int, Pair]:
        """Those that are remembered."""
        pairs = self._pairs
        return {exemplar_id: pair for exemplar_id in exemplar_ids if (pair := pairs.get(exemplar_id)) is not None}

    def fetched(self, exemplar_ids: Sequence[int], fetch: Callable[[list[int]], Mapping[int, Pair]]) -> dict[int, Pair]:
        """Those that exist: from memory, and what is missing there by `fetch`, remembered."""
        found = self.recall(exemplar_ids)
        if missing := [exemplar_id for exemplar_id in exemplar_ids if exemplar_id not in found]:
            fresh = fetch(missing)
            self.remember(fresh)
            found |= fresh
        return found

    def remember(self, pairs: Mapping[int, Pair]) -> None:
        with self._lock:
            for exemplar_id, pair in pairs.items():
                if exemplar_id not in self._pairs:
                    self._pairs[exemplar_id] = pair
                    self._held_bytes += _size(pair)
            while self._held_bytes > self._budget_bytes:
                self._drop(next(iter(self._pairs)))

    def forget(self, exemplar_ids: Iterable[int]) -> None:
        """What was removed must not stay in memory either."""
        with self._lock:
            for exemplar_id in exemplar_ids:
                if exemplar_id in self._pairs:
                    self._drop(exemplar_id)

    def forget_all(self) -> None:
        with self._lock:
            self._pairs, self._held_bytes = {}, 0

    def _drop(self, exemplar_id: int) -> None:
        self._held_bytes -= _size(self._pairs.pop(exemplar_id))


def _size(pair: Pair) -> int:
    entry, exemplar = pair
    message = 2 * entry.message.stored_bytes if isinstance(entry.message, StoredMessage) else 0
    vector, windows = exemplar.embedding.vector, exemplar.embedding.windows
    vectors = vector.nbytes + (windows.nbytes if len(windows) > 1 else 0)  # a single window is the vector, kept once
    return message + len(entry.question) + len(exemplar.text) + vectors + _OVERHEAD_BYTES
