"""The worker threads of one event loop, and how much they have to do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from semcache.drivers import on_threads

T = TypeVar("T")


class WorkerThreads:
    """Does short work on threads. `tasks` beyond `threads` are waiting for one."""

    def __init__(self, executor: Executor, *, threads: int) -> None:
        self.threads = threads
        self.tasks = 0
        self._advance = on_threads(executor)

    async def advance(self, work: Callable[[], T]) -> T:
        """The result of `work`, done on a thread; see `drivers.on_threads`."""
        self.tasks += 1
        try:
            return await self._advance(work)
        finally:
            self.tasks -= 1
