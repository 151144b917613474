"""The columns that make entries and exemplars, and their values."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format

from semcache.entry import Entry, Exemplar, Scope
from semcache.stores import stored_rows
from semcache.stores.similarity import unit
from semcache.stores.stored import encoded, scope_key
from semcache.stores.stored_rows import Row

if TYPE_CHECKING:
    from semcache.entry import Vector, Vectors

ENTRY_COLUMNS = (
    "e.id, e.namespace, e.digest, e.key, e.kind, b.question, b.message, e.requested_model, e.served_model, "
    "e.cost_usd, e.created_at, e.expires_at, e.tags, e.credential, u.hits, u.last_hit_at"
)
ENTRY_WIDTH = 16
_HEAD = struct.Struct(">HH")  # dimensions, and nothing
_ARRAY = struct.Struct(">iiIii")  # one dimension, no NULL among them, their type, how many, numbered from 1
_UUID_LENGTH = struct.pack(">i", 16)
EXEMPLAR_COLUMNS = "x.text, x.vector, x.windows, x.label, x.origin, x.created_at, x.id, x.key, x.space"
ENTRIES = "semcache.entries e JOIN semcache.bodies b ON b.entry = e.seq JOIN semcache.uses u ON u.entry = e.seq"


def entry_from(row: Row) -> Entry:
    """An entry from `ENTRY_COLUMNS`."""
    return stored_rows.entry_from(row, row[12])


def exemplar_values(exemplar: Exemplar, entry_seq: int, scope: UUID, space_id: int) -> Row:
    """In the order of the columns of `entries.attach`."""
    return (
        entry_seq,
        scope,
        space_id,
        exemplar.label.value,
        exemplar.origin.value,
        exemplar.created_at,
        exemplar.key,
        encoded(exemplar.text),
        folded(exemplar.text),
        *stored_rows.vector_bytes(exemplar.embedding),
    )


def scope_id(scope: Scope) -> UUID:
    """A scope's short name in the type of that width."""
    return UUID(bytes=scope_key(scope))


def folded(text: str) -> bytes | None:
    """The text without differences of case, by which it is selected; None where it has none."""
    plain = text.casefold()
    return None if plain == text else encoded(plain)


@dataclass(frozen=True, slots=True)
class Sent:
    """A value as PostgreSQL reads it in binary: a vector written out as text would cost both sides 0.1 ms."""

    sent: bytes


class _SentDumper(Dumper):
    """Its type is that of the cast or function in the statement: pgvector's has another number in every database."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: Sent) -> bytes:
        return obj.sent


adapters.register_dumper(Sent, _SentDumper)


def halfvec(vector: Vector) -> Sent:
    """The vector at unit length; then the inner product is the cosine, and of zero it is zero."""
    return Sent(_HEAD.pack(len(vector), 0) + unit(vector).astype(">f2").tobytes())


def scope_ids(scopes: Sequence[Scope]) -> Sent:
    """An array of their short names: UUIDs one by one cost 25 microseconds more."""
    items = b"".join([_UUID_LENGTH + scope_key(scope) for scope in scopes])
    return Sent(_ARRAY.pack(1, 0, adapters.types["uuid"].oid, len(scopes), 1) + items)


def halfvec_rows(sent: Sequence[bytes], dims: int) -> Vectors:
    """Vectors from what pgvector sends in binary."""
    wire = np.frombuffer(b"".join(sent), ">f2").reshape(len(sent), _HEAD.size // 2 + dims)
    return wire[:, _HEAD.size // 2 :].astype(np.float32)
