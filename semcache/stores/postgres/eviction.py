"""Keeping the database within its limits: expired entries first, then the least valuable; never FAQ."""

from __future__ import annotations

from collections.abc import Iterator

from semcache.stores.limits import Limits, making_room
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.selecting import remove

_CHUNK = 256
_MOST_TOTALS = 256  # rows that are added up at each put
_ONE_AT_A_TIME = 0x6576696374  # evicts: any number that is ours


def evict(connection: Connection, limits: Limits, *, now: str, spared: int = 0) -> int:
    """Remove what the limits leave no room for, except the `spared` entry; the number removed.

    Where another replica is at it, it is left to that one: it may not have seen this transaction's entry, but whoever
    puts the next one does.
    """
    surplus, surplus_bytes = limits.surplus(**_totals(connection))
    if surplus == surplus_bytes == 0:
        return 0
    (is_ours,) = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,)).fetchone() or (False,)
    if not is_ours:
        return 0
    chosen = making_room(
        _least_valuable_first(connection, now), surplus=surplus, surplus_bytes=surplus_bytes, spared=spared
    )
    return remove(connection, chosen)


def _totals(connection: Connection) -> dict[str, int]:
    row = connection.execute(
        "SELECT count(*), coalesce(sum(entries), 0)::bigint, coalesce(sum(bytes), 0)::bigint FROM semcache.totals"
    ).fetchone()
    assert row is not None
    rows, entries, held_bytes = row
    if rows > _MOST_TOTALS:
        connection.execute(
            "WITH added AS (DELETE FROM semcache.totals WHERE ctid = ANY (ARRAY("
            "SELECT ctid FROM semcache.totals FOR UPDATE SKIP LOCKED)) RETURNING entries, bytes) "
            "INSERT INTO semcache.totals SELECT sum(entries), sum(bytes) FROM added HAVING count(*) > 0"
        )
    return {"entries": entries, "held_bytes": held_bytes}


def _least_valuable_first(connection: Connection, now: str) -> Iterator[tuple[int, int]]:
    """Rows that another transaction works on are passed over. Read in portions, since few are needed."""
    yield from _portions(
        connection,
        f"SELECT e.seq, e.bytes, e.expires_at FROM semcache.entries e WHERE e.kind = 'learned' "
        f"AND e.expires_at <= {now} "
        "AND (e.expires_at, e.seq) > (%s, %s) ORDER BY e.expires_at, e.seq LIMIT %s FOR UPDATE OF e SKIP LOCKED",
    )
    yield from _portions(
        connection,
        "SELECT e.seq, e.bytes, u.worth FROM semcache.uses u JOIN semcache.entries e ON e.seq = u.entry "
        f"WHERE u.is_learned AND e.expires_at > {now} AND (u.worth, u.entry) > (%s, %s) "
        "ORDER BY u.worth, u.entry LIMIT %s FOR UPDATE OF e SKIP LOCKED",
    )


def _portions(connection: Connection, query: str) -> Iterator[tuple[int, int]]:
    place, number = float("-inf"), 0
    size = 4
    while True:
        rows = connection.execute(query, (place, number, size)).fetchall()
        for seq, entry_bytes, _ in rows:
            yield seq, entry_bytes
        if len(rows) < size:
            return
        (number, _, place), size = rows[-1], _CHUNK
