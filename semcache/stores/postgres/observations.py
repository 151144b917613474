"""The log of what was learned, in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

from semcache.request import encode_json
from semcache.stores.postgres.connections import Connection
from semcache.stores.store import Observation

_NEWEST_FIRST = "ORDER BY at DESC, seq DESC"


def observe(connection: Connection, rows: Sequence[Observation]) -> None:
    if not rows:
        return
    values = [(row.namespace, row.kind, row.at, row.entry_id, encode_json(row.body)) for row in rows]
    connection.execute(
        "INSERT INTO semcache.observations (namespace, kind, at, entry_id, body) "
        "SELECT namespace, kind, at, entry_id, body FROM "
        "unnest(%s::text[], %s::text[], %s::float8[], %s::text[], %s::bytea[]) "
        "WITH ORDINALITY AS n (namespace, kind, at, entry_id, body, place) ORDER BY place",
        [list(column) for column in zip(*values, strict=True)],
    )


def observations(
    connection: Connection, kind: str, *, namespace: str | None, since: float | None, limit: int
) -> list[Observation]:
    """Newest first."""
    terms = [("kind = %s", kind), ("namespace = %s", namespace), ("at >= %s", since)]
    given = [(term, value) for term, value in terms if value is not None]
    where = " AND ".join(term for term, _ in given)
    rows = connection.execute(
        f"SELECT namespace, kind, at, entry_id, body FROM semcache.observations WHERE {where} {_NEWEST_FIRST} LIMIT %s",
        (*(value for _, value in given), max(0, limit)),
        binary=True,
    )
    return [
        Observation(of_namespace, of_kind, at, entry_id, json.loads(body))
        for of_namespace, of_kind, at, entry_id, body in rows
    ]


def count(connection: Connection, kind: str, *, namespace: str) -> int:
    found = connection.execute(
        "SELECT count(*) FROM semcache.observations WHERE kind = %s AND namespace = %s", (kind, namespace)
    ).fetchone()
    return 0 if found is None else int(found[0])


def prune(connection: Connection, kind: str, *, namespace: str, keep: int) -> int:
    """Remove all but the newest so many; the number removed."""
    return connection.execute(
        "DELETE FROM semcache.observations WHERE seq IN (SELECT seq FROM semcache.observations "
        f"WHERE kind = %s AND namespace = %s {_NEWEST_FIRST} OFFSET %s)",
        (kind, namespace, max(0, keep)),
    ).rowcount
