"""A `postgresql://` URL: what libpq reads of it, and what is ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from semcache.errors import SettingsError

VectorIndex = Literal["exact", "hnsw"]

CONNECT_TIMEOUT_SECONDS = 2
_OURS = "semcache_"
_MB = 1024 * 1024
# A link that has died silently is noticed by the kernel: sent data unanswered, or an idle connection's probe.
_LIVENESS = {"keepalives_idle": "15", "keepalives_interval": "5", "keepalives_count": "3", "tcp_user_timeout": "10000"}


@dataclass(frozen=True)
class Address:
    """Where the database is, and how it is used. `conninfo` may hold a password, and is never shown."""

    conninfo: str = field(repr=False)
    shown: str  # hosts and database, without user or password
    vector_index: VectorIndex = "exact"
    pool_size: int = 8
    timeout_seconds: float = 2.0  # for one call on the path of a request
    memory_bytes: int = 256 * 1024 * 1024  # of one process, for vectors that it searches itself; 0: it searches none


def read_address(url: str) -> Address:
    """Raises `SettingsError`, which never quotes the URL."""
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name.removeprefix(_OURS): value for name, value in asked if name.startswith(_OURS)}
    theirs = urlencode([(name, value) for name, value in asked if not name.startswith(_OURS)])
    given = _read_by_libpq(urlunsplit(parts._replace(query=theirs)))
    known = {"connect_timeout": str(CONNECT_TIMEOUT_SECONDS), "application_name": "semcache", **_LIVENESS}
    _check_known(ours)
    return Address(
        make_conninfo("", **{**known, **given}),
        _shown(given),
        _vector_index(ours.get("vector_index", Address.vector_index)),
        _pool_size(ours.get("pool_size", str(Address.pool_size))),
        _timeout_seconds(ours.get("timeout_seconds", str(Address.timeout_seconds))),
        _memory_bytes(ours.get("memory_mb", str(Address.memory_bytes // _MB))),
    )


def _read_by_libpq(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError:  # its text quotes the URL
        raise SettingsError(
            "store: the postgresql:// URL cannot be read; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with "
            "special characters percent-encoded"
        ) from None


def _shown(given: Mapping[str, str]) -> str:
    hosts = given.get("host", given.get("hostaddr", "")) or "the default host"
    return f"PostgreSQL at {hosts}" + (f", database {given['dbname']}" if "dbname" in given else "")


def _check_known(ours: Iterable[str]) -> None:
    known = ("vector_index", "pool_size", "timeout_seconds", "memory_mb")
    if unknown := sorted(set(ours) - set(known)):
        there_are = ", ".join(_OURS + name for name in known)
        raise SettingsError(f"store: {_OURS}{unknown[0]} is not known; there are {there_are}")


def _vector_index(value: str) -> VectorIndex:
    for known in get_args(VectorIndex):
        if value == known:
            chosen: VectorIndex = known
            return chosen
    raise SettingsError(f"store: {_OURS}vector_index is `exact` or `hnsw`, got {value!r}")


def _pool_size(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 1000:
        raise SettingsError(f"store: {_OURS}pool_size is a number of connections from 1 to 1000, got {value!r}")
    return int(value)


def _timeout_seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 600:
        raise SettingsError(f"store: {_OURS}timeout_seconds is from 0.01 to 600, got {value!r}")
    return seconds


def _memory_bytes(value: str) -> int:
    if not value.isdecimal() or int(value) > 1_000_000:
        raise SettingsError(f"store: {_OURS}memory_mb is from 0 to 1000000, got {value!r}")
    return int(value) * _MB
