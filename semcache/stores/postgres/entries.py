"""Entries in PostgreSQL: find one, write one, attach exemplars.

Whoever locks several rows locks those of entries first, in the order of their numbers: so no two wait for each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg import errors

from semcache.entry import Embedding, Entry, Exemplar, Kind
from semcache.errors import StoreError, StoreUnavailable
from semcache.request import encode_json
from semcache.stores.limits import Limits
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.rows import (
    ENTRIES,
    ENTRY_COLUMNS,
    ENTRY_WIDTH,
    EXEMPLAR_COLUMNS,
    entry_from,
    exemplar_values,
    folded,
    halfvec,
    scope_id,
)
from semcache.stores.stored import StoredMessage, encoded, packed, unpacked
from semcache.stores.stored_rows import exemplar_from
from semcache.stores.worth import combined, first_heat, heat_of, worth_of

_ATTEMPTS = 5  # at a key that others store and remove at the same time


def is_live(connection: Connection, entry_id: str, *, now: str) -> bool:
    query = f"SELECT 1 FROM semcache.entries WHERE id = %s AND expires_at > {now}"
    return connection.execute(query, (entry_id,)).fetchone() is not None


def written_since(connection: Connection, credential: str, since: float, *, now: str) -> int:
    """How many live entries this credential created since then."""
    row = connection.execute(
        f"SELECT count(*) FROM semcache.entries WHERE credential = %s AND created_at >= %s AND expires_at > {now}",
        (credential, since),
    ).fetchone()
    assert row is not None
    return int(row[0])


def find_numbered(connection: Connection, entry_id: str, *, now: str) -> tuple[int, Entry] | None:
    """A live entry, with its number."""
    row = connection.execute(
        f"SELECT {ENTRY_COLUMNS}, e.seq FROM {ENTRIES} WHERE e.id = %s AND e.expires_at > {now}",
        (entry_id,),
        binary=True,
    ).fetchone()
    return None if row is None else (row[ENTRY_WIDTH], entry_from(row[:ENTRY_WIDTH]))


def lock_live(connection: Connection, entry_ids: Sequence[str], *, now: str) -> dict[str, int]:
    """The numbers of those that live, locked until the transaction ends: nobody removes them meanwhile."""
    rows = connection.execute(
        f"SELECT id, seq FROM semcache.entries WHERE id = ANY(%s) AND expires_at > {now} ORDER BY seq FOR UPDATE",
        (list(entry_ids),),
    )
    return dict(rows.fetchall())


def exemplars_of(connection: Connection, seqs: Sequence[int], space: Space) -> dict[int, list[Exemplar]]:
    """Those of each entry, oldest first."""
    found: dict[int, list[Exemplar]] = {seq: [] for seq in seqs}
    rows = connection.execute(
        f"SELECT {EXEMPLAR_COLUMNS}, e.id, e.seq FROM semcache.exemplars x JOIN semcache.entries e ON e.seq = x.entry "
        "WHERE x.entry = ANY(%s) ORDER BY x.id",
        (list(seqs),),
        binary=True,
    )
    for *columns, entry_id, seq in rows:
        found[seq].append(exemplar_from(tuple(columns), entry_id, space_id=space.id, dims=space.dims))
    return found


@dataclass(frozen=True)
class Written:
    """An entry as stored, with its number; `is_revised` where it replaced another message."""

    seq: int
    entry: Entry
    is_revised: bool


def write(connection: Connection, entry: Entry, limits: Limits) -> Written:
    """Insert an entry, or replace the one of the same scope and key, which others may be about to do, too."""
    question, message = encoded(entry.question), encode_json(entry.message.body)
    held_bytes = len(question) + len(message)
    if limits.refuses(held_bytes):
        raise StoreError(f"put: an entry of {held_bytes} bytes is larger than the whole store may be")
    values = _values(entry, held_bytes)
    try:
        for _ in range(_ATTEMPTS):
            if (seq := _insert(connection, values)) is not None:
                _insert_belongings(connection, seq, entry, question, message)
                return Written(seq, replace(entry, message=StoredMessage.of(message)), is_revised=False)
            if (written := _replace(connection, entry, values, question, message)) is not None:
                return written
    except errors.UniqueViolation:
        raise StoreError(f"put: the id {entry.id} belongs to another entry") from None
    raise StoreUnavailable("put: others store and remove the same entry all the time")


def attach(connection: Connection, seq: int, entry: Entry, exemplar: Exemplar, space: Space) -> Exemplar:
    """Write an exemplar of this entry; the exemplar as stored."""
    row = connection.execute(
        "WITH x AS (INSERT INTO semcache.exemplars (entry, scope, space, label, origin, created_at, key, text, folded, "
        "vector, windows) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING scope, space, id) "
        "INSERT INTO semcache.vectors (scope, space, exemplar, expires_at, emb) "
        "SELECT scope, space, id, %s, %s::halfvec FROM x RETURNING exemplar",
        (
            *exemplar_values(exemplar, seq, scope_id(entry.scope), space.id),
            _end_of(entry),
            halfvec(exemplar.embedding.vector),
        ),
    ).fetchone()
    assert row is not None
    bare = Embedding(exemplar.embedding.vector, exemplar.embedding.windows)
    return replace(exemplar, entry_id=entry.id, embedding=bare, id=row[0])


def detach(connection: Connection, exemplar_ids: Sequence[int]) -> int:
    """Remove exemplars; how many were there."""
    removed = connection.execute("DELETE FROM semcache.exemplars WHERE id = ANY(%s)", (list(exemplar_ids),))
    return removed.rowcount


def foreign_exemplars(connection: Connection, space: Space) -> int:
    """Exemplars of other spaces."""
    row = connection.execute(
        "SELECT coalesce(sum((SELECT count(*) FROM semcache.exemplars x WHERE x.space = s.id)), 0)::bigint "
        "FROM semcache.spaces s WHERE s.id <> %s",
        (space.id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


_COLUMNS = (
    "id, scope, namespace, digest, key, kind, requested_model, served_model, cost_usd, created_at, expires_at, "
    "tags, credential, bytes"
)
_MARKS = ", ".join(["%s"] * 14)


def _insert(connection: Connection, values: tuple[object, ...]) -> int | None:
    """The number of the new entry; None where there is one of this scope and key."""
    row = connection.execute(
        f"INSERT INTO semcache.entries ({_COLUMNS}) VALUES ({_MARKS}) "
        "ON CONFLICT ON CONSTRAINT entries_by_key DO NOTHING RETURNING seq",
        values,
    ).fetchone()
    return None if row is None else row[0]


def _insert_belongings(connection: Connection, seq: int, entry: Entry, question: bytes, message: bytes) -> None:
    heat = first_heat(entry.created_at, hits=entry.hits, last_hit_at=entry.last_hit_at)
    worth = worth_of(heat, cost_usd=entry.cost_usd, held_bytes=len(question) + len(message))
    connection.execute(
        "WITH body AS (INSERT INTO semcache.bodies (entry, question, folded, message) VALUES (%s, %s, %s, %s)) "
        "INSERT INTO semcache.uses (entry, hits, last_hit_at, heat, worth, is_learned) VALUES (%s, %s, %s, %s, %s, %s)",
        (
            *(seq, question, folded(entry.question), packed(message)),
            *(seq, entry.hits, entry.last_hit_at, heat, worth, entry.kind is Kind.LEARNED),
        ),
    )


def _replace(
    connection: Connection, entry: Entry, values: tuple[object, ...], question: bytes, message: bytes
) -> Written | None:
    """None where the old entry has gone. Its exemplars go: they said nothing about the new answer."""
    row = connection.execute(
        "SELECT e.seq, e.id, b.message FROM semcache.entries e JOIN semcache.bodies b ON b.entry = e.seq "
        "WHERE e.scope = %s AND e.key = %s FOR UPDATE OF e",
        (scope_id(entry.scope), entry.key),
        binary=True,
    ).fetchone()
    if row is None:
        return None
    seq, entry_id, old_message = row
    if connection.execute("SELECT 1 FROM semcache.entries WHERE id = %s AND seq <> %s", (entry.id, seq)).fetchone():
        raise errors.UniqueViolation
    hits, last_hit_at = _warm(connection, seq, entry, held_bytes=len(question) + len(message))
    is_revised = unpacked(old_message) != message
    if is_revised:  # then no word on what was served may count for it
        connection.execute("DELETE FROM semcache.servings WHERE entry = %s", (seq,))
    connection.execute("DELETE FROM semcache.exemplars WHERE entry = %s", (seq,))
    connection.execute(
        f"UPDATE semcache.entries SET ({_COLUMNS}) = ({_MARKS}) WHERE seq = %s", (entry_id, *values[1:], seq)
    )
    connection.execute(
        "UPDATE semcache.bodies SET question = %s, folded = %s, message = %s WHERE entry = %s",
        (question, folded(entry.question), packed(message), seq),
    )
    kept = replace(entry, id=entry_id, hits=hits, last_hit_at=last_hit_at, message=StoredMessage.of(message))
    return Written(seq, kept, is_revised)


def _warm(connection: Connection, seq: int, entry: Entry, *, held_bytes: int) -> tuple[int, float | None]:
    """Storing it anew counts as a use; its hits and the time of the last."""
    row = connection.execute(
        "SELECT hits, last_hit_at, heat FROM semcache.uses WHERE entry = %s FOR UPDATE", (seq,)
    ).fetchone()
    assert row is not None
    hits, last_hit_at, heat = row
    heat = combined(heat, heat_of(1, at=entry.created_at))
    worth = worth_of(heat, cost_usd=entry.cost_usd, held_bytes=held_bytes)
    connection.execute(
        "UPDATE semcache.uses SET heat = %s, worth = %s, is_learned = %s WHERE entry = %s",
        (heat, worth, entry.kind is Kind.LEARNED, seq),
    )
    return hits, last_hit_at


def _values(entry: Entry, held_bytes: int) -> tuple[object, ...]:
    return (
        entry.id,
        scope_id(entry.scope),
        entry.scope.namespace,
        entry.scope.digest,
        entry.key,
        entry.kind.value,
        entry.requested_model,
        entry.served_model,
        entry.cost_usd,
        entry.created_at,
        _end_of(entry),
        list(entry.tags),
        entry.credential,
        held_bytes,
    )


def _end_of(entry: Entry) -> float:
    return math.inf if entry.expires_at is None else entry.expires_at
