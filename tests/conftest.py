"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import os

# One thread per pass: the machines that run this have two cores and other work.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
for variable in [name for name in os.environ if name.startswith(("SEMCACHE_", "ANTHROPIC_"))]:
    del os.environ[variable]

import pytest
from fakes import Clock
from redis_servers import old_redis, old_redis_url, redis8, redis_cluster_url, redis_nodes, redis_url  # noqa: F401 - fixtures


@pytest.fixture
def clock() -> Clock:
    return Clock()
