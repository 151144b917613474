"""Random bytes under a name, made on first use: the keys of HMACs."""

from __future__ import annotations

import secrets as random
import sqlite3


def secret(connection: sqlite3.Connection, name: str) -> bytes:
    """The bytes under this name, made if there are none."""
    return kept(connection, name, random.token_bytes(32))


def kept(connection: sqlite3.Connection, name: str, value: bytes) -> bytes:
    """The bytes under this name: these, if there are none."""
    connection.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", (name, value))
    found: bytes = connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()[0]
    return found


def all_of(connection: sqlite3.Connection) -> dict[str, bytes]:
    return dict(connection.execute("SELECT name, value FROM secrets ORDER BY name").fetchall())
