"""Redis against the brute-force store, over any sequence of operations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from redis_servers import own_keys
from store_samples import SPACE
from test_store_oracle import DIMS, SideBySide

from semcache.stores.redis.store import RedisStore


class SideBySideRedis(SideBySide):
    """Every example has keys of its own; what is opened again finds them."""

    url = ""

    def __init__(self) -> None:
        self.own_url = own_keys(self.url)
        super().__init__()

    def opened(self) -> RedisStore:
        return RedisStore(self.own_url, space=SPACE, dims=DIMS, clock=self.clock, limits=self.limits)


SideBySideRedis.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(autouse=True)
def _a_server(redis8: str) -> Iterator[None]:
    SideBySideRedis.url = redis8
    yield
    SideBySideRedis.url = ""


TestSideBySideRedis = pytest.mark.slow(pytest.mark.timeout(300)(SideBySideRedis.TestCase))
