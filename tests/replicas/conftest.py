"""One fleet for each way in which several processes may share a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from fleets import Fleet, serving, simulating, workers_on_one_host

StartFleet = Callable[..., AbstractContextManager[Fleet]]


@contextmanager
def replicas_on(
    store: str, folder: Path, *, head_delay_seconds: float = 0.0, replicas: int = 3, **variables: str
) -> Iterator[Fleet]:
    with ExitStack() as stack:
        upstream, simulator = stack.enter_context(simulating(head_delay_seconds=head_delay_seconds))
        given = {"SEMCACHE_UPSTREAM": upstream, "SEMCACHE_AUDITS": "false", "SEMCACHE_STORE": store, **variables}
        started = [stack.enter_context(serving(folder / str(number), variables=given)) for number in range(replicas)]
        yield Fleet([url for url, _ in started], simulator, [process for _, process in started])


@pytest.fixture(params=["workers", "redis"])
def start_fleet(request: pytest.FixtureRequest, tmp_path: Path) -> StartFleet:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    def start(**options: object) -> AbstractContextManager[Fleet]:
        if url:
            return replicas_on(url, tmp_path, **options)  # type: ignore[arg-type]
        return workers_on_one_host(tmp_path, **options)  # type: ignore[arg-type]

    return start
