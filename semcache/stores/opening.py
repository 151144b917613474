"""Open the store that a URL names."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from semcache.errors import SettingsError, StoreUnavailable
from semcache.stores.limits import Limits
from semcache.stores.store import Store

logger = logging.getLogger(__name__)

Clock = Callable[[], float]


def open_store(  # noqa: PLR0913 - what a store is made of
    url: str,
    *,
    data_dir: Path,
    space: str,
    dims: int,
    clock: Clock | None = None,
    limits: Limits | None = None,
    is_shared: bool = False,
) -> Store:
    """`local:` (in `data_dir`), `local:DIRECTORY`, `memory:` (gone at exit), `postgresql://…` or `redis://…`.

    `space` is the embedding model's fingerprint; `is_shared`: other processes of the service have a local store open
    too. Without a `clock`, a store that others share goes by its server's, others by this host's. Raises
    `SettingsError` for another URL or a missing package, `StoreError` where the store cannot be opened; a server that
    is only away is used as soon as it is there.
    """
    limits = limits if limits is not None else Limits()
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "local":
        from semcache.stores.local.store import LocalStore

        directory = Path(rest) if rest else data_dir
        return LocalStore(
            directory, space=space, dims=dims, clock=clock or time.time, limits=limits, is_shared=is_shared
        )
    if url == "memory:":
        from semcache.stores.memory import MemoryStore

        return MemoryStore(clock=clock or time.time, limits=limits, dims=dims)
    if scheme in ("postgresql", "postgres"):
        return _open_postgres(url, space=space, dims=dims, clock=clock, limits=limits)
    if scheme in ("redis", "rediss"):
        return _open_redis(url, space=space, dims=dims, clock=clock, limits=limits)
    named = f"{scheme}:" if colon else repr(url)  # never the rest: it may hold a password
    raise SettingsError(
        f"store: {named} is not a store; use `local:`, `local:DIRECTORY`, `memory:`, `postgresql://…` or `redis://…`"
    )


def _open_postgres(url: str, *, space: str, dims: int, clock: Clock | None, limits: Limits) -> Store:
    try:
        from semcache.stores.postgres.address import read_address
        from semcache.stores.postgres.store import PostgresStore
    except ImportError as error:
        raise SettingsError(
            "store: packages for PostgreSQL are missing; run: pip install 'semcache[postgres]'"
        ) from error
    store = PostgresStore(read_address(url), space=space, dims=dims, clock=clock, limits=limits)
    try:
        store.check()
    except StoreUnavailable as error:
        logger.warning("the store is away, and used as soon as it is there: %s", error)
    except BaseException:
        store.close()
        raise
    return store


def _open_redis(url: str, *, space: str, dims: int, clock: Clock | None, limits: Limits) -> Store:
    try:
        from semcache.stores.redis.store import RedisStore
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "redis":
            raise
        raise SettingsError("store: redis:// needs a package; pip install 'semcache[redis]'") from error
    return RedisStore(url, space=space, dims=dims, clock=clock, limits=limits)
