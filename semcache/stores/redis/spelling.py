"""Entries and exemplars as Redis keeps them, and back; and the rows of the catalogue."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import numpy as np

from semcache.entry import Embedding, Entry, Exemplar, Kind, Label, Origin, Scope
from semcache.errors import StoreUnavailable
from semcache.stores.stored import StoredMessage, decoded, encoded, scope_key
from semcache.stores.worth import worth_of

_LENGTH = struct.Struct("<I")
NEVER = "inf"


@dataclass(frozen=True)
class Space:
    """The embedding space of a store: how its keys are named, and its dimensions."""

    id: str
    dims: int

    @classmethod
    def of(cls, fingerprint: str, dims: int) -> Space:
        return cls(hashlib.blake2b(encoded(f"{fingerprint}\0{dims}"), digest_size=8).hexdigest(), dims)


@dataclass(frozen=True)
class Place:
    """Where an entry lies: its scope's short name and its key, both as they stand in Redis' keys."""

    scope: str
    key: str
    id: str = ""


def spelled(name: str) -> str:
    """Any name as letters, digits and `%`: a part of a key, which no colon or brace can break."""
    return quote(encoded(name), safe="")


def unspelled(name: str) -> str:
    return decoded(unquote_to_bytes(name))


def scope_name(scope: Scope) -> str:
    return scope_key(scope).hex()


def place_of(entry: Entry) -> Place:
    return Place(scope_name(entry.scope), spelled(entry.key), spelled(entry.id))


def moment(at: float | None) -> str:
    return NEVER if at is None else repr(float(at))


# entries


def write_head(entry: Entry, held_bytes: int) -> str:
    """All of an entry but its texts and what changes with its hits."""
    return json.dumps(
        [
            entry.id, entry.scope.namespace, entry.scope.digest, entry.key, entry.kind.value, entry.requested_model,
            entry.served_model, entry.cost_usd, entry.created_at, entry.tags, entry.credential, held_bytes,
        ],
        separators=(",", ":"),
    )  # fmt: skip


def read_entry(fields: Sequence[bytes]) -> Entry:
    """From head, question, message, expiry, hits and last hit."""
    head, question, message, expiry, hits, last_hit_at = fields
    told = _told(head)
    return Entry(
        told[0],
        Scope(told[1], told[2]),
        told[3],
        Kind(told[4]),
        decoded(question),
        StoredMessage.of(message),
        told[5],
        told[6],
        told[7],
        told[8],
        None if expiry == b"inf" else float(expiry),
        tuple(told[9]),
        told[10],
        int(hits),
        float(last_hit_at) if last_hit_at else None,
    )


def _told(stored: bytes) -> Any:
    try:
        return json.loads(stored)
    except ValueError:
        raise StoreUnavailable("a stored entry is damaged; delete it, or restore a backup") from None


# exemplars: what the scripts read comes first, in plain text


def write_exemplar(exemplar: Exemplar, space: Space) -> bytes:
    vector = np.ascontiguousarray(exemplar.embedding.vector, np.float32)
    windows = np.ascontiguousarray(exemplar.embedding.windows, np.float32).tobytes()
    key, pooled = spelled(exemplar.key), vector.tobytes()
    is_positive, is_zero = exemplar.label is Label.POSITIVE, not vector.any()
    head = f"{space.id}:{is_positive:d}:{is_zero:d}:{len(key)}:{len(pooled)}:{key}".encode()
    told = json.dumps([exemplar.text, exemplar.origin.value, exemplar.created_at]).encode()
    # The one window of a short text is its vector.
    return b"".join((head, pooled, _LENGTH.pack(len(told)), told, b"" if windows == pooled else windows))


def read_exemplar(entry_id: str, exemplar_id: int, stored: bytes, space: Space) -> Exemplar:
    """One of another space gets a zero vector: it is similar to nothing."""
    home, is_positive, _, key_length, vector_length, rest = stored.split(b":", 5)
    after_key = int(key_length)
    after_vector = after_key + int(vector_length)
    (told_length,) = _LENGTH.unpack_from(rest, after_vector)
    start = after_vector + _LENGTH.size
    text, origin, created_at = _told(rest[start : start + told_length])
    if home.decode() == space.id:
        vector = np.frombuffer(rest[after_key:after_vector], np.float32)
        windows = np.frombuffer(rest[start + told_length :], np.float32)
        embedding = Embedding(vector, (windows if len(windows) else vector).reshape(-1, space.dims))
    else:
        embedding = Embedding(np.zeros(space.dims, np.float32), np.zeros((1, space.dims), np.float32))
    key = unspelled(rest[:after_key].decode())
    label = Label.POSITIVE if is_positive == b"1" else Label.NEGATIVE
    return Exemplar(entry_id, text, embedding, label, Origin(origin), created_at, exemplar_id, key)


def rekeyed(stored: bytes, key: str) -> bytes:
    """An exemplar as stored, with another exact key."""
    *head, key_length, vector_length, rest = stored.split(b":", 5)
    name = spelled(key).encode()
    return b":".join((*head, str(len(name)).encode(), vector_length, name + rest[int(key_length) :]))


def read_exemplars(entry_id: str, stored: Sequence[bytes], space: Space) -> list[Exemplar]:
    """From ids and blobs in turn; oldest first."""
    pairs = sorted(zip((int(each) for each in stored[::2]), stored[1::2], strict=True))
    return [read_exemplar(entry_id, exemplar_id, blob, space) for exemplar_id, blob in pairs]


# rows of the catalogue: plain enough for the scripts' JSON


def pending_row(entry: Entry, held_bytes: int, heat: float, revision: int) -> str:
    """A row of what is about to be written."""
    return _row(entry, held_bytes, heat, {"e": moment(entry.expires_at), "r": str(revision), "p": 1})


def row_of(summary: Sequence[bytes]) -> str:
    """From head, expiry, hits, heat, revision, revision of the answer, and its exemplars."""
    head, expiry, hits, heat, revision, _, *exemplars = summary
    entry = read_entry((head, b"", b"{}", expiry, hits, b""))
    held_bytes = int(_told(head)[11])
    known = {"e": expiry.decode(), "r": revision.decode(), "h": int(hits), "p": 0}
    return _row(entry, held_bytes, float(heat), {**known, "x": [each.decode() for each in exemplars]})


def _row(entry: Entry, held_bytes: int, heat: float, known: dict[str, Any]) -> str:
    place = place_of(entry)
    worth = worth_of(heat, cost_usd=entry.cost_usd, held_bytes=held_bytes)
    row = {
        "i": place.id, "s": place.scope, "k": place.key, "n": spelled(entry.scope.namespace),
        "g": [spelled(tag) for tag in entry.tags], "f": spelled(entry.credential), "c": moment(entry.created_at),
        "w": repr(worth), "b": held_bytes, "q": int(entry.kind is Kind.FAQ), "h": 0, "x": [], **known,
    }  # fmt: skip
    return json.dumps(row, separators=(",", ":"))
