"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import contextlib
import os

# One thread per pass: the machines that run this have two cores and other work.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
for variable in [name for name in os.environ if name.startswith(("SEMCACHE_", "ANTHROPIC_"))]:
    del os.environ[variable]

from collections.abc import Iterator

import postgres_server
import pytest
from fakes import Clock
from redis_servers import old_redis, old_redis_url, redis8, redis_cluster_url, redis_nodes, redis_url  # noqa: F401 - fixtures


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[postgres_server.Databases]:
    """A server for whatever needs a database."""
    with contextlib.ExitStack() as stack:
        dsn = (
            os.environ.get("TEST_PG_DSN") or stack.enter_context(postgres_server.running(**postgres_server.HASTE)).url()
        )
        databases = postgres_server.Databases(dsn)
        stack.callback(databases.close)
        yield databases


@pytest.fixture
def postgres_url(postgres_databases: postgres_server.Databases) -> Iterator[str]:
    """A database of this test's own, and empty."""
    url = postgres_databases.take()
    yield url
    postgres_databases.give_back(url)
