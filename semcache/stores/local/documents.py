"""Small documents by name, in SQLite."""

from __future__ import annotations

import sqlite3
from itertools import takewhile


def save(connection: sqlite3.Connection, name: str, content: bytes) -> None:
    connection.execute(
        "INSERT INTO documents (name, content, version) VALUES (?, ?, 1) "
        "ON CONFLICT (name) DO UPDATE SET content = excluded.content, version = version + 1",
        (name, content),
    )


def swap(connection: sqlite3.Connection, name: str, content: bytes, *, version: int) -> bool:
    """Save in place of this version; False where there is another by now."""
    if load_versioned(connection, name)[1] != version:
        return False
    save(connection, name, content)
    return True


def load(connection: sqlite3.Connection, name: str) -> bytes | None:
    row = connection.execute("SELECT content FROM documents WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def load_versioned(connection: sqlite3.Connection, name: str) -> tuple[bytes | None, int]:
    """With its version; 0 where there is none."""
    row = connection.execute("SELECT content, version FROM documents WHERE name = ?", (name,)).fetchone()
    return (None, 0) if row is None else (bytes(row[0]), int(row[1]))


def versions(connection: sqlite3.Connection, prefix: str) -> dict[str, int]:
    """Of all whose names start so."""
    rows = connection.execute("SELECT name, version FROM documents WHERE name >= ? ORDER BY name", (prefix,)).fetchall()
    return dict(takewhile(lambda row: row[0].startswith(prefix), rows))


def names(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """In order; those that start alike lie together."""
    return list(versions(connection, prefix))
