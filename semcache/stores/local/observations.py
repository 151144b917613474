"""The log of what was learned, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from semcache.stores.observation_rows import COLUMNS, NEWEST_FIRST, condition, observations_from, values_of
from semcache.stores.store import Observation


def observe(connection: sqlite3.Connection, rows: Sequence[Observation]) -> None:
    connection.executemany(f"INSERT INTO observations ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", map(values_of, rows))


def observations(
    connection: sqlite3.Connection, kind: str, *, namespace: str | None, since: float | None, limit: int
) -> list[Observation]:
    """Newest first."""
    where, values = condition(kind, namespace=namespace, since=since, mark="?")
    query = f"SELECT {COLUMNS} FROM observations WHERE {where} {NEWEST_FIRST} LIMIT ?"
    return observations_from(connection.execute(query, (*values, max(0, limit))))


def count(connection: sqlite3.Connection, kind: str, *, namespace: str) -> int:
    found = connection.execute(
        "SELECT count(*) FROM observations WHERE kind = ? AND namespace = ?", (kind, namespace)
    ).fetchone()
    return int(found[0])


def prune(connection: sqlite3.Connection, kind: str, *, namespace: str, keep: int) -> int:
    """Remove all but the newest so many; the number removed."""
    return connection.execute(
        "DELETE FROM observations WHERE seq IN (SELECT seq FROM observations WHERE kind = ? AND namespace = ? "
        f"{NEWEST_FIRST} LIMIT -1 OFFSET ?)",
        (kind, namespace, max(0, keep)),
    ).rowcount
