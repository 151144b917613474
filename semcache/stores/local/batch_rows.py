"""Rows of batches in SQLite: read as records and items, and changed as one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from semcache.batching.spelling import spell
from semcache.errors import StoreError
from semcache.stores.batch_spelling import deflated, places_packed
from semcache.stores.batch_store import Change


def write_change(connection: sqlite3.Connection, seq: int, change: Change) -> None:
    rows = []
    for place, state in change.states.items():
        given = spell(state)
        rows.append((given.pop("state"), json.dumps(given), seq, place))
    run: Callable[[str, list[tuple[object, ...]]], object] = connection.executemany
    run("UPDATE batch_items SET state = ?, detail = ? WHERE batch = ? AND place = ?", list(rows))
    behind = [(leader, seq, place) for place, leader in change.behind.items()]
    run("UPDATE batch_items SET behind = ? WHERE batch = ? AND place = ?", list(behind))
    run(
        "UPDATE batch_items SET head = ?, marked = ?, size_bytes = ?, twin_key = ? WHERE batch = ? AND place = ?",
        [(*each.prefix, each.size_bytes, each.twin_key or None, seq, place) for place, each in change.shaped.items()],
    )
    run(
        "UPDATE batch_bodies SET shaped = ? WHERE batch = ? AND place = ?",
        [(deflated(each.content), seq, place) for place, each in change.shaped.items()],
    )
    run(
        "INSERT OR REPLACE INTO batch_results (batch, place, line) VALUES (?, ?, ?)",
        [(seq, place, deflated(line)) for place, line in change.results.items()],
    )
    if change.dispatch is not None:
        each = change.dispatch
        connection.execute(
            "INSERT INTO batch_dispatches (marker, batch, places, tried_at, upstream_id, is_over) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (marker) DO UPDATE SET "
            "upstream_id = excluded.upstream_id, is_over = excluded.is_over",
            (
                each.marker, seq, places_packed(each.places), each.tried_at,
                each.upstream_id, each.is_over,
            ),
        )  # fmt: skip


def seq_of(connection: sqlite3.Connection, batch_id: str) -> int:
    seq = find_seq(connection, batch_id)
    if seq is None:
        raise StoreError("the batch has been deleted")
    return seq


def find_seq(connection: sqlite3.Connection, batch_id: str | None) -> int | None:
    row = connection.execute("SELECT seq FROM batches WHERE id = ?", (batch_id,)).fetchone()
    return None if row is None else int(row[0])


def marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
