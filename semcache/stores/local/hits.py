"""Counting hits: in memory on the path of a request, written in batches."""

from __future__ import annotations

import sqlite3
from threading import Lock

from semcache.stores.worth import combined, heat_of

Counts = dict[str, tuple[int, float]]  # entry id: hits, and the time of the last


class HitCounter:
    """Hits that are not written yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counts = {}
        self.pending = 0

    def count(self, entry_id: str, *, at: float) -> int:
        """Count one; the number of hits pending."""
        with self._lock:
            hits, last = self._counts.get(entry_id, (0, at))
            self._counts[entry_id] = (hits + 1, max(last, at))
            self.pending += 1
            return self.pending

    def take(self) -> Counts:
        """What is pending; whoever takes it writes it, or puts it back."""
        with self._lock:
            taken, self._counts, self.pending = self._counts, {}, 0
            return taken

    def take_number(self) -> int:
        """Give up what is pending; how many hits that were."""
        return sum(hits for hits, _ in self.take().values())

    def put_back(self, taken: Counts) -> None:
        with self._lock:
            for entry_id, (hits, last) in taken.items():
                more, later = self._counts.get(entry_id, (0, last))
                self._counts[entry_id] = (hits + more, max(last, later))
                self.pending += hits


def write_hits(connection: sqlite3.Connection, counts: Counts) -> None:
    """Add to the entries' counters, and to what they are worth; entries that are gone are passed over."""
    for entry_id, (hits, last_hit_at) in counts.items():
        row = connection.execute("SELECT seq, heat FROM entries WHERE id = ?", (entry_id,)).fetchone()
        if row is not None:
            seq, heat = row
            warmer = combined(heat, heat_of(hits, at=last_hit_at))
            connection.execute(
                "UPDATE entries SET hits = hits + ?, last_hit_at = max(ifnull(last_hit_at, ?), ?), "
                "heat = ?, worth = worth + ? WHERE seq = ?",
                (hits, last_hit_at, last_hit_at, warmer, warmer - heat, seq),
            )
