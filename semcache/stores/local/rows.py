"""Rows of the tables as entries and exemplars, and back."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from typing import Any

import numpy as np

from semcache.entry import Embedding, Entry, Exemplar, Kind, Label, Origin, Scope
from semcache.errors import StoreUnavailable
from semcache.message import Message
from semcache.request import Json

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


class StoredMessage(Message):
    """A message whose JSON is read when somebody looks: most candidates are never served."""

    _stored: bytes

    @classmethod
    def of(cls, stored: bytes) -> StoredMessage:
        message = cls.__new__(cls)
        object.__setattr__(message, "_stored", stored)
        return message

    @property
    def stored_bytes(self) -> int:
        """The length of its JSON; 0 for a copy that was changed."""
        return len(self.__dict__.get("_stored", b""))

    def __getattr__(self, name: str) -> Json:
        if name != "body":
            raise AttributeError(name)
        try:
            body: Json = json.loads(self._stored)
        except ValueError as error:
            raise StoreUnavailable("a stored message is damaged; delete its entry, or restore a backup") from error
        object.__setattr__(self, "body", body)
        return body

    def __eq__(self, other: object) -> bool:
        return self.body == other.body if isinstance(other, Message) else NotImplemented

    __hash__ = Message.__hash__


def scope_key(scope: Scope) -> bytes:
    """Names a scope in every table: short, equal in all processes, and never in need of cleaning up."""
    return hashlib.blake2b(encoded(f"{scope.namespace}\0{scope.digest}"), digest_size=16).digest()


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


def encoded(text: str) -> bytes:
    """Text as bytes: a question may hold lone surrogates, which TEXT columns refuse."""
    return text.encode("utf-8", "surrogatepass")


def decoded(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")
