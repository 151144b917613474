"""Connections to PostgreSQL, used again, each by one thread at a time.

Connected by whoever needs one, so that the reason why there is none reaches him at once, and the first call after an
outage succeeds: a pool that reconnects in the background waits for its next attempt. Nothing is ever set for a session
and no statement is prepared, so PgBouncer may hand every transaction to another server process.
"""

from __future__ import annotations

import math
import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore
from typing import Any

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from semcache.errors import StoreUnavailable
from semcache.stores.postgres.faults import NoAnswer, NoConnection

LIFETIME_SECONDS = 1800.0  # then it is made anew: behind a balancer, servers come and go
_CANCEL_SECONDS = 0.5


class Connection(psycopg.Connection[TupleRow]):
    """Gives up a server that does not answer: its own timeouts do not help where it hangs, or the network does."""

    answer_by: float = math.inf  # of time.monotonic()
    made_at: float = 0.0

    def wait(self, gen: PQGen[Any], *args: Any, **options: Any) -> Any:
        return super().wait(self._in_time(gen), *args, **options)

    def _in_time(self, gen: PQGen[Any]) -> PQGen[Any]:
        """The same generator, asked at least every tenth of a second whether there is still time."""
        try:
            awaited = next(gen)
            while True:
                ready = yield awaited
                if not ready and time.monotonic() > self.answer_by:
                    raise NoAnswer("the server does not answer")
                awaited = gen.send(ready)
        except StopIteration as stop:
            return stop.value


class Connections:
    """At most `size` at a time. Thread-safe; raises psycopg's errors."""

    def __init__(self, conninfo: str, *, size: int, greet: Callable[[Connection], None]) -> None:
        """`greet` is called with every new connection."""
        self._conninfo = conninfo
        self._greet = greet
        self._free = BoundedSemaphore(size)
        self._idle: deque[Connection] = deque()
        self._is_closed = False

    @contextmanager
    def lent(self, *, seconds: float) -> Iterator[Connection]:
        """A connection that must have answered everything within so many seconds."""
        answer_by = time.monotonic() + seconds
        if not self._free.acquire(timeout=seconds):
            raise NoConnection("all connections are in use; raise semcache_pool_size")
        try:
            connection = self._sound() or self._connect(answer_by)
            connection.answer_by = answer_by
            try:
                yield connection
            except BaseException as error:
                self._after(connection, error)
                raise
            finally:
                self._give_back(connection)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close those that are not in use; the others follow when they are given back."""
        self._is_closed = True
        self._forget_idle()

    def _sound(self) -> Connection | None:
        """One that is idle and that nobody has hung up: then there is nothing to read from it."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            is_young = time.monotonic() - connection.made_at < LIFETIME_SECONDS
            if is_young and not connection.closed and not _has_news(connection):
                return connection
            connection.close()

    def _connect(self, answer_by: float) -> Connection:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        connection = Connection.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        connection.made_at, connection.answer_by = time.monotonic(), answer_by
        try:
            self._greet(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _after(self, connection: Connection, error: BaseException) -> None:
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):  # the primary is another server by now
            connection.close()
            self._forget_idle()
        elif connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=_CANCEL_SECONDS)
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        if connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE or self._is_closed:
            connection.close()
            return
        self._idle.append(connection)
        if self._is_closed:
            self._forget_idle()

    def _forget_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _has_news(connection: Connection) -> bool:
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, psycopg.Error):
        return True
