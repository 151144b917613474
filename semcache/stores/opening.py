"""Open the store that a URL names."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from semcache.errors import SettingsError
from semcache.stores.limits import Limits
from semcache.stores.store import Store

Clock = Callable[[], float]


def open_store(  # noqa: PLR0913 - what a store is made of
    url: str,
    *,
    data_dir: Path,
    space: str,
    dims: int,
    clock: Clock = time.time,
    limits: Limits | None = None,
    is_shared: bool = False,
) -> Store:
    """`local:` (in `data_dir`), `local:DIRECTORY`, `memory:` (gone at exit), or `redis://…` and `rediss://…`.

    `space` is the embedding model's fingerprint; `is_shared`: other processes of the service have the store open too.
    A store behind a network opens though its server is away, and goes by the server's clock. Raises `SettingsError`
    for another URL or a missing package, `StoreError` where the store cannot be opened.
    """
    limits = limits if limits is not None else Limits()
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "local":
        from semcache.stores.local.store import LocalStore

        directory = Path(rest) if rest else data_dir
        return LocalStore(directory, space=space, dims=dims, clock=clock, limits=limits, is_shared=is_shared)
    if url == "memory:":
        from semcache.stores.memory import MemoryStore

        return MemoryStore(clock=clock, limits=limits, dims=dims)
    if colon and scheme in ("redis", "rediss"):
        own_clock = None if clock is time.time else clock
        return _open_redis(url, space=space, dims=dims, clock=own_clock, limits=limits)
    named = f"{scheme}:" if colon else repr(url)  # never the rest: it may hold a password
    raise SettingsError(f"store: {named} is not a store; use `local:`, `local:DIRECTORY`, `memory:` or `redis://…`")


def _open_redis(url: str, *, space: str, dims: int, clock: Clock | None, limits: Limits) -> Store:
    try:
        from semcache.stores.redis.store import RedisStore
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "redis":
            raise
        raise SettingsError("store: redis:// needs a package; pip install 'semcache[redis]'") from error
    return RedisStore(url, space=space, dims=dims, clock=clock, limits=limits)
