"""Rows of batches in PostgreSQL, changed as one."""

from __future__ import annotations

from collections.abc import Sequence

from semcache.stores.batch_spelling import DISPATCH_COLUMNS, change_rows, deflated, dispatch_values, existing
from semcache.stores.batch_store import Change
from semcache.stores.postgres.connections import Connection


def write_change(connection: Connection, seq: int, change: Change) -> None:
    rows = change_rows(seq, change)
    where = "WHERE batch = %s AND place = %s"
    _many(connection, f"UPDATE semcache.batch_items SET state = %s, detail = %s {where}", rows.states)
    _many(connection, f"UPDATE semcache.batch_items SET behind = %s {where}", rows.behind)
    _many(
        connection,
        f"UPDATE semcache.batch_items SET head = %s, marked = %s, size_bytes = %s, twin_key = %s {where}",
        rows.shapes,
    )
    _many(connection, f"UPDATE semcache.batch_bodies SET shaped = %s {where}", rows.texts)
    _many(
        connection,
        "INSERT INTO semcache.batch_results (batch, place, line) VALUES (%s, %s, %s) "
        "ON CONFLICT (batch, place) DO UPDATE SET line = excluded.line",
        rows.results,
    )
    if change.dispatch is not None:
        connection.execute(
            f"INSERT INTO semcache.batch_dispatches (batch, {DISPATCH_COLUMNS}) "
            "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (marker) DO UPDATE SET "
            "upstream_id = excluded.upstream_id, is_over = excluded.is_over",
            dispatch_values(seq, change.dispatch),
        )


def seq_of(connection: Connection, batch_id: str) -> int:
    return existing(find_seq(connection, batch_id))


def find_seq(connection: Connection, batch_id: str | None) -> int | None:
    if batch_id is None:
        return None
    row = connection.execute("SELECT seq FROM semcache.batches WHERE id = %s", (batch_id,)).fetchone()
    return None if row is None else int(row[0])


def insert_items(connection: Connection, items: Sequence[tuple[int, int, str, str, bytes]]) -> None:
    """Each with the number of its batch, its place, custom id, state, and params."""
    _many(
        connection,
        "INSERT INTO semcache.batch_items (batch, place, custom_id, state, detail) VALUES (%s, %s, %s, %s, '{}')",
        [item[:4] for item in items],
    )
    _many(
        connection,
        "INSERT INTO semcache.batch_bodies (batch, place, params) VALUES (%s, %s, %s)",
        [(seq, place, deflated(params)) for seq, place, _, _, params in items],
    )


def _many(connection: Connection, query: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(query, rows)
