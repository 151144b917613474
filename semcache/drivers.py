"""Run an exchange: sync, async, or as a live stream. Drivers hold no rule about caching."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import CancelledError, Executor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import TypeVar

from semcache.errors import UpstreamError, UpstreamTorn
from semcache.exchange import Answer, Call, Exchange
from semcache.flight import Head
from semcache.flights import Flights, Passage
from semcache.message import Message

T = TypeVar("T")
Carry = Callable[[Call], AbstractContextManager[Message]]  # left only when the exchange has moved on
ACarry = Callable[[Call], AbstractAsyncContextManager[Message]]
Advance = Callable[[Callable[[], Call | Answer]], Awaitable[Call | Answer]]


def begin(exchange: Exchange) -> Call | Answer:
    """Advance to the first call, or to the answer where none is needed."""
    return _advanced(lambda: next(exchange))


def resume(exchange: Exchange, outcome: Message | UpstreamError) -> Call | Answer:
    """Advance past a call: send what came back, or throw what went wrong."""
    if isinstance(outcome, Message):
        return _advanced(lambda: exchange.send(outcome))
    return _advanced(lambda: exchange.throw(outcome))


def run(exchange: Exchange, carry: Carry, *, step: Call | Answer | None = None) -> Answer:
    """Drive to the answer in this thread."""
    try:
        step = step or begin(exchange)
        while isinstance(step, Call):
            step = _carried(exchange, step, carry)
        return step
    finally:
        exchange.close()


async def arun(exchange: Exchange, carry: ACarry, advance: Advance, *, step: Call | Answer | None = None) -> Answer:
    """Drive to the answer; `advance` decides on which thread the exchange does its own work."""
    try:
        step = step or await advance(lambda: begin(exchange))
        while isinstance(step, Call):
            step = await _acarried(exchange, step, carry, advance)
        return step
    finally:
        exchange.close()


async def astream(
    exchange: Exchange, flights: Flights, advance: Advance, *, step: Call | Answer | None = None
) -> Answer | Live:
    """Drive until the first bytes are on their way: an answer from memory, or a live stream."""
    try:
        step = step or await advance(lambda: begin(exchange))
        while isinstance(step, Call):
            if step.is_tentative:
                step = await _acarried(exchange, step, flights.carry, advance)
                continue
            call, passage = step, await flights.board(step)
            try:
                head = await passage.head()
            except UpstreamError as error:
                await passage.leave()
                step = await advance(partial(resume, exchange, error))
            except BaseException:
                await passage.leave()
                raise
            else:
                return Live(exchange, call, passage, head, advance)
    except BaseException:
        exchange.close()
        raise
    return step


class Live:
    """An answer that is still arriving. Iterate `chunks()` to the end, or `aclose()`."""

    def __init__(self, exchange: Exchange, call: Call, passage: Passage, head: Head, advance: Advance) -> None:
        self.call = call
        self.head = head
        self.answer: Answer | None = None
        self._exchange = exchange
        self._passage = passage
        self._advance = advance

    @property
    def coalesced(self) -> bool:
        return self._passage.is_follower

    async def chunks(self, *, ping_seconds: float | None = None) -> AsyncIterator[bytes]:
        """The bytes as they arrive. At the end the exchange has been finished and `answer` is set.

        Whoever stops early closes the exchange at its yield, so half an answer is never stored.
        """
        try:
            async for chunk in self._passage.chunks(ping_seconds=ping_seconds):
                yield chunk
            outcome = await self._passage.outcome()
            try:
                step = await self._advance(lambda: resume(self._exchange, outcome))
            except UpstreamError:
                return  # its bytes have gone to the client as they came
            if isinstance(step, Answer):  # a second call could not reach the client any more
                self.answer = step
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Hang up. May be called more than once."""
        self._exchange.close()
        await self._passage.leave()


async def inline(work: Callable[[], T]) -> T:
    """An `advance` that does the work where it stands: for tests, and loops that serve nobody else."""
    return work()


def on_threads(executor: Executor) -> Callable[[Callable[[], T]], Awaitable[T]]:
    """An `advance` on worker threads.

    A cancelled request still waits for its thread: leaving while the thread is inside the generator
    would make closing it raise "generator already executing".
    """

    async def advance(work: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(executor, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                try:
                    await asyncio.wait([future])
                except asyncio.CancelledError:
                    continue
            future.exception()  # seen: it is no longer anyone's answer
            raise

    return advance


def blocking_send(flights: Flights, loop: asyncio.AbstractEventLoop) -> Callable[[Call], Message]:
    """A way to ask upstream from a thread that is not the loop's. Raises `UpstreamError`."""

    async def carried(call: Call) -> Message:
        async with flights.carry(call) as message:
            return message

    def send(call: Call) -> Message:
        try:
            return asyncio.run_coroutine_threadsafe(carried(call), loop).result()
        except (RuntimeError, CancelledError) as error:  # the loop is gone
            raise UpstreamTorn("the event loop was closed") from error

    return send


def _carried(exchange: Exchange, call: Call, carry: Carry) -> Call | Answer:
    try:
        passage = carry(call)
        message = passage.__enter__()
    except UpstreamError as error:
        return resume(exchange, error)
    try:
        return resume(exchange, message)
    finally:
        passage.__exit__(None, None, None)


async def _acarried(exchange: Exchange, call: Call, carry: ACarry, advance: Advance) -> Call | Answer:
    passage = carry(call)
    try:
        message = await passage.__aenter__()
    except UpstreamError as error:
        return await advance(partial(resume, exchange, error))
    try:
        return await advance(lambda: resume(exchange, message))
    finally:
        await passage.__aexit__(None, None, None)


def _advanced(move: Callable[[], Call]) -> Call | Answer:
    try:
        return move()
    except StopIteration as stop:
        answer: Answer = stop.value
        return answer
