"""The library's face: SemanticCache for blocking code, AsyncSemanticCache for event loops, one core."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from semcache.drivers import arun, on_threads, run
from semcache.exchange import Answer, Call
from semcache.library import DEFAULT_MAX_TOKENS, DEFAULT_MODEL, SIMULATOR, Curating, Parts
from semcache.message import Message
from semcache.portal import Portal
from semcache.request import Json, Request
from semcache.settings import Settings

if TYPE_CHECKING:
    from semcache.batches.running import Asking, BatchResults, OnProgress

__all__ = ["DEFAULT_MAX_TOKENS", "DEFAULT_MODEL", "SIMULATOR", "AsyncSemanticCache", "Parts", "SemanticCache"]


class SemanticCache(Curating):
    """The cache for blocking code; safe to share between threads.

    >>> with SemanticCache(upstream="simulator") as cache:
    ...     print(cache.ask("How do I reset my password?").message.text)
    """

    def __init__(self, settings: Settings | None = None, *, portal: Portal | None = None, **options: Any) -> None:
        """Options are those of `Parts`; `portal` is where the event loop runs: on a thread of its own, if not given."""
        self.parts = Parts(settings, **options)
        self.portal = portal or Portal()
        self.flights = self.parts.flights()
        self.advance = on_threads(self.parts.assembly.executor)
        self.parts.learn_with(self._send)

    def ask(self, question: str | Sequence[Json], **options: Any) -> Answer:
        """Answer from memory where that is known to be right, else from Claude. Raises `SemcacheError`."""
        return self.answer(self.parts.request(question, **options))

    def answer(self, request: Request) -> Answer:
        """Answer a request that is already in Claude's form."""
        exchange = self.parts.assembly.forward(request)
        return run(exchange, lambda call: self.portal.enter(self.flights.carry(call)))

    def batch(
        self, requests: Iterable[Asking], *, on_progress: OnProgress | None = None, **options: Any
    ) -> BatchResults:
        """Answer requests that can wait: from memory, else in batches at half price; blocks until all have ended.

        A request is `{"custom_id", "params"}` as in Claude's API, or a prompt; the options of `ask` are defaults for
        all. Iterate over the results, in the order of the requests. Raises `SemcacheError`.
        """
        from semcache.batches.running import run_batch  # a tenth of the time that importing us takes

        like = self.parts.request("", **options)
        work = run_batch(self.parts.assembly, self.flights, requests, like=like, on_progress=on_progress)
        return self.portal.call(work)

    def _send(self, call: Call) -> Message:
        with self.portal.enter(self.flights.carry(call)) as message:
            return message

    def close(self) -> None:
        """Write what is buffered and close. May be called twice."""
        self.parts.assembly.learning.stop()
        if self.portal.is_open:
            self.portal.call(self.parts.upstream.aclose())
        self.portal.close()
        self.parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncSemanticCache(Curating):
    """The cache for one event loop. Lookups run on worker threads; `lookup` itself blocks for about a millisecond."""

    def __init__(self, settings: Settings | None = None, **options: Any) -> None:
        self.parts = Parts(settings, **options)
        self.flights = self.parts.flights()
        self.advance = on_threads(self.parts.assembly.executor)

    async def ask(self, question: str | Sequence[Json], **options: Any) -> Answer:
        """Answer from memory where that is known to be right, else from Claude. Raises `SemcacheError`."""
        return await self.answer(self.parts.request(question, **options))

    async def answer(self, request: Request) -> Answer:
        """Answer a request that is already in Claude's form."""
        self.parts.learn_in_this_loop(self.flights)
        return await arun(self.parts.assembly.forward(request), self.flights.carry, self.advance)

    async def batch(
        self, requests: Iterable[Asking], *, on_progress: OnProgress | None = None, **options: Any
    ) -> BatchResults:
        """Answer requests that can wait: see `SemanticCache.batch`. Iterating over the results reads from the store."""
        from semcache.batches.running import run_batch

        self.parts.learn_in_this_loop(self.flights)
        like = self.parts.request("", **options)
        return await run_batch(self.parts.assembly, self.flights, requests, like=like, on_progress=on_progress)

    async def aclose(self) -> None:
        """Write what is buffered and close. May be called twice."""
        await asyncio.to_thread(self.parts.assembly.learning.stop)
        await self.parts.upstream.aclose()
        self.parts.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
