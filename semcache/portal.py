"""An event loop on a thread of its own, so that blocking callers use the same async core."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """Runs coroutines for threads that may block. The loop starts with the first of them."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        return self._loop is not None

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end; an interrupt of the waiting thread cancels the work."""
        future = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @contextmanager
    def enter(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """An async context manager, entered and left from this thread."""
        value = self.call(_awaited(manager.__aenter__()))
        try:
            yield value
        finally:
            self.call(_awaited(manager.__aexit__(None, None, None)))

    def iterate(self, values: AsyncIterator[T]) -> Iterator[T]:
        """An async iterator, from this thread; closing it early closes the async one."""
        try:
            while (value := self.call(_next_or_end(values))) is not _END:
                yield value  # type: ignore[misc]
        finally:
            close = getattr(values, "aclose", None)
            if close is not None:
                self.call(close())

    def close(self) -> None:
        """Stop the loop. The next call starts another."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run_forever, args=(self._loop,), name="semcache-portal", daemon=True).start()
            return self._loop


class CallersPortal(Portal):
    """Runs coroutines on whichever thread calls, one at a time: no thread is woken, but nothing goes on between calls.

    For callers that never wait for each other, and an upstream that keeps nobody waiting: rehearsals.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        with self._turn:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            return self._loop.run_until_complete(work)

    def close(self) -> None:
        with self._turn:
            loop, self._loop = self._loop, None
            if loop is not None:
                _run_down(loop)


_END = object()


async def _next_or_end(values: AsyncIterator[T]) -> T | object:
    try:
        return await anext(values)
    except StopAsyncIteration:
        return _END


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        _run_down(loop)


def _run_down(loop: asyncio.AbstractEventLoop) -> None:
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.wait(pending))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
