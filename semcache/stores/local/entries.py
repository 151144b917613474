"""Entries in SQLite: find one, write one, attach exemplars."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from semcache.entry import Embedding, Entry, Exemplar, Scope
from semcache.errors import StoreError
from semcache.request import encode_json
from semcache.stores.local.rows import (
    ENTRIES,
    ENTRY_COLUMNS,
    ENTRY_WIDTH,
    EXEMPLAR_COLUMNS,
    entry_from,
    exemplar_values,
    insert_exemplar,
)
from semcache.stores.stored import StoredMessage, encoded, scope_key
from semcache.stores.stored_rows import exemplar_from
from semcache.stores.worth import combined, first_heat, heat_of, worth_of

CHUNK = 500  # rows a statement asks for by id


@dataclass(frozen=True)
class Space:
    """The embedding space of this store: its number in the file, and its dimensions."""

    id: int
    dims: int


def open_space(connection: sqlite3.Connection, fingerprint: str, dims: int) -> Space:
    """The number of this embedding space, given when it is first seen."""
    connection.execute("INSERT OR IGNORE INTO spaces (fingerprint, dims) VALUES (?, ?)", (fingerprint, dims))
    space_id, known_dims = connection.execute(
        "SELECT id, dims FROM spaces WHERE fingerprint = ?", (fingerprint,)
    ).fetchone()
    if known_dims != dims:
        raise StoreError(f"embedder: its fingerprint was stored with {known_dims} dims, and now has {dims}")
    return Space(space_id, dims)


def find_exact(connection: sqlite3.Connection, scope: Scope, key: str, *, now: float) -> Entry | None:
    """The live entry of this key, or of the newest alias with it.

    Asked one after the other, so that an entry which is merged between the two is still found.
    """
    asked = (scope_key(scope), key, now)
    row = connection.execute(
        f"SELECT {ENTRY_COLUMNS} FROM {ENTRIES} WHERE e.scope = ? AND e.key = ? AND e.expires_at > ?", asked
    ).fetchone()
    if row is None:
        row = connection.execute(
            f"SELECT {ENTRY_COLUMNS} FROM exemplars x JOIN entries e ON e.seq = x.entry "
            "JOIN bodies b ON b.entry = e.seq WHERE x.scope = ? AND x.key = ? AND x.key != '' AND x.label = 1 "
            "AND +e.expires_at > ? ORDER BY x.id DESC LIMIT 1",
            asked,
        ).fetchone()
    return None if row is None else entry_from(row)


def is_live(connection: sqlite3.Connection, entry_id: str, *, now: float) -> bool:
    row = connection.execute("SELECT 1 FROM entries WHERE id = ? AND expires_at > ?", (entry_id, now)).fetchone()
    return row is not None


def written_since(connection: sqlite3.Connection, credential: str, since: float, *, now: float) -> int:
    """How many live entries this credential created since then."""
    row = connection.execute(
        "SELECT count(*) FROM entries WHERE credential = ? AND created_at >= ? AND expires_at > ?",
        (credential, since, now),
    )
    return int(row.fetchone()[0])


def find_numbered(connection: sqlite3.Connection, entry_id: str, *, now: float) -> tuple[int, Entry] | None:
    """A live entry, with its number."""
    row = connection.execute(
        f"SELECT {ENTRY_COLUMNS}, e.seq FROM {ENTRIES} WHERE e.id = ? AND e.expires_at > ?", (entry_id, now)
    ).fetchone()
    return None if row is None else (row[ENTRY_WIDTH], entry_from(row[:ENTRY_WIDTH]))


class Holding(Enum):
    """What there is in a scope."""

    NOTHING = auto()
    ENTRIES = auto()  # perhaps expired
    EXEMPLARS = auto()  # of a live entry, in this space


def holdings(
    connection: sqlite3.Connection, scopes: Sequence[Scope], space: Space, *, now: float
) -> dict[Scope, Holding]:
    """What there is in each of these scopes, of which most hold nothing: one look into one index has said so.

    One statement: around each, a thread that is not alone waits for its turn.
    """
    if not scopes:
        return {}
    asked = ", ".join(f"({place}, ?)" for place in range(len(scopes)))
    rows = connection.execute(
        f"WITH asked (place, scope) AS (VALUES {asked}) SELECT a.place, EXISTS (SELECT 1 FROM exemplars x "
        "JOIN entries e ON e.seq = x.entry WHERE x.scope = a.scope AND x.space = ? AND e.expires_at > ?) "
        "FROM asked a WHERE EXISTS (SELECT 1 FROM entries WHERE scope = a.scope)",
        (*map(scope_key, scopes), space.id, now),
    )
    held = {scopes[place]: Holding.EXEMPLARS if is_live else Holding.ENTRIES for place, is_live in rows}
    return {scope: held.get(scope, Holding.NOTHING) for scope in scopes}


def fetch(
    connection: sqlite3.Connection, exemplar_ids: Sequence[int], space: Space
) -> dict[int, tuple[Entry, Exemplar]]:
    """Those of these exemplars that exist, each with its entry, expired or not."""
    found: dict[int, tuple[Entry, Exemplar]] = {}
    entries: dict[str, Entry] = {}
    for start in range(0, len(exemplar_ids), CHUNK):
        chunk = tuple(exemplar_ids[start : start + CHUNK])
        marks = ",".join("?" * len(chunk))
        rows = connection.execute(
            f"SELECT {ENTRY_COLUMNS}, {EXEMPLAR_COLUMNS} FROM exemplars x "
            f"JOIN entries e ON e.seq = x.entry JOIN bodies b ON b.entry = e.seq WHERE x.id IN ({marks})",
            chunk,
        )
        for row in rows:
            entry = entries.get(row[0]) or entries.setdefault(row[0], entry_from(row[:ENTRY_WIDTH]))
            exemplar = exemplar_from(row[ENTRY_WIDTH:], entry.id, space_id=space.id, dims=space.dims)
            found[exemplar.id] = (entry, exemplar)
    return found


def exemplars_of(connection: sqlite3.Connection, entry_id: str, space: Space) -> list[Exemplar]:
    """Oldest first."""
    rows = connection.execute(
        f"SELECT {EXEMPLAR_COLUMNS} FROM exemplars x JOIN entries e ON e.seq = x.entry WHERE e.id = ? ORDER BY x.id",
        (entry_id,),
    )
    return [exemplar_from(row, entry_id, space_id=space.id, dims=space.dims) for row in rows]


@dataclass(frozen=True)
class Written:
    """An entry as stored, with its number; `is_revised` where it replaced another message."""

    seq: int
    entry: Entry
    held_bytes: int
    is_revised: bool


def write(connection: sqlite3.Connection, entry: Entry) -> Written:
    """Insert an entry, or replace the one of the same scope and key."""
    scope = scope_key(entry.scope)
    old = connection.execute(
        "SELECT seq, id, hits, last_hit_at, heat FROM entries WHERE scope = ? AND key = ?", (scope, entry.key)
    ).fetchone()
    if old is None:
        seq, heat = None, first_heat(entry.created_at, hits=entry.hits, last_hit_at=entry.last_hit_at)
    else:
        seq, entry_id, hits, last_hit_at, heat = old
        entry = replace(entry, id=entry_id, hits=hits, last_hit_at=last_hit_at)
        heat = combined(heat, heat_of(1, at=entry.created_at))
    question, message = encoded(entry.question), encode_json(entry.message.body)
    held_bytes = len(question) + len(message)
    values = _values(entry, scope, heat, held_bytes)
    is_revised = seq is not None and _forget_what_was_served(connection, seq, unless=message)
    try:
        seq = _insert(connection, values) if seq is None else _update(connection, values, seq)
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            raise StoreError(f"put: the id {entry.id} belongs to another entry") from error
        raise
    connection.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)", (seq, question, message))
    connection.executemany(
        "INSERT OR IGNORE INTO entry_tags (tag, entry) VALUES (?, ?)", [(tag, seq) for tag in entry.tags]
    )
    return Written(seq, replace(entry, message=StoredMessage.of(message)), held_bytes, is_revised)


def attach(connection: sqlite3.Connection, seq: int, entry: Entry, exemplar: Exemplar, space: Space) -> Exemplar:
    """Write an exemplar of this entry; the exemplar as stored."""
    values = exemplar_values(exemplar, seq, scope_key(entry.scope), space.id)
    bare = Embedding(exemplar.embedding.vector, exemplar.embedding.windows)
    return replace(exemplar, entry_id=entry.id, embedding=bare, id=insert_exemplar(connection, values))


def detach(connection: sqlite3.Connection, exemplar_ids: Sequence[int]) -> int:
    """Remove exemplars; how many were there."""
    return connection.execute(
        "DELETE FROM exemplars WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(exemplar_ids)),)
    ).rowcount


_COLUMNS = (
    "id, scope, namespace, digest, key, kind, requested_model, served_model, cost_usd, created_at, expires_at, "
    "tags, credential, bytes, hits, last_hit_at, heat, worth"
)


def _insert(connection: sqlite3.Connection, values: tuple[object, ...]) -> int:
    marks = ", ".join("?" * len(values))
    seq = connection.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES ({marks})", values).lastrowid
    assert seq is not None
    return seq


def _forget_what_was_served(connection: sqlite3.Connection, seq: int, *, unless: bytes) -> bool:
    """Whether the message will be another: then no word on what was served may count for it."""
    row = connection.execute("SELECT 1 FROM bodies WHERE entry = ? AND message = ?", (seq, unless)).fetchone()
    if row is None:
        connection.execute("DELETE FROM servings WHERE entry = ?", (seq,))
    return row is None


def _update(connection: sqlite3.Connection, values: tuple[object, ...], seq: int) -> int:
    """The old answer's exemplars and tags go with it: they said nothing about the new one."""
    connection.execute("DELETE FROM exemplars WHERE entry = ?", (seq,))
    connection.execute("DELETE FROM entry_tags WHERE entry = ?", (seq,))
    marks = ", ".join("?" * len(values))
    connection.execute(f"UPDATE entries SET ({_COLUMNS}) = ({marks}) WHERE seq = ?", (*values, seq))
    return seq


def _values(entry: Entry, scope: bytes, heat: float, held_bytes: int) -> tuple[object, ...]:
    return (
        entry.id,
        scope,
        entry.scope.namespace,
        entry.scope.digest,
        entry.key,
        entry.kind.value,
        entry.requested_model,
        entry.served_model,
        entry.cost_usd,
        entry.created_at,
        math.inf if entry.expires_at is None else entry.expires_at,
        json.dumps(entry.tags) if entry.tags else "",
        entry.credential,
        held_bytes,
        entry.hits,
        entry.last_hit_at,
        heat,
        worth_of(heat, cost_usd=entry.cost_usd, held_bytes=held_bytes),
    )


def foreign_exemplars(connection: sqlite3.Connection, space: Space) -> int:
    """Exemplars of other spaces. Spaces without any are forgotten, so that the next count is quick."""
    (others,) = connection.execute("SELECT count(*) FROM spaces WHERE id != ?", (space.id,)).fetchone()
    if not others:
        return 0
    (count,) = connection.execute("SELECT count(*) FROM exemplars WHERE space != ?", (space.id,)).fetchone()
    if not count:
        connection.execute("DELETE FROM spaces WHERE id != ?", (space.id,))
    return int(count)
