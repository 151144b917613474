"""One fleet for each way in which several processes may share a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import postgres_server
import pytest
from fleets import Fleet, Replica, running, simulating
from redis_servers import RedisServer, redis8_command
from worlds import ANSWERS

StartFleet = Callable[..., AbstractContextManager[Fleet]]
REPLICAS = 3


@contextmanager
def fleet_of(
    folder: Path,
    store: str | None,
    *,
    head_delay_seconds: float = 0.0,
    batch_seconds: float = 0.5,
    answers: Mapping[str, str] = ANSWERS,
    **variables: str,
) -> Iterator[Fleet]:
    """Replicas that share the store; None: workers on this host, behind one port."""
    with ExitStack() as stack:
        simulated = simulating(answers=answers, batch_seconds=batch_seconds, head_delay_seconds=head_delay_seconds)
        upstream, simulator = stack.enter_context(simulated)
        given = {"SEMCACHE_UPSTREAM": upstream, "SEMCACHE_AUDITS": "false", **variables}
        if store is None:
            replicas = [Replica(folder, given, ("--workers", str(REPLICAS)))]
        else:
            given["SEMCACHE_STORE"] = store
            replicas = [Replica(folder / str(number), given) for number in range(REPLICAS)]
        stack.enter_context(running(*replicas))
        urls = [replica.url for replica in replicas] * (REPLICAS // len(replicas))
        yield Fleet(urls, simulator, upstream, replicas)


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
