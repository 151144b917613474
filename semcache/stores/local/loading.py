"""Making a scope's projection from SQLite, or from a snapshot checked against it, and following the change log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from semcache.errors import IndexMismatch
from semcache.stores.local.entries import Space
from semcache.stores.projection import Projection, Rows
from semcache.stores.similarity import unit
from semcache.stores.vector_index import Index

PORTION = 2048  # rows read and indexed at a time; a snapshot that lacks so many is too old: 0.3 s to catch up
SAMPLES = 64  # vectors of a snapshot that are compared


def read_rows(connection: sqlite3.Connection, scope: bytes, space: Space, *, after: int = 0) -> Iterator[Rows]:
    """The scope's exemplars with ids above `after`, in portions.

    Each is a statement of its own: a reader that takes its time must not keep the write-ahead log from being emptied.
    """
    while True:
        rows = connection.execute(
            "SELECT x.id, e.expires_at, x.vector FROM exemplars x JOIN entries e ON e.seq = x.entry "
            "WHERE x.scope = ? AND x.space = ? AND x.id > ? ORDER BY x.id LIMIT ?",
            (scope, space.id, after, PORTION),
        ).fetchall()
        if rows:
            yield Rows.of(rows, space.dims)
        if len(rows) < PORTION:
            return
        after = rows[-1][0]


def last_change(connection: sqlite3.Connection) -> int:
    """The newest entry of the change log. It is never emptied, so this never goes back."""
    seq: int = connection.execute("SELECT ifnull(max(seq), 0) FROM changes").fetchone()[0]
    return seq


def project(connection: sqlite3.Connection, scope: bytes, space: Space) -> Projection:
    """An exact projection, quick to make."""
    # The sequence number first: what changes meanwhile is applied twice, which is harmless.
    projection = Projection.exact(space.dims, seq=last_change(connection))
    for rows in read_rows(connection, scope, space):
        projection.add(rows)
    return projection


def project_graph(
    connection: sqlite3.Connection, scope: bytes, space: Space, *, stopped: Callable[[], bool]
) -> Projection | None:
    """A graph projection, slow to make; None where it was told to stop."""
    projection = Projection.graph(space.dims, seq=last_change(connection))
    for rows in read_rows(connection, scope, space):
        if stopped():
            return None
        projection.add(rows)
    return projection


def project_snapshot(
    connection: sqlite3.Connection, scope: bytes, space: Space, snapshot: tuple[Index, NDArray[np.int64], int]
) -> Projection:
    """A snapshot's index with what SQLite says about its rows now: the log need not reach back to it.

    Raises `IndexMismatch` where it was made from another state of the database, or is too old to be worth catching up.
    """
    index, ids, snapshot_seq = snapshot
    seq = last_change(connection)
    if seq < snapshot_seq or not len(ids):
        raise IndexMismatch("it is newer than the database")
    last_id = int(ids[-1])
    held = connection.execute(
        "SELECT x.id, e.expires_at FROM exemplars x JOIN entries e ON e.seq = x.entry "
        "WHERE x.scope = ? AND x.space = ? AND x.id <= ? ORDER BY x.id",
        (scope, space.id, last_id),
    ).fetchall()
    held_ids = np.array([row[0] for row in held], np.int64)
    _, slots, places = np.intersect1d(ids, held_ids, assume_unique=True, return_indices=True)
    newer = next(read_rows(connection, scope, space, after=last_id), None)
    if len(slots) < len(held) or (newer is not None and len(newer.ids) == PORTION):
        raise IndexMismatch("it lacks exemplars of the database")
    expires_at = np.full(len(ids), -np.inf)
    expires_at[slots] = np.array([row[1] for row in held], np.float64)[places]
    projection = Projection(index, np.array(ids), expires_at, seq=seq)
    _compare(connection, projection, held_ids)
    projection.unsaved = len(ids) - len(slots)
    if newer is not None:
        projection.add(newer)
    return projection


def _compare(connection: sqlite3.Connection, projection: Projection, held_ids: NDArray[np.int64]) -> None:
    """Look at some vectors, the newest above all: a database restored from a backup gives the same ids again."""
    step = max(1, len(held_ids) // SAMPLES)
    for exemplar_id in {*held_ids[-SAMPLES:].tolist(), *held_ids[::step].tolist()}:
        row = connection.execute("SELECT vector FROM exemplars WHERE id = ?", (exemplar_id,)).fetchone()
        if row is not None and not np.array_equal(
            projection.vector(exemplar_id), unit(np.frombuffer(row[0], np.float32))
        ):
            raise IndexMismatch("its vectors are not those of the database")


def follow(connection: sqlite3.Connection, projection: Projection, scope: bytes, space: Space) -> Sequence[int] | None:
    """Bring a projection up to the newest commit of any process.

    The ids that were removed; None where the log was pruned before the projection got there. One comparison where
    nothing was stored since. Applying a change twice is harmless, so threads need not agree.
    """
    latest, seen = last_change(connection), projection.seq
    if latest <= seen:
        return ()
    changes = connection.execute(
        "SELECT exemplar, added FROM changes WHERE scope = ? AND seq > ? AND seq <= ?", (scope, seen, latest)
    ).fetchall()
    if connection.execute("SELECT min(seq) FROM changes").fetchone()[0] > seen + 1:
        return None
    if any(added for _, added in changes):
        for rows in read_rows(connection, scope, space, after=projection.last_id):
            projection.add(rows)
    if removed := [exemplar for exemplar, added in changes if not added]:
        projection.remove(removed)
    projection.seq = max(projection.seq, latest)
    return removed
