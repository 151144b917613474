"""Small documents by name, in PostgreSQL."""

from __future__ import annotations

from semcache.stores.postgres.connections import Connection


def save(connection: Connection, name: str, content: bytes) -> None:
    connection.execute(
        "INSERT INTO semcache.documents AS d (name, content, version) VALUES (%s, %s, 1) "
        "ON CONFLICT (name) DO UPDATE SET content = excluded.content, version = d.version + 1",
        (name, content),
    )


def swap(connection: Connection, name: str, content: bytes, *, version: int) -> bool:
    """Save in place of this version; False where there is another by now."""
    if version == 0:
        query = "INSERT INTO semcache.documents (name, content, version) VALUES (%s, %s, 1) ON CONFLICT DO NOTHING"
        return connection.execute(query, (name, content)).rowcount > 0
    query = "UPDATE semcache.documents SET content = %s, version = version + 1 WHERE name = %s AND version = %s"
    return connection.execute(query, (content, name, version)).rowcount > 0


def load_versioned(connection: Connection, name: str) -> tuple[bytes | None, int]:
    """With its version; 0 where there is none."""
    row = connection.execute(
        "SELECT content, version FROM semcache.documents WHERE name = %s", (name,), binary=True
    ).fetchone()
    return (None, 0) if row is None else (row[0], row[1])


def versions(connection: Connection, prefix: str) -> dict[str, int]:
    """Of all whose names start so, in order: those lie together."""
    rows = connection.execute(
        "SELECT name, version FROM semcache.documents WHERE name >= %s AND starts_with(name, %s) ORDER BY name",
        (prefix, prefix),
    )
    return dict(rows.fetchall())
