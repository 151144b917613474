"""What Redis' errors mean to whoever runs the store. Their texts may quote a command, prompts included: never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from semcache.errors import StoreError, StoreUnavailable

_CODE = re.compile(r"[A-Z]{3,20}\b")
_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationError, "refuses the credentials; check those in SEMCACHE_STORE"),
    (exceptions.NoPermissionError, "lacks a permission for this user; allow it all commands on its keys"),
    (exceptions.OutOfMemoryError, "is full; raise its maxmemory, or lower SEMCACHE_MAX_BYTES"),
    (exceptions.ReadOnlyError, "is a replica, which cannot be written; name the primary in SEMCACHE_STORE"),
    (exceptions.MaxConnectionsError, "is asked more at once than there are connections; it is tried again"),
    (exceptions.BusyLoadingError, "is still loading its data; it is tried again with the next request"),
    (exceptions.TimeoutError, "did not answer in time; it is tried again with the next request"),
    (exceptions.ClusterDownError, "is a cluster that does not serve all slots now; see CLUSTER INFO"),
    (exceptions.RedisClusterException, "is a cluster that cannot be reached; it is tried again with the next request"),
    (exceptions.ConnectionError, "cannot be reached; it is tried again with the next request"),
)
SILENCE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ClusterDownError,
    exceptions.RedisClusterException,
    OSError,
)
_BY_CODE = {
    "OOM": "is full; raise its maxmemory, or lower SEMCACHE_MAX_BYTES",
    "NOAUTH": "wants a password; put it into SEMCACHE_STORE",
    "WRONGPASS": "refuses the credentials; check those in SEMCACHE_STORE",
    "MISCONF": "cannot write to its disk, and takes no writes until it can; see its log",
    "NOREPLICAS": "has too few replicas to take writes; see min-replicas-to-write",
}


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn Redis' errors into `StoreError`s, without the original: tracebacks print it."""
    try:
        yield
    except (exceptions.RedisError, OSError) as error:
        raise unavailable(name, error) from None


def unavailable(name: str, error: Exception) -> StoreError:
    if isinstance(error, OSError):
        return StoreUnavailable(f"{name} cannot be reached; it is tried again with the next request")
    code = _CODE.match(str(error))
    known = None if code is None else _BY_CODE.get(code.group())
    if known is None and "OOM " in str(error):
        known = _BY_CODE["OOM"]  # from inside a script
    remedy = known or next((said for kind, said in _REMEDIES if isinstance(error, kind)), None)
    if remedy is None:
        remedy = f"answered with an error ({type(error).__name__}{'' if code is None else f' {code.group()}'})"
    return StoreUnavailable(f"{name} {remedy}")
