"""Random bytes under a name, made on first use: the keys of HMACs."""

from __future__ import annotations

import secrets as random

from semcache.stores.postgres.connections import Connection


def secret(connection: Connection, name: str) -> bytes:
    """The bytes under this name, made if there are none: of several who make them at once, one prevails."""
    connection.execute(
        "INSERT INTO semcache.secrets (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (name, random.token_bytes(32)),
    )
    row = connection.execute("SELECT value FROM semcache.secrets WHERE name = %s", (name,), binary=True).fetchone()
    assert row is not None
    value: bytes = row[0]
    return value
