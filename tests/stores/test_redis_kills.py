"""Redis killed with `kill -9`: what was acknowledged is there afterwards, or the loss is the one that is documented."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from redis_servers import RedisCluster, RedisServer
from store_samples import SCOPE, embedding, entry, exemplar, put

from semcache.entry import Scope
from semcache.errors import Overtaken, StoreError, StoreUnavailable
from semcache.stores.leases import Held, Lease
from semcache.stores.redis.store import RedisStore
from semcache.stores.store import Guard, Selection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
OpenRedis = Callable[..., RedisStore]
EAST = embedding(1)


class Writers:
    """Threads that put until they are told to stop, and note what was acknowledged."""

    def __init__(self, store: RedisStore, scopes: list[Scope], *, count: int = 3) -> None:
        self.acknowledged: list[tuple[Scope, str]] = []
        self.refused = 0
        self._store, self._scopes = store, scopes
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(name,)) for name in "abcdefgh"[:count]]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def until(self, count: int) -> None:
        end = time.monotonic() + 120
        while len(self.acknowledged) < count:
            assert time.monotonic() < end
            time.sleep(0.01)

    def _work(self, name: str) -> None:
        number = 0
        while not self._stopped.is_set():
            number += 1
            scope, key = self._scopes[number % len(self._scopes)], f"{name}{number}"
            made = entry(key, scope=scope)
            try:
                self._store.put(made, [exemplar(made, EAST)])
            except StoreError:
                self.refused += 1
                time.sleep(0.02)
            else:
                self.acknowledged.append((scope, key))


def eventually(act: Callable[[], object], *, seconds: float = 60.0) -> object:
    end = time.monotonic() + seconds
    while True:
        try:
            return act()
        except StoreUnavailable:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_redis_killed_while_it_writes_keeps_all_that_it_acknowledged(
    open_redis: OpenRedis, durable: RedisServer
) -> None:
    store = open_redis(durable.url)
    writers = Writers(store, [SCOPE])
    writers.until(200)
    durable.kill()
    writers.stop()
    durable.start()
    eventually(lambda: store.get_exact(SCOPE, "a1"))
    assert [key for scope, key in writers.acknowledged if store.get_exact(scope, key) is None] == []
    listed, cursor = set(), None
    while True:
        page = store.page(Selection(), limit=100, cursor=cursor)
        listed |= {each.key for each in page.entries}
        if (cursor := page.next_cursor) is None:
            break
    assert {key for _, key in writers.acknowledged} <= listed
    assert store.delete(Selection()) >= len(writers.acknowledged)
    assert store.stats().entries == 0
    assert store.nearest(SCOPE, EAST) == []


def test_leases_and_generations_survive_a_killed_redis(open_redis: OpenRedis, durable: RedisServer) -> None:
    store = open_redis(durable.url)
    lease, before = store.leases.acquire("flight", "one", seconds=600), store.generation(SCOPE)
    store.delete(Selection(namespace=SCOPE.namespace))
    durable.kill()
    durable.start()
    assert eventually(lambda: store.leases.acquire("flight", "two", seconds=600)) == Held("one", 1)
    with pytest.raises(Overtaken):
        store.put(entry(), guard=Guard(generation=before))
    assert isinstance(lease, Lease)
    assert store.put(entry(), guard=Guard(lease=lease)).key == "k1"


def test_a_redis_cluster_survives_the_kill_of_a_master(open_redis: OpenRedis, cluster: RedisCluster) -> None:
    """Replication is asynchronous: of what was acknowledged in the last moment some may be lost, and nothing else."""
    store = open_redis(cluster.url)
    scopes = [Scope("shop", f"{number:064x}") for number in range(12)]
    writers = Writers(store, scopes)
    writers.until(300)
    before = list(writers.acknowledged)
    time.sleep(1)  # replicas are milliseconds behind
    cluster.masters()[0].kill()
    count = len(writers.acknowledged)
    writers.until(count + 300)
    writers.stop()
    assert [key for scope, key in before if eventually(lambda s=scope, k=key: store.get_exact(s, k)) is None] == []
    lost = [key for scope, key in writers.acknowledged if store.get_exact(scope, key) is None]
    assert len(lost) <= 0.05 * len(writers.acknowledged)
    for scope in scopes:
        assert {each.entry.scope for each in store.nearest(scope, EAST)} == {scope}
    made = put(store, "after", EAST)
    assert store.get_exact(SCOPE, "after") == made
    removed = eventually(lambda: store.delete(Selection(namespace="shop")))
    assert removed > 0
    assert all(store.get_exact(scope, key) is None for scope, key in writers.acknowledged)


def test_a_replica_that_died_leaves_the_charge_of_batches_to_another(open_redis: OpenRedis, redis_url: str) -> None:
    dead, other = open_redis(redis_url).batches, open_redis(redis_url).batches
    for each in (dead, other):
        each._charge._seconds = 1.0
    assert dead.take_charge()
    time.sleep(1.5)
    assert not other.take_charge()  # it is renewed
    dead._charge._renewal[1].set()  # as death would: nobody renews it
    end = time.monotonic() + 30
    while not other.take_charge():
        assert time.monotonic() < end
        time.sleep(0.05)
    with pytest.raises(StoreUnavailable, match="charge"):
        dead._charge.check()
    other.leave_charge()
