"""Moving house to Redis and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fakes import Clock
from test_moving import DIMS, contents, filled, moved

from semcache.stores.local.store import LocalStore
from semcache.stores.memory import MemoryStore
from semcache.stores.redis.store import RedisStore


def test_everything_moves_to_redis_and_back(
    open_redis: Callable[..., RedisStore], redis_url: str, tmp_path: Path, clock: Clock
) -> None:
    local = LocalStore(tmp_path, space="space", dims=DIMS, clock=clock)
    try:
        filled(local)
        redis = open_redis(redis_url, space="space", dims=DIMS, clock=clock)
        back = MemoryStore(clock=clock, dims=DIMS)
        moved(local, redis)
        moved(redis, back)
        assert contents(redis) == contents(local)
        assert contents(back) == contents(local)
    finally:
        local.close()
