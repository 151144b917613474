"""Rows of batches in SQLite: read as records and items, and changed as one."""

from __future__ import annotations

import json
import sqlite3
import zlib
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from semcache.batching.batch_life import Archived, BatchEnded, BatchState, Canceling, Expiring, InProgress, Terms
from semcache.batching.message_batch import Counts
from semcache.batching.spelling import spell, unspell
from semcache.batching.splitting import Prefix
from semcache.errors import StoreError
from semcache.stores.batch_store import BatchRecord, Change, Item

RECORD_COLUMNS = "id, credential, accepted_at, base_url, terms, asked, sealed, state, total, counts"
ITEM_COLUMNS = "place, custom_id, state, detail, behind, head, marked, size_bytes"
FAST = 1  # of zlib: half the size at a tenth of the time
_STATES: dict[str, type] = {each.__name__: each for each in (InProgress, Canceling, Expiring, BatchEnded, Archived)}


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
        [(zlib.compress(each.content, FAST), seq, place) for place, each in change.shaped.items()],
    )
    run(
        "INSERT OR REPLACE INTO batch_results (batch, place, line) VALUES (?, ?, ?)",
        [(seq, place, zlib.compress(line, FAST)) for place, line in change.results.items()],
    )
    if change.dispatch is not None:
        each = change.dispatch
        connection.execute(
            "INSERT INTO batch_dispatches (marker, batch, places, tried_at, upstream_id, is_over) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (marker) DO UPDATE SET "
            "upstream_id = excluded.upstream_id, is_over = excluded.is_over",
            (
                each.marker, seq, zlib.compress(array("I", each.places).tobytes(), FAST), each.tried_at,
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


def read_record(row: tuple[Any, ...]) -> BatchRecord:
    batch_id, credential, accepted_at, base_url, terms, asked, sealed, state, total, counts = row
    return BatchRecord(
        batch_id,
        credential,
        accepted_at,
        base_url,
        terms=Terms(*json.loads(terms)),
        asked=asked,
        sealed=sealed,
        state=read_state(state),
        total=total,
        counts=None if counts is None else Counts(**json.loads(counts)),
    )


def read_item(row: tuple[Any, ...]) -> Item:
    place, custom_id, state, detail, behind, head, marked, size_bytes = row
    known = unspell({"state": state, **json.loads(detail)})
    return Item(place, custom_id, known, behind, Prefix(head, marked), size_bytes)


def spelled(state: BatchState) -> str:
    given = {name: getattr(state, name) for name in state.__dataclass_fields__}
    return json.dumps({"state": type(state).__name__, **given})


def read_state(text: str) -> BatchState:
    given = json.loads(text)
    try:
        state: BatchState = _STATES[given.pop("state")](**given)
    except (KeyError, TypeError):
        raise StoreError("a batch is in a state that this version does not know") from None
    return state


def inflated(stored: bytes) -> bytes:
    try:
        return zlib.decompress(stored)
    except zlib.error as error:
        raise StoreError("a stored batch is damaged; restore a backup") from error


def marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
