"""Leases in SQLite, for processes on one host."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from semcache.errors import Overtaken
from semcache.stores.leases import Held, Lease
from semcache.stores.local.database import Database

_MINE = "key = ? AND owner = ? AND fence = ?"


class LocalLeases:
    """Keeps to `semcache.stores.leases.Leases`."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def acquire(self, key: str, owner: str, *, seconds: float) -> Lease | Held:
        now = self._clock()
        with self._database.writing() as connection:
            row = connection.execute(
                "INSERT INTO leases AS l (key, owner, fence, until) VALUES (?, ?, 1, ?) ON CONFLICT (key) DO UPDATE "
                "SET fence = l.fence + (l.owner != excluded.owner), owner = excluded.owner, until = excluded.until "
                "WHERE l.owner = excluded.owner OR l.until <= ? RETURNING fence",
                (key, owner, now + seconds, now),
            ).fetchone()
            if row is not None:
                return Lease(key, owner, row[0])
            return Held(*connection.execute("SELECT owner, fence FROM leases WHERE key = ?", (key,)).fetchone())

    def renew(self, lease: Lease, *, seconds: float) -> bool:
        with self._database.writing() as connection:
            changed = connection.execute(
                f"UPDATE leases SET until = ? WHERE {_MINE}", (self._clock() + seconds, *_named(lease))
            )
            return changed.rowcount > 0

    def release(self, lease: Lease) -> None:
        with self._database.writing() as connection:
            connection.execute(f"DELETE FROM leases WHERE {_MINE}", _named(lease))


def give_back(connection: sqlite3.Connection, lease: Lease) -> None:
    """Release a lease in this transaction. Raises `Overtaken` where it has been lost."""
    if connection.execute(f"DELETE FROM leases WHERE {_MINE}", _named(lease)).rowcount == 0:
        raise Overtaken("put: the lease under which this answer was asked for has been lost")


def _named(lease: Lease) -> tuple[str, str, int]:
    return (lease.key, lease.owner, lease.fence)
