"""What PostgreSQL's errors mean to whoever runs the store. Their own texts may quote rows, so none is passed on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from semcache.errors import StoreError, StoreUnavailable

_REMEDIES: tuple[tuple[type[psycopg.Error], str], ...] = (
    (errors.DiskFull, "its disk is full; free some space, and the store goes on by itself"),
    (errors.OutOfMemory, "it is out of memory"),
    (
        errors.ReadOnlySqlTransaction,
        "it is a standby, or read-only; name all hosts and target_session_attrs=read-write",
    ),
    (errors.QueryCanceled, "it took too long; raise semcache_timeout_seconds, or give the server more room"),
    (errors.TooManyConnections, "it has no connection left; put PgBouncer before it, or lower semcache_pool_size"),
    (errors.InsufficientPrivilege, "this user may not do this; make it the owner of the database's schema"),
    (errors.DeadlockDetected, "two transactions waited for each other; it is tried again with the next request"),
    (errors.InvalidPassword, "the password is wrong"),
    (errors.InvalidAuthorizationSpecification, "this user may not connect"),
    (errors.InvalidCatalogName, "there is no such database; create it"),
    (errors.UndefinedTable, "its tables are gone; restore them, or empty the database and restart"),
    (errors.UndefinedFunction, "its functions are gone; restore all of the schema semcache, not its tables alone"),
)


class NoAnswer(psycopg.OperationalError):
    """The server has not answered in time, and may never."""


class NoConnection(psycopg.OperationalError):
    """All connections are in use, and none was given back in time."""


@contextmanager
def explained(shown: str) -> Iterator[None]:
    """Turn psycopg's errors into `StoreError`s that name the server and hold nothing that was sent to it."""
    try:
        yield
    except psycopg.Error as error:
        raise _explanation(shown, error) from None  # a chained error would be logged with the rows it quotes
    except UnicodeEncodeError:
        raise StoreError(f"{shown}: a name or tag is not valid Unicode (lone surrogate)") from None


def _explanation(shown: str, error: psycopg.Error) -> StoreError:
    if isinstance(error, psycopg.DataError) and error.sqlstate is None:
        return StoreError(f"{shown}: a name or tag holds a character that PostgreSQL refuses (NUL)")
    return StoreUnavailable(f"{shown}: {_said(error)}")


def _said(error: psycopg.Error) -> str:
    for kind, remedy in _REMEDIES:
        if isinstance(error, kind):
            return remedy
    if isinstance(error, NoAnswer | NoConnection):
        return str(error)
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return _reason(error)
    return f"{type(error).__name__} ({error.sqlstate})"


def _reason(error: psycopg.OperationalError) -> str:
    """Why there is no connection: libpq names hosts, users and databases, never a password or a row."""
    said = " ".join(str(error).split())
    return f"no connection ({said[:300]})" if said else "no connection"
