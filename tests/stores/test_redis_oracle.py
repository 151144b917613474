"""Redis against the brute-force store, over any sequence of operations."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from held_in_memory import RedisHeldInMemory
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, rule
from redis_servers import own_keys
from store_samples import SPACE
from test_store_oracle import DIMS, AskingAFollower, SideBySide

from semcache.stores.redis.store import RedisStore


class SideBySideRedis(SideBySide):
    """Every example has keys of its own; what is opened again finds them."""

    url = ""
    kind: type[RedisStore] = RedisStore

    def __init__(self) -> None:
        self.own_url = own_keys(self.url)
        self.known: dict[int, int] = {}  # ids of the brute-force store, and what they are called in Redis
        super().__init__()

    def opened(self) -> RedisStore:
        return self.kind(self.own_url, space=SPACE, dims=DIMS, clock=self.clock, limits=self.limits)

    @invariant()
    def name_exemplars(self) -> None:
        told = [sorted(each.id for _, some in store.scan() for each in some) for store in self.stores]
        self.known |= dict(zip(*told, strict=True))

    @rule(ids=st.lists(st.integers(1, 60), max_size=3))
    def remove_exemplars(self, ids) -> None:
        removed = self.oracle.remove_exemplars(ids)
        assert self.local.remove_exemplars([self.known.get(each, each) for each in ids]) == removed


class SideBySideRedisHeld(AskingAFollower, SideBySideRedis):
    """Which holds the vectors in memory."""

    kind: type[RedisStore] = RedisHeldInMemory


for machine in (SideBySideRedis, SideBySideRedisHeld):
    machine.TestCase.settings = settings(
        max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


@pytest.fixture(autouse=True)
def _a_server(redis8: str) -> Iterator[None]:
    SideBySideRedis.url = redis8
    yield
    SideBySideRedis.url = ""


TestSideBySideRedis = pytest.mark.slow(pytest.mark.timeout(300)(SideBySideRedis.TestCase))
TestSideBySideRedisHeld = pytest.mark.slow(pytest.mark.timeout(300)(SideBySideRedisHeld.TestCase))
