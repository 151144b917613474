"""Servings in PostgreSQL: what was given to whom, for as long as the entry that it came from is there."""

from __future__ import annotations

from collections.abc import Collection

from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.rows import folded
from semcache.stores.store import Serving
from semcache.stores.stored import decoded, encoded


def write_servings(connection: Connection, servings: Collection[Serving]) -> None:
    """Those of entries that are gone are passed over; one of the same id is replaced.

    The entries are locked against removal, by another replica too, until this has been committed.
    """
    if not servings:
        return
    rows = [
        (encoded(each.id), each.entry_id, each.at, each.kind, encoded(each.question), folded(each.question))
        for each in sorted(servings, key=lambda each: each.id.encode("utf-8", "surrogatepass"))
    ]
    connection.execute(
        "WITH e AS MATERIALIZED (SELECT id, seq FROM semcache.entries WHERE id = ANY(%s) ORDER BY seq FOR KEY SHARE) "
        "INSERT INTO semcache.servings AS s (id, entry, at, kind, question, folded) "
        "SELECT n.id, e.seq, n.at, n.kind, n.question, n.folded FROM "
        "unnest(%s::bytea[], %s::text[], %s::float8[], %s::text[], %s::bytea[], %s::bytea[]) "
        "AS n (id, entry_id, at, kind, question, folded) JOIN e ON e.id = n.entry_id ORDER BY n.id "
        "ON CONFLICT (id) DO UPDATE SET entry = excluded.entry, at = excluded.at, kind = excluded.kind, "
        "question = excluded.question, folded = excluded.folded",
        [sorted({each.entry_id for each in servings}), *(list(column) for column in zip(*rows, strict=True))],
    )


def find_serving(connection: Connection, serving_id: str, *, now: str) -> Serving | None:
    """The serving of a live entry."""
    row = connection.execute(
        "SELECT e.id, s.question, s.at, s.kind FROM semcache.servings s JOIN semcache.entries e ON e.seq = s.entry "
        f"WHERE s.id = %s AND e.expires_at > {now}",
        (encoded(serving_id),),
        binary=True,
    ).fetchone()
    return None if row is None else Serving(serving_id, row[0], decoded(row[1]), row[2], row[3])


def servings_of(connection: Connection, entry_id: str, *, limit: int, now: str) -> list[Serving]:
    """Those of a live entry, newest first."""
    rows = connection.execute(
        "SELECT s.id, s.question, s.at, s.kind FROM semcache.servings s JOIN semcache.entries e ON e.seq = s.entry "
        f"WHERE e.id = %s AND e.expires_at > {now} ORDER BY s.at DESC, s.id LIMIT %s",
        (entry_id, max(0, limit)),
        binary=True,
    )
    return [Serving(decoded(row[0]), entry_id, decoded(row[1]), row[2], row[3]) for row in rows]


def prune(connection: Connection, *, before: float) -> int:
    return connection.execute("DELETE FROM semcache.servings WHERE at < %s", (before,)).rowcount
