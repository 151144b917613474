"""The log of what was learned, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from semcache.request import encode_json
from semcache.stores.store import Observation

_NEWEST_FIRST = "ORDER BY at DESC, seq DESC"


def observe(connection: sqlite3.Connection, rows: Sequence[Observation]) -> None:
    connection.executemany(
        "INSERT INTO observations (namespace, kind, at, entry_id, body) VALUES (?, ?, ?, ?, ?)",
        [(row.namespace, row.kind, row.at, row.entry_id, encode_json(row.body)) for row in rows],
    )


def observations(
    connection: sqlite3.Connection, kind: str, *, namespace: str | None, since: float | None, limit: int
) -> list[Observation]:
    """Newest first."""
    terms = [("kind = ?", kind), ("namespace = ?", namespace), ("at >= ?", since)]
    given = [(term, value) for term, value in terms if value is not None]
    where = " AND ".join(term for term, _ in given)
    rows = connection.execute(
        f"SELECT namespace, kind, at, entry_id, body FROM observations WHERE {where} {_NEWEST_FIRST} LIMIT ?",
        (*(value for _, value in given), max(0, limit)),
    )
    return [
        Observation(of_namespace, of_kind, at, entry_id, json.loads(body))
        for of_namespace, of_kind, at, entry_id, body in rows
    ]


def count(connection: sqlite3.Connection, kind: str, *, namespace: str) -> int:
    found = connection.execute(
        "SELECT count(*) FROM observations WHERE kind = ? AND namespace = ?", (kind, namespace)
    ).fetchone()
    return int(found[0])


def prune(connection: sqlite3.Connection, kind: str, *, namespace: str, keep: int) -> int:
    """Remove all but the newest so many; the number removed."""
    return connection.execute(
        "DELETE FROM observations WHERE seq IN (SELECT seq FROM observations WHERE kind = ? AND namespace = ? "
        f"{_NEWEST_FIRST} LIMIT -1 OFFSET ?)",
        (kind, namespace, max(0, keep)),
    ).rowcount
