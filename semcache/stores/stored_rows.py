"""Rows of databases as entries and exemplars."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from semcache.entry import Embedding, Entry, Exemplar, Kind, Label, Origin, Scope
from semcache.stores.paging import Position
from semcache.stores.store import Page
from semcache.stores.stored import StoredMessage, decoded

Row = tuple[Any, ...]

_KINDS = {kind.value: kind for kind in Kind}
_LABELS = {label.value: label for label in Label}
_ORIGINS = {origin.value: origin for origin in Origin}


def entry_from(row: Row, tags: Sequence[str]) -> Entry:
    """An entry from the columns that every database has in this order; tags are kept in different ways."""
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
        tuple(tags),
        row[13],
        row[14],
        row[15],
    )


def exemplar_from(row: Row, entry_id: str, *, space_id: int, dims: int) -> Exemplar:
    """An exemplar from the columns that every database has in this order.

    One of another space gets a zero vector: it is similar to nothing.
    """
    text, vector, windows, label, origin, created_at, exemplar_id, key, space = row
    if space == space_id:
        pooled = np.frombuffer(vector, np.float32)
        stretches = pooled if windows is None else np.frombuffer(windows, np.float32)
        embedding = Embedding(pooled, stretches.reshape(-1, dims))
    else:
        embedding = Embedding(np.zeros(dims, np.float32), np.zeros((1, dims), np.float32))
    return Exemplar(entry_id, decoded(text), embedding, _LABELS[label], _ORIGINS[origin], created_at, exemplar_id, key)


def vector_bytes(embedding: Embedding) -> tuple[bytes, bytes | None]:
    """The vector and the windows as float32; None for the one window of a short text, which equals the vector."""
    vector = np.ascontiguousarray(embedding.vector, np.float32).tobytes()
    windows = np.ascontiguousarray(embedding.windows, np.float32).tobytes()
    return vector, None if windows == vector else windows


def page_of(rows: Sequence[Row], limit: int, *, width: int, read: Callable[[Row], Entry]) -> Page:
    """A page from one row more than it holds, where there is one; behind the entry its number, and its rank."""
    entries = tuple(read(row[:width]) for row in rows[:limit])
    if len(rows) <= limit:
        return Page(entries, None)
    number, rank = rows[limit - 1][width:]
    return Page(entries, Position(float(rank), number).encode())
