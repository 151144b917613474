"""The log of what was learned, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from semcache.stores.observation_rows import COLUMNS, NEWEST_FIRST, condition, observations_from, values_of
from semcache.stores.postgres.connections import Connection
from semcache.stores.store import Observation


def observe(connection: Connection, rows: Sequence[Observation]) -> None:
    if not rows:
        return
    connection.execute(
        f"INSERT INTO semcache.observations ({COLUMNS}) SELECT {COLUMNS} FROM "
        "unnest(%s::text[], %s::text[], %s::float8[], %s::text[], %s::bytea[]) "
        f"WITH ORDINALITY AS n ({COLUMNS}, place) ORDER BY place",
        [list(column) for column in zip(*map(values_of, rows), strict=True)],
    )


def observations(
    connection: Connection, kind: str, *, namespace: str | None, since: float | None, limit: int
) -> list[Observation]:
    """Newest first."""
    where, values = condition(kind, namespace=namespace, since=since, mark="%s")
    query = f"SELECT {COLUMNS} FROM semcache.observations WHERE {where} {NEWEST_FIRST} LIMIT %s"
    return observations_from(connection.execute(query, (*values, max(0, limit)), binary=True))


def count(connection: Connection, kind: str, *, namespace: str) -> int:
    found = connection.execute(
        "SELECT count(*) FROM semcache.observations WHERE kind = %s AND namespace = %s", (kind, namespace)
    ).fetchone()
    return 0 if found is None else int(found[0])


def prune(connection: Connection, kind: str, *, namespace: str, keep: int) -> int:
    """Remove all but the newest so many; the number removed."""
    return connection.execute(
        "DELETE FROM semcache.observations WHERE seq IN (SELECT seq FROM semcache.observations "
        f"WHERE kind = %s AND namespace = %s {NEWEST_FIRST} OFFSET %s)",
        (kind, namespace, max(0, keep)),
    ).rowcount
