"""A Redis server examined for its operator."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from semcache.stores.redis.link import Link, Server

_PINGS = 21


@dataclass(frozen=True)
class Examination:
    """What was found. `nodes` differ in nothing that is told here but their memory, which is added up."""

    server: Server
    latency_ms: float  # of a command that does nothing: the median
    is_durable: bool  # it writes what it is told to a file
    used_bytes: int
    most_bytes: int  # 0: no bound
    masters: int


def examine(link: Link) -> Examination:
    """Raises `StoreUnavailable`."""
    server = link.server
    told = link.info()
    return Examination(
        server,
        statistics.median(_ping_ms(link) for _ in range(_PINGS)),
        is_durable=all(_writes(each) for each in told),
        used_bytes=sum(int(each.get("used_memory", 0)) for each in told),
        most_bytes=sum(int(each.get("maxmemory", 0)) for each in told),
        masters=len(told),
    )


def _ping_ms(link: Link) -> float:
    start = time.perf_counter()
    link.send("GET", f"{link.prefix}:ping")
    return (time.perf_counter() - start) * 1e3


def _writes(told: dict[str, object]) -> bool:
    """Every write goes to a log; a snapshot now and then would lose minutes."""
    return told.get("aof_enabled") == 1
