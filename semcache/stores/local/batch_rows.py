"""Rows of batches in SQLite: read as records and items, and changed as one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from semcache.stores.batch_spelling import DISPATCH_COLUMNS, change_rows, dispatch_values, existing
from semcache.stores.batch_store import Change


def write_change(connection: sqlite3.Connection, seq: int, change: Change) -> None:
    rows = change_rows(seq, change)
    run: Callable[[str, Sequence[tuple[object, ...]]], object] = connection.executemany
    run("UPDATE batch_items SET state = ?, detail = ? WHERE batch = ? AND place = ?", rows.states)
    run("UPDATE batch_items SET behind = ? WHERE batch = ? AND place = ?", rows.behind)
    run(
        "UPDATE batch_items SET head = ?, marked = ?, size_bytes = ?, twin_key = ? WHERE batch = ? AND place = ?",
        rows.shapes,
    )
    run("UPDATE batch_bodies SET shaped = ? WHERE batch = ? AND place = ?", rows.texts)
    run("INSERT OR REPLACE INTO batch_results (batch, place, line) VALUES (?, ?, ?)", rows.results)
    if change.dispatch is not None:
        connection.execute(
            f"INSERT INTO batch_dispatches (batch, {DISPATCH_COLUMNS}) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (marker) DO UPDATE SET "
            "upstream_id = excluded.upstream_id, is_over = excluded.is_over",
            dispatch_values(seq, change.dispatch),
        )


def seq_of(connection: sqlite3.Connection, batch_id: str) -> int:
    return existing(find_seq(connection, batch_id))


def find_seq(connection: sqlite3.Connection, batch_id: str | None) -> int | None:
    row = connection.execute("SELECT seq FROM batches WHERE id = ?", (batch_id,)).fetchone()
    return None if row is None else int(row[0])


def marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
