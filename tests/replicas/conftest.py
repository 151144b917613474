"""One fleet for each way in which several processes may share a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import postgres_server
import pytest
from fleets import Fleet, fleet_of
from redis_servers import RedisServer, redis8_command

StartFleet = Callable[..., AbstractContextManager[Fleet]]


@pytest.fixture(params=["workers", "postgres", "redis"])
def start_fleet(request: pytest.FixtureRequest, tmp_path: Path) -> StartFleet:
    url = None if request.param == "workers" else request.getfixturevalue(f"{request.param}_url")

    def start(**options: object) -> AbstractContextManager[Fleet]:
        return fleet_of(tmp_path, url, **options)  # type: ignore[arg-type]

    return start


@pytest.fixture(params=["postgres", "redis"])
def mortal_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[str, postgres_server.Server | RedisServer]]:
    """A server of the test's own, to be killed and started again, and the URL of a store in it."""
    if request.param == "postgres":
        with postgres_server.running() as server:
            yield server.url(), server
        return
    redis = RedisServer(tmp_path / "redis", redis8_command(), ("--appendonly", "yes", "--appendfsync", "always"))
    try:
        yield redis.start().url, redis
    finally:
        redis.kill()
