"""One fixture for every store that keeps the contract; a new store is one more branch and one more name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock
from held_in_memory import HeldInMemory, RedisHeldInMemory
from redis_servers import RedisCluster, RedisServer, redis8_command, redis_cluster
from store_samples import DIMS, SPACE

from semcache.stores.local.store import LocalStore
from semcache.stores.local.tuning import Tuning
from semcache.stores.memory import MemoryStore
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.redis.store import RedisStore
from semcache.stores.store import Store

OpenStore = Callable[..., Store]
LOCAL_TUNINGS = {
    "local": Tuning(),
    # Every search goes through an index, and nothing is remembered.
    "local-indexed": Tuning(direct_exemplars=0, remembered_bytes=0),
}


POSTGRES_STORES = {"postgres": PostgresStore, "postgres-held": HeldInMemory}
REDIS_STORES = {
    "redis": RedisStore,
    "redis-held": RedisHeldInMemory,
    "redis-cluster": RedisStore,
    "redis-cluster-held": RedisHeldInMemory,
}
URLS = {
    **dict.fromkeys(POSTGRES_STORES, "postgres_url"),
    **{name: "redis_cluster_url" if "cluster" in name else "redis_url" for name in REDIS_STORES},
}


@pytest.fixture(
    params=[
        *("memory", *LOCAL_TUNINGS, *POSTGRES_STORES),
        *(pytest.param(name, marks=[pytest.mark.slow] if "cluster" in name else []) for name in REDIS_STORES),
    ]
)
def open_store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[OpenStore]:
    """Opens stores of one kind, on one clock; local ones share a directory, others a database or their keys."""
    opened: list[Store] = []
    url = request.getfixturevalue(URLS[request.param]) if request.param in URLS else ""

    def open_one(**options: Any) -> Store:
        if request.param == "memory":
            store: Store = MemoryStore(clock=clock, dims=DIMS, **options)
        elif request.param in POSTGRES_STORES:
            kind = POSTGRES_STORES[request.param]
            store = kind(read_address(url), space=SPACE, dims=DIMS, clock=clock, **options)
        elif request.param in URLS:
            store = REDIS_STORES[request.param](url, space=SPACE, dims=DIMS, clock=clock, **options)
        else:
            tuning = LOCAL_TUNINGS[request.param]
            store = LocalStore(tmp_path, space=SPACE, dims=DIMS, clock=clock, tuning=tuning, **options)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    return open_store()


@pytest.fixture
def open_local(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., LocalStore]]:
    """Opens local stores on one directory and one clock."""
    opened: list[LocalStore] = []

    def open_one(path: Path = tmp_path, **options: Any) -> LocalStore:
        known: dict[str, Any] = {"space": SPACE, "dims": DIMS, "clock": clock}
        opened.append(LocalStore(path, **{**known, **options}))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def open_redis() -> Iterator[Callable[..., RedisStore]]:
    """Opens stores at a URL: by the server's clock, unless another is given."""
    opened: list[RedisStore] = []

    def open_one(url: str, kind: type[RedisStore] = RedisStore, **options: Any) -> RedisStore:
        opened.append(kind(url, **{"space": SPACE, "dims": DIMS, **options}))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def open_postgres(postgres_url: str) -> Iterator[Callable[..., PostgresStore]]:
    """Opens stores on one database: as many replicas, on the server's clock unless one is given."""
    opened: list[PostgresStore] = []

    def open_one(url: str = postgres_url, kind: type[PostgresStore] = PostgresStore, **options: Any) -> PostgresStore:
        address = read_address(url)
        if "timeout_seconds" not in url:  # a busy machine is no reason to fail
            address = replace(address, timeout_seconds=30.0)
        opened.append(kind(address, **{"space": SPACE, "dims": DIMS, **options}))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that loses nothing, and may be killed."""
    options = ("--appendonly", "yes", "--appendfsync", "always")
    server = RedisServer(tmp_path / "durable", redis8_command(), options).start()
    yield server
    server.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """One whose nodes may be killed."""
    nodes = redis_cluster(tmp_path / "cluster")
    try:
        yield nodes.start()
    finally:
        nodes.kill()
