"""Hits that are written: counters, and what entries are worth."""

from __future__ import annotations

import sqlite3

from semcache.stores.hit_buffer import Counts
from semcache.stores.worth import combined, heat_of


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
