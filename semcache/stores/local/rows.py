"""Rows of the tables as entries and exemplars, and back."""

from __future__ import annotations

import json
import sqlite3

from semcache.entry import Entry, Exemplar
from semcache.stores import stored_rows
from semcache.stores.stored import encoded
from semcache.stores.stored_rows import Row, vector_bytes

ENTRY_COLUMNS = (
    "e.id, e.namespace, e.digest, e.key, e.kind, b.question, b.message, e.requested_model, e.served_model, "
    "e.cost_usd, e.created_at, e.expires_at, e.tags, e.credential, e.hits, e.last_hit_at"
)
ENTRY_WIDTH = 16
EXEMPLAR_COLUMNS = "x.text, x.vector, x.windows, x.label, x.origin, x.created_at, x.id, x.key, x.space"
ENTRIES = "entries e JOIN bodies b ON b.entry = e.seq"


def entry_from(row: Row) -> Entry:
    """An entry from `ENTRY_COLUMNS`."""
    return stored_rows.entry_from(row, json.loads(row[12]) if row[12] else ())


def exemplar_values(exemplar: Exemplar, entry_seq: int, scope: bytes, space_id: int) -> Row:
    """What `insert_exemplar` binds."""
    return (
        entry_seq,
        scope,
        space_id,
        exemplar.label.value,
        exemplar.origin.value,
        exemplar.created_at,
        encoded(exemplar.text),
        *vector_bytes(exemplar.embedding),
        exemplar.key,
    )


def insert_exemplar(connection: sqlite3.Connection, values: Row) -> int:
    """The new exemplar's id."""
    cursor = connection.execute(
        "INSERT INTO exemplars (entry, scope, space, label, origin, created_at, text, vector, windows, key) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid
