"""Random bytes under a name, made on first use: the keys of HMACs."""

from __future__ import annotations

import secrets as random
import sqlite3


def secret(connection: sqlite3.Connection, name: str) -> bytes:
    """The bytes under this name, made if there are none."""
    connection.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", (name, random.token_bytes(32)))
    value: bytes = connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()[0]
    return value
