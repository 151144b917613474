"""Leases as rows, for processes on any number of hosts."""

from __future__ import annotations

from semcache.errors import Overtaken
from semcache.stores.leases import Held, Lease
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.database import Database
from semcache.stores.postgres.now import Now

_MINE = "key = %s AND owner = %s AND fence = %s"


class PostgresLeases:
    """Keeps to `semcache.stores.leases.Leases`."""

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now

    def acquire(self, key: str, owner: str, *, seconds: float) -> Lease | Held:
        with self._database.reading() as connection:
            return acquire(connection, key, owner, seconds=seconds, now=self._now)

    def renew(self, lease: Lease, *, seconds: float) -> bool:
        with self._database.reading() as connection:
            return renew(connection, lease, seconds=seconds, now=self._now)

    def release(self, lease: Lease) -> None:
        with self._database.reading() as connection:
            release(connection, lease)


def acquire(connection: Connection, key: str, owner: str, *, seconds: float, now: Now) -> Lease | Held:
    """One statement takes it; only where it is held, a second one asks by whom."""
    while True:
        row = connection.execute(
            "INSERT INTO semcache.leases AS l (key, owner, fence, until) "
            f"VALUES (%s, %s, 1, {now.of_moment} + %s) ON CONFLICT (key) DO UPDATE "
            "SET fence = l.fence + (l.owner <> excluded.owner)::int, owner = excluded.owner, "
            f"until = {now.of_moment} + %s WHERE l.owner = excluded.owner OR l.until <= {now.of_moment} "
            "RETURNING fence",
            (key, owner, seconds, seconds),
        ).fetchone()
        if row is not None:
            return Lease(key, owner, row[0])
        row = connection.execute("SELECT owner, fence FROM semcache.leases WHERE key = %s", (key,)).fetchone()
        if row is not None:  # else it was released in between
            return Held(*row)


def renew(connection: Connection, lease: Lease, *, seconds: float, now: Now) -> bool:
    renewed = connection.execute(
        f"UPDATE semcache.leases SET until = {now.of_moment} + %s WHERE {_MINE}", (seconds, *_named(lease))
    )
    return renewed.rowcount > 0


def release(connection: Connection, lease: Lease) -> bool:
    """Whether it had not been lost."""
    return connection.execute(f"DELETE FROM semcache.leases WHERE {_MINE}", _named(lease)).rowcount > 0


def give_back(connection: Connection, lease: Lease) -> None:
    """Release a lease in this transaction. Raises `Overtaken` where it has been lost."""
    if not release(connection, lease):
        raise Overtaken("put: the lease under which this answer was asked for has been lost")


def _named(lease: Lease) -> tuple[str, str, int]:
    return (lease.key, lease.owner, lease.fence)
