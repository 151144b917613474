"""The SQLite file: one writer under a lock, and as many readers as are used at once."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from semcache.errors import StoreUnavailable
from semcache.stores.local.faults import explained
from semcache.stores.local.schema import prepare

BUSY_TIMEOUT_SECONDS = 5.0
READER_CACHE_KIB = 8192
WAL_LIMIT_BYTES = 64 * 1024 * 1024  # what a checkpoint leaves of a log that once grew larger


class Database:
    """Hands out connections. Raises `StoreUnavailable` for whatever SQLite cannot do, `StoreTooNew`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._closed = False
        self._write_lock = Lock()
        self._readers: deque[sqlite3.Connection] = deque()
        with explained(path):
            _make_private(path)
            self._writer = _connect(path)
            try:
                prepare(self._writer, path)
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of this caller's own; each statement sees the newest commit."""
        with explained(self.path):
            connection = self._take_reader()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed on leaving, rolled back by any exception."""
        with self._write_lock, explained(self.path):
            self._check_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk has rolled back already
                    self._writer.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Wait for the writer and let go of the file. May be called twice."""
        with self._write_lock:
            self._closed = True
            self._close_readers()
            self._writer.close()

    def _take_reader(self) -> sqlite3.Connection:
        self._check_open()
        try:
            return self._readers.pop()
        except IndexError:
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
            connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
            return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._readers.append(connection)
        if self._closed:
            self._close_readers()

    def _close_readers(self) -> None:
        with suppress(IndexError):
            while True:
                self._readers.pop().close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self.path}: the store is closed")


def _make_private(path: Path) -> None:
    """A new file holds prompts, so only its owner reads it; SQLite gives its log the same rights."""
    with suppress(OSError):  # it exists, or SQLite will say why it cannot
        path.touch(mode=0o600, exist_ok=False)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,  # transactions are begun by hand
        check_same_thread=False,  # each is used by one thread at a time
        cached_statements=256,
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(
            "PRAGMA synchronous = NORMAL"
        )  # with WAL enough for kill -9; a power cut costs the last puts
        connection.execute("PRAGMA secure_delete = ON")  # a purged question leaves no trace in the file
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        connection.create_function("casefolded", 1, _casefolded, deterministic=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _casefolded(stored: bytes) -> bytes:
    return stored.decode("utf-8", "surrogatepass").casefold().encode("utf-8", "surrogatepass")
