"""The stores that are measured, on real servers: started here, or those that URLs name."""

from __future__ import annotations

import gc
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from semcache.stores.local.store import LocalStore
from semcache.stores.memory import MemoryStore
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.redis.store import RedisStore
from semcache.stores.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import postgres_server
import redis_servers

DIMS = 384
SPACE = "benchmark"
STORES = ("memory", "local", "postgres", "redis")


@dataclass(frozen=True)
class Footprint:
    """Bytes that it takes for all it holds; None: it has no such thing."""

    memory_bytes: int | None
    disk_bytes: int | None


@dataclass(frozen=True)
class Subject:
    """A store, the emptiest question its server answers, and how much room it takes."""

    name: str
    store: Store
    ask_nothing: Callable[[], Any] | None
    footprint: Callable[[], Footprint]


@contextmanager
def server_urls(names: tuple[str, ...], given: dict[str, str | None]) -> Iterator[dict[str, str]]:
    """Where each of these stores is, for a service; a server that cannot be had is left out, and that is said."""
    with ExitStack() as stack:
        urls: dict[str, str] = {}
        for name in names:
            try:
                urls[name] = given.get(name) or stack.enter_context(_STARTERS[name]())
            except pytest.skip.Exception as missing:
                print(f"{name} is left out: {missing}", file=sys.stderr)
        yield urls


@contextmanager
def subjects(urls: dict[str, str]) -> Iterator[list[Subject]]:
    """An empty store at each of them."""
    with ExitStack() as stack:
        made = []
        for name, url in urls.items():
            subject = stack.enter_context(_OPENERS[name](url))
            stack.callback(subject.store.close)
            made.append(subject)
        yield made


# servers


@contextmanager
def _nothing() -> Iterator[str]:
    yield "memory:"


@contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"local:{folder}"


@contextmanager
def _postgres() -> Iterator[str]:
    """As it comes, durable: but for room for what is searched, which 128 MB of 1996 are not."""
    with postgres_server.running(shared_buffers="512MB", max_wal_size="2GB") as server:
        yield server.url()


@contextmanager
def _redis() -> Iterator[str]:
    """It writes what changes to disk once a second."""
    with tempfile.TemporaryDirectory() as folder:
        options = ("--appendonly", "yes", "--appendfsync", "everysec")
        server = redis_servers.RedisServer(Path(folder), redis_servers.redis8_command(), options)
        try:
            yield server.start().url
        finally:
            server.kill()


_STARTERS = {"memory": _nothing, "local": _folder, "postgres": _postgres, "redis": _redis}


# stores


@contextmanager
def _memory_store(url: str) -> Iterator[Subject]:
    before = _resident_bytes()

    def footprint() -> Footprint:
        gc.collect()
        return Footprint(max(0, _resident_bytes() - before), None)

    yield Subject("memory", MemoryStore(dims=DIMS), None, footprint)


@contextmanager
def _local_store(url: str) -> Iterator[Subject]:
    folder = Path(tempfile.mkdtemp(dir=url.removeprefix("local:")))
    store = LocalStore(folder, space=SPACE, dims=DIMS)

    def footprint() -> Footprint:
        return Footprint(store.index_bytes, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))

    yield Subject("local", store, None, footprint)


@contextmanager
def _postgres_store(url: str) -> Iterator[Subject]:
    databases = postgres_server.Databases(url)
    own = databases.create()
    try:
        with psycopg.connect(own, autocommit=True, prepare_threshold=None) as connection:

            def footprint() -> Footprint:
                (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
                (searched,) = connection.execute(_SEARCHED).fetchone() or (0,)
                return Footprint(int(searched), int(size) - empty_bytes)

            store = PostgresStore(read_address(own), space=SPACE, dims=DIMS)
            store.check()
            empty_bytes = 0
            empty_bytes = footprint().disk_bytes or 0
            yield Subject("postgres", store, lambda: connection.execute("SELECT 1").fetchone(), footprint)
    finally:
        databases.close()


# What every search reads, and so what should fit into the server's memory.
_SEARCHED = (
    "SELECT coalesce(sum(pg_relation_size(inhrelid)), 0)::bigint FROM pg_inherits "
    "WHERE inhparent = 'semcache.vectors'::regclass"
)


@contextmanager
def _redis_store(url: str) -> Iterator[Subject]:
    with redis.Redis.from_url(url, protocol=2) as client:
        before = client.info("memory")["used_memory"]

        def footprint() -> Footprint:
            log = client.info("persistence").get("aof_current_size")
            return Footprint(client.info("memory")["used_memory"] - before, log)

        store = RedisStore(redis_servers.own_keys(url), space=SPACE, dims=DIMS)
        yield Subject("redis", store, client.ping, footprint)


_OPENERS = {"memory": _memory_store, "local": _local_store, "postgres": _postgres_store, "redis": _redis_store}


def _resident_bytes() -> int:
    line = next(line for line in Path("/proc/self/status").read_text("utf-8").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
