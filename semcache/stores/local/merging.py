"""Making one entry of two in SQLite."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from semcache.entry import Entry
from semcache.stores.local import entries
from semcache.stores.local.selecting import remove
from semcache.stores.stored import encoded
from semcache.stores.worth import combined, worth_of


@dataclass(frozen=True)
class Merged:
    """The entry as merged, and the exemplars that are gone; those that went over are there under new ids."""

    entry: Entry
    removed_exemplars: tuple[int, ...]


def merge(connection: sqlite3.Connection, duplicate_id: str, into_id: str, *, now: float) -> Merged | None:
    """None, and nothing changes, where they are not two live entries of one scope."""
    gone = entries.find_numbered(connection, duplicate_id, now=now)
    kept = entries.find_numbered(connection, into_id, now=now)
    if gone is None or kept is None or gone[0] == kept[0] or gone[1].scope != kept[1].scope:
        return None
    seq, into_seq = gone[0], kept[0]
    old_ids = connection.execute("SELECT id FROM exemplars WHERE entry = ?", (seq,)).fetchall()
    _copy_exemplars(connection, gone[1], seq, into_seq)
    connection.execute("UPDATE servings SET entry = ? WHERE entry = ?", (into_seq, seq))
    _add_hits(connection, seq, into_seq)
    remove(connection, [seq])
    merged = entries.find_numbered(connection, into_id, now=now)
    assert merged is not None
    return Merged(merged[1], tuple(exemplar_id for (exemplar_id,) in old_ids))


def _copy_exemplars(connection: sqlite3.Connection, duplicate: Entry, seq: int, into_seq: int) -> None:
    """As new rows: indexes follow what is added and removed, and an exemplar's id stands for one entry for ever."""
    connection.execute(
        "INSERT INTO exemplars (entry, scope, space, label, origin, created_at, text, vector, windows, key) "
        "SELECT ?, scope, space, label, origin, created_at, text, vector, windows, "
        "CASE WHEN key = '' AND text = ? THEN ? ELSE key END FROM exemplars WHERE entry = ? AND label = 1 ORDER BY id",
        (into_seq, encoded(duplicate.question), duplicate.key, seq),
    )


def _add_hits(connection: sqlite3.Connection, seq: int, into_seq: int) -> None:
    hits, last_hit_at, heat = connection.execute(
        "SELECT hits, last_hit_at, heat FROM entries WHERE seq = ?", (seq,)
    ).fetchone()
    last_here, heat_here, cost_usd, held_bytes = connection.execute(
        "SELECT last_hit_at, heat, cost_usd, bytes FROM entries WHERE seq = ?", (into_seq,)
    ).fetchone()
    times = [each for each in (last_hit_at, last_here) if each is not None]
    warmer = combined(heat_here, heat)
    connection.execute(
        "UPDATE entries SET hits = hits + ?, last_hit_at = ?, heat = ?, worth = ? WHERE seq = ?",
        (hits, max(times, default=None), warmer, worth_of(warmer, cost_usd=cost_usd, held_bytes=held_bytes), into_seq),
    )
