"""Small documents by name, in SQLite."""

from __future__ import annotations

import sqlite3
from itertools import takewhile


def save(connection: sqlite3.Connection, name: str, content: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO documents (name, content) VALUES (?, ?)", (name, content))


def load(connection: sqlite3.Connection, name: str) -> bytes | None:
    row = connection.execute("SELECT content FROM documents WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def names(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """In order; those that start alike lie together."""
    rows = connection.execute("SELECT name FROM documents WHERE name >= ? ORDER BY name", (prefix,)).fetchall()
    return list(takewhile(lambda name: name.startswith(prefix), (name for (name,) in rows)))
