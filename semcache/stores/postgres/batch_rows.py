"""Rows of batches in PostgreSQL, changed as one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from semcache.batching.spelling import spell
from semcache.errors import StoreError
from semcache.stores.batch_spelling import deflated, places_packed
from semcache.stores.batch_store import Change, Dispatch, Shaped
from semcache.stores.postgres.connections import Connection


def write_change(connection: Connection, seq: int, change: Change) -> None:
    spelled = []
    for place, state in change.states.items():
        given = spell(state)
        spelled.append((given.pop("state"), json.dumps(given), seq, place))
    _many(
        connection,
        "UPDATE semcache.batch_items SET state = %s, detail = %s WHERE batch = %s AND place = %s",
        spelled,
    )
    behind = [(leader, seq, place) for place, leader in change.behind.items()]
    _many(connection, "UPDATE semcache.batch_items SET behind = %s WHERE batch = %s AND place = %s", behind)
    _write_shaped(connection, [(seq, place, each) for place, each in change.shaped.items()])
    _many(
        connection,
        "INSERT INTO semcache.batch_results (batch, place, line) VALUES (%s, %s, %s) "
        "ON CONFLICT (batch, place) DO UPDATE SET line = excluded.line",
        [(seq, place, deflated(line)) for place, line in change.results.items()],
    )
    if change.dispatch is not None:
        _write_dispatch(connection, seq, change.dispatch)


def seq_of(connection: Connection, batch_id: str) -> int:
    seq = find_seq(connection, batch_id)
    if seq is None:
        raise StoreError("the batch has been deleted")
    return seq


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


def _write_shaped(connection: Connection, shaped: Sequence[tuple[int, int, Shaped]]) -> None:
    _many(
        connection,
        "UPDATE semcache.batch_items SET head = %s, marked = %s, size_bytes = %s, twin_key = %s "
        "WHERE batch = %s AND place = %s",
        [(*each.prefix, each.size_bytes, each.twin_key or None, seq, place) for seq, place, each in shaped],
    )
    _many(
        connection,
        "UPDATE semcache.batch_bodies SET shaped = %s WHERE batch = %s AND place = %s",
        [(deflated(each.content), seq, place) for seq, place, each in shaped],
    )


def _write_dispatch(connection: Connection, seq: int, each: Dispatch) -> None:
    connection.execute(
        "INSERT INTO semcache.batch_dispatches (marker, batch, places, tried_at, upstream_id, is_over) "
        "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (marker) DO UPDATE SET "
        "upstream_id = excluded.upstream_id, is_over = excluded.is_over",
        (each.marker, seq, places_packed(each.places), each.tried_at, each.upstream_id, each.is_over),
    )


def _many(connection: Connection, query: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(query, rows)
