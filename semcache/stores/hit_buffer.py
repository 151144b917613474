"""Hits and servings on the path of a request: kept in memory, and written in batches by whichever store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from semcache.stores.store import Serving

MOST_SERVINGS = 10_000  # that wait for a database which cannot be written; the oldest are given up

Counts = dict[str, tuple[int, float]]  # entry id: hits, and the time of the last


@dataclass
class Batch:
    """What is written at once. `number` counts calls, not rows."""

    counts: Counts = field(default_factory=dict)
    servings: dict[str, Serving] = field(default_factory=dict)
    number: int = 0


class HitBuffer:
    """What is not written yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taking = Lock()  # one writes at a time, and whoever comes next knows that all before is written
        self._batch = Batch()
        self._in_writing = Batch()

    @property
    def pending(self) -> int:
        """How much has not been written, or may not have been."""
        with self._lock:
            return self._batch.number + self._in_writing.number

    def count(self, entry_id: str, *, at: float, serving: Serving | None = None) -> int:
        """Count one hit, with what was served; how much is pending."""
        with self._lock:
            batch = self._batch
            hits, last = batch.counts.get(entry_id, (0, at))
            batch.counts[entry_id] = (hits + 1, max(last, at))
            if serving is not None:
                batch.servings[serving.id] = serving
            batch.number += 1
            return batch.number

    def note(self, serving: Serving) -> int:
        """Keep what was served; how much is pending."""
        with self._lock:
            self._batch.servings[serving.id] = serving
            self._batch.number += 1
            return self._batch.number

    def serving(self, serving_id: str) -> Serving | None:
        """The newest under this id that is pending, or being written."""
        with self._lock:
            batches = (self._batch, self._in_writing)
            return next((batch.servings[serving_id] for batch in batches if serving_id in batch.servings), None)

    @contextmanager
    def taken(self) -> Iterator[Batch]:
        """What is pending, to be written by whoever takes it; pending again where that fails."""
        with self._taking:
            with self._lock:
                self._batch, self._in_writing = Batch(), self._batch
            try:
                yield self._in_writing
            except BaseException:
                with self._lock:
                    self._batch, self._in_writing = _joined(self._in_writing, self._batch), Batch()
                raise
            with self._lock:
                self._in_writing = Batch()

    def forget_servings(self, entry_id: str) -> None:
        """Drop an entry's servings. For holders of the write lock only: no batch is being written then."""
        with self._lock:
            for batch in (self._batch, self._in_writing):
                batch.servings = {each.id: each for each in batch.servings.values() if each.entry_id != entry_id}

    def give_up(self) -> int:
        """Drop what is pending; how much that was."""
        with self._lock:
            number, self._batch = self._batch.number, Batch()
            return number


def _joined(older: Batch, newer: Batch) -> Batch:
    counts = dict(older.counts)
    for entry_id, (hits, last) in newer.counts.items():
        before, earlier = counts.get(entry_id, (0, last))
        counts[entry_id] = (before + hits, max(earlier, last))
    servings = older.servings | newer.servings
    newest = list(servings.items())[-MOST_SERVINGS:]
    return Batch(counts, dict(newest), older.number + newer.number)
