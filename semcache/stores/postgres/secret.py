"""Random bytes under a name, made on first use: the keys of HMACs."""

from __future__ import annotations

import secrets as random

from semcache.stores.postgres.connections import Connection


def secret(connection: Connection, name: str) -> bytes:
    """The bytes under this name, made if there are none."""
    return kept(connection, name, random.token_bytes(32))


def kept(connection: Connection, name: str, value: bytes) -> bytes:
    """The bytes under this name: these, if there are none. Of several who keep some at once, one prevails."""
    connection.execute(
        "INSERT INTO semcache.secrets (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING", (name, value)
    )
    row = connection.execute("SELECT value FROM semcache.secrets WHERE name = %s", (name,), binary=True).fetchone()
    assert row is not None
    found: bytes = row[0]
    return found


def all_of(connection: Connection) -> dict[str, bytes]:
    rows = connection.execute("SELECT name, value FROM semcache.secrets ORDER BY name", binary=True)
    return dict(rows.fetchall())
