"""The doctor's checks of a Redis that the store is kept in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from semcache.cli.finding import Finding, ok, warn

if TYPE_CHECKING:
    from semcache.settings import Settings
    from semcache.stores.redis.store import RedisStore

_SLOW_MS = 2.0
_LITTLE = 0.9  # of the memory it may use


def is_redis(settings: Settings) -> bool:
    return settings.store.startswith(("redis://", "rediss://"))


def redis_store(settings: Settings) -> Iterator[Finding]:
    """Raises `StoreUnavailable`, which says what is wrong, without the URL: it may hold a password."""
    from semcache.embedders.opening import open_embedder
    from semcache.opening import find_models_dir
    from semcache.stores.opening import open_store

    embedder = open_embedder(settings.embedder, models_dir=find_models_dir(settings))
    try:
        opened = open_store(settings.store, data_dir=settings.data_dir, space=embedder.fingerprint, dims=embedder.dims)
    finally:
        embedder.close()
    try:
        yield from _findings(opened)  # type: ignore[arg-type]  # as its URL says
    finally:
        opened.close()


def _findings(opened: RedisStore) -> Iterator[Finding]:
    from semcache.stores.redis.verdict import EXACT_ONLY, POLICY

    found = opened.examined()
    server = found.server
    kind = f"a cluster of {found.masters} masters" if server.is_cluster else "one server"
    yield ok("store", f"{server.version}, {kind}")
    if server.has_vectors:
        yield ok("store", "vector sets are there: similar questions are found")
    else:
        yield warn("store", f"{server.version} {EXACT_ONLY}", "use Redis 8 or newer to answer similar questions")
    if server.loses_keys:
        yield warn("store", f"maxmemory-policy is {server.policy}: {POLICY}", "set volatile-ttl or noeviction")
    else:
        yield ok("store", f"maxmemory-policy is {server.policy or 'not told'}")
    said = f"{found.latency_ms:.2f} ms for a command that does nothing"
    yield warn("store", said, "bring it nearer") if found.latency_ms > _SLOW_MS else ok("store", said)
    if found.is_durable:
        yield ok("store", "it writes every change to its append-only file")
    else:
        yield warn("store", "it keeps everything in memory only", "set appendonly yes, or a restart starts empty")
    yield _memory(found.used_bytes, found.most_bytes)
    yield from _held(opened)


def _memory(used: int, most: int) -> Finding:
    said = f"{used / 1e6:,.0f} MB used" + (f" of {most / 1e6:,.0f} MB" if most else ", without a bound")
    if most and used > _LITTLE * most:
        return warn("store", said, "raise its maxmemory, or lower SEMCACHE_MAX_BYTES")
    return ok("store", said)


def _held(opened: RedisStore) -> Iterator[Finding]:
    figures = opened.stats()
    yield ok("store", f"{figures.entries} entries, {figures.faq_entries} of them FAQ, {figures.hits} hits")
    if foreign := opened.foreign_exemplars():
        finding = f"{foreign} questions were embedded by another model and cannot be found"
        yield warn("store", finding, "run `semcache models reembed`, or start the service")
