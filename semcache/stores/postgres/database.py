"""The database behind the store: prepared at the first success, left alone while it keeps failing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

import psycopg
from psycopg.pq import TransactionStatus

from semcache.errors import StoreUnavailable
from semcache.stores.breaker import Breaker, Health
from semcache.stores.postgres.address import Address
from semcache.stores.postgres.connections import Connection, Connections
from semcache.stores.postgres.faults import explained
from semcache.stores.postgres.now import Now

PATIENT_SECONDS = 20.0  # for what is not on the path of a request
THOROUGH_SECONDS = 600.0  # for what touches any number of rows: purges, migrations
DAYS_SECONDS = 7 * 86400.0


class Database:
    """Hands out connections. Raises `StoreUnavailable` for whatever the server cannot do now.

    `prepare` is called once, with the first connection that can be had: a server that is away when the service starts
    is used as soon as it is there.
    """

    def __init__(
        self, address: Address, now: Now, prepare: Callable[[Connection], None], *, breaker: Breaker | None = None
    ) -> None:
        self.shown = address.shown
        self._address = address
        self._now = now
        self._prepare = prepare
        self._breaker = breaker if breaker is not None else Breaker()
        self._connections = Connections(address.conninfo, size=address.pool_size, greet=self._read_clock)
        self._is_prepared = False
        self._preparing = Lock()

    @property
    def health(self) -> Health:
        return self._breaker.health

    @contextmanager
    def reading(self, *, seconds: float | None = None) -> Iterator[Connection]:
        """A connection of this caller's own; each statement is a transaction and sees the newest commit."""
        with self._breaker.guarding(), explained(self.shown):
            self._make_ready()
            with self._connections.lent(seconds=seconds or self._address.timeout_seconds) as connection:
                yield connection

    @contextmanager
    def writing(self, *, seconds: float | None = None) -> Iterator[Connection]:
        """One transaction: committed on leaving, rolled back by any exception."""
        with self._breaker.guarding(), explained(self.shown):
            self._make_ready()
            seconds = seconds or self._address.timeout_seconds
            with self._connections.lent(seconds=seconds) as connection, transaction(connection, seconds=seconds):
                yield connection

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """For what cannot run in a transaction and takes as long as it takes: the upkeep of indexes."""
        with explained(self.shown):
            self._make_ready()
            with self._connections.lent(seconds=DAYS_SECONDS) as connection:
                yield connection

    def close(self) -> None:
        self._connections.close()

    def _make_ready(self) -> None:
        if self._is_prepared:
            return
        if not self._preparing.acquire(timeout=self._address.timeout_seconds):
            raise StoreUnavailable(f"{self.shown}: it is still being connected to")
        try:
            if self._is_prepared:
                return
            with self._connections.lent(seconds=THOROUGH_SECONDS) as connection:
                self._prepare(connection)
            self._is_prepared = True
        finally:
            self._preparing.release()

    def _read_clock(self, connection: Connection) -> None:
        before = time.time()
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        assert row is not None
        self._now.offset_seconds = row[0] - (before + time.time()) / 2


@contextmanager
def transaction(connection: Connection, *, seconds: float) -> Iterator[None]:
    """Committed on leaving, rolled back by any exception; the server gives up after so many seconds a statement."""
    connection.execute(f"BEGIN; SET LOCAL statement_timeout = {int(seconds * 1000)}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
        raise
