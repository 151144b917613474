"""Servings in SQLite: what was given to whom, for as long as the entry that it came from is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from semcache.stores.store import Serving
from semcache.stores.stored import decoded, encoded


def write_servings(connection: sqlite3.Connection, servings: Iterable[Serving]) -> None:
    """Those of entries that are gone are passed over; one of the same id is replaced."""
    connection.executemany(
        "INSERT OR REPLACE INTO servings (id, entry, at, kind, question) "
        "SELECT ?, seq, ?, ?, ? FROM entries WHERE id = ?",
        [(encoded(each.id), each.at, each.kind, encoded(each.question), each.entry_id) for each in servings],
    )


def find_serving(connection: sqlite3.Connection, serving_id: str, *, now: float) -> Serving | None:
    """The serving of a live entry."""
    row = connection.execute(
        "SELECT e.id, s.question, s.at, s.kind FROM servings s JOIN entries e ON e.seq = s.entry "
        "WHERE s.id = ? AND e.expires_at > ?",
        (encoded(serving_id), now),
    ).fetchone()
    return None if row is None else Serving(serving_id, row[0], decoded(row[1]), row[2], row[3])


def servings_of(connection: sqlite3.Connection, entry_id: str, *, limit: int, now: float) -> list[Serving]:
    """Those of a live entry, newest first."""
    rows = connection.execute(
        "SELECT s.id, s.question, s.at, s.kind FROM servings s JOIN entries e ON e.seq = s.entry "
        "WHERE e.id = ? AND e.expires_at > ? ORDER BY s.at DESC, s.id LIMIT ?",
        (entry_id, now, limit),
    ).fetchall()
    return [Serving(decoded(row[0]), entry_id, decoded(row[1]), row[2], row[3]) for row in rows]


def prune(connection: sqlite3.Connection, *, before: float) -> int:
    return connection.execute("DELETE FROM servings WHERE at < ?", (before,)).rowcount
