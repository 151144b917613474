"""Rows of the tables as entries and exemplars, and back."""

from __future__ import annotations

import json
import math
import sqlite3
from typing import Any

import numpy as np

from semcache.entry import Embedding, Entry, Exemplar, Kind, Label, Origin, Scope
from semcache.stores.stored import StoredMessage, decoded, encoded

Row = tuple[Any, ...]

ENTRY_COLUMNS = (
    "e.id, e.namespace, e.digest, e.key, e.kind, b.question, b.message, e.requested_model, e.served_model, "
    "e.cost_usd, e.created_at, e.expires_at, e.tags, e.credential, e.hits, e.last_hit_at"
)
ENTRY_WIDTH = 16
EXEMPLAR_COLUMNS = "x.text, x.vector, x.windows, x.label, x.origin, x.created_at, x.id, x.key, x.space"
ENTRIES = "entries e JOIN bodies b ON b.entry = e.seq"

_KINDS = {kind.value: kind for kind in Kind}
_LABELS = {label.value: label for label in Label}
_ORIGINS = {origin.value: origin for origin in Origin}


def entry_from(row: Row) -> Entry:
    """An entry from `ENTRY_COLUMNS`."""
    return Entry(
        row[0],
        Scope(row[1], row[2]),
        row[3],
        _KINDS[row[4]],
        decoded(row[5]),
        StoredMessage.of(row[6]),
        row[7],
        row[8],
        row[9],
        row[10],
        None if row[11] == math.inf else row[11],
        tuple(json.loads(row[12])) if row[12] else (),
        row[13],
        row[14],
        row[15],
    )


def exemplar_from(row: Row, entry_id: str, *, space_id: int, dims: int) -> Exemplar:
    """An exemplar from `EXEMPLAR_COLUMNS`. One of another space gets a zero vector: it is similar to nothing."""
    text, vector, windows, label, origin, created_at, exemplar_id, key, space = row
    if space == space_id:
        pooled = np.frombuffer(vector, np.float32)
        stretches = pooled if windows is None else np.frombuffer(windows, np.float32)
        embedding = Embedding(pooled, stretches.reshape(-1, dims))
    else:
        embedding = Embedding(np.zeros(dims, np.float32), np.zeros((1, dims), np.float32))
    return Exemplar(entry_id, decoded(text), embedding, _LABELS[label], _ORIGINS[origin], created_at, exemplar_id, key)


def exemplar_values(exemplar: Exemplar, entry_seq: int, scope: bytes, space_id: int) -> Row:
    """What `insert_exemplar` binds."""
    vector = np.ascontiguousarray(exemplar.embedding.vector, np.float32).tobytes()
    windows = np.ascontiguousarray(exemplar.embedding.windows, np.float32).tobytes()
    return (
        entry_seq,
        scope,
        space_id,
        exemplar.label.value,
        exemplar.origin.value,
        exemplar.created_at,
        encoded(exemplar.text),
        vector,
        None if windows == vector else windows,  # the one window of a short text
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
