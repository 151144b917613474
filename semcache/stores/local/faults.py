"""What SQLite's errors mean to whoever runs the store: what happened, to which file, and the remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semcache.errors import StoreError, StoreUnavailable

_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, and the store goes on by itself",
    sqlite3.SQLITE_BUSY: "another process holds its lock; it is tried again with the next request",
    sqlite3.SQLITE_LOCKED: "another connection holds its lock; it is tried again with the next request",
    sqlite3.SQLITE_CORRUPT: "the file is damaged and nothing was deleted; restore it from a backup, or move it away "
    "to start empty",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database and nothing was deleted; restore it from a backup, or "
    "move it away to start empty",
    sqlite3.SQLITE_READONLY: "it cannot be written; give this user write permission on the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the directory exists and that this user may write in it",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; check it, and the space left on it",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about this file into `StoreError`s."""
    try:
        yield
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    except UnicodeEncodeError as error:
        raise StoreError(f"{path}: a name or tag is not valid Unicode (lone surrogate)") from error


def unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    # Python raises some errors of its own (a closed connection) without a code.
    code = getattr(error, "sqlite_errorcode", None)
    remedy = None if code is None else _REMEDIES.get(code & 0xFF)
    return StoreUnavailable(f"{path}: {remedy or error}")
