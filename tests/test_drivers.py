"""Running an exchange: sync, async, as a live stream."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from fakes import FakeUpstream, Reply, message, request

from semcache.drivers import Live, arun, astream, inline, on_threads, run
from semcache.entry import Bypass
from semcache.errors import UpstreamError, UpstreamStatus, UpstreamTorn
from semcache.exchange import Answer, Call, Exchange, relabelled, send_upstream, stack
from semcache.flights import Flights
from semcache.message import Message
from semcache.request import Request


def escalating(request: Request) -> Exchange:
    """Ask twice: the second answer counts."""
    yield Call(request)
    second = yield Call(request)
    return Answer(second, Bypass("test"))


def forgiving(request: Request) -> Exchange:
    try:
        yield Call(request)
    except UpstreamError:
        return Answer(message("a fallback"), Bypass("test"))
    return Answer(message("unused"), Bypass("test"))


@contextmanager
def carried(call: Call) -> Iterator[Message]:
    yield message(str(call.request.messages[0]["content"]))


@contextmanager
def refused(call: Call) -> Iterator[Message]:
    raise UpstreamStatus(529, (), b"")
    yield message()


def test_the_sync_driver_carries_every_call() -> None:
    assert run(escalating(request("twice")), carried).message.text == "twice"


@pytest.mark.parametrize("driver", ["sync", "async"])
def test_an_upstream_error_is_thrown_into_the_exchange(driver: str) -> None:
    if driver == "sync":
        answer = run(forgiving(request()), refused)
    else:
        flights = Flights
        upstream = FakeUpstream(lambda body: Reply(status=529))
        answer = asyncio.run(_arun(forgiving(request()), upstream, flights))
    assert answer.message.text == "a fallback"


async def _arun(exchange: Exchange, upstream: FakeUpstream, flights: type[Flights]) -> Answer:
    return await arun(exchange, flights(upstream).carry, inline)


def test_an_uncaught_upstream_error_leaves_the_driver() -> None:
    with pytest.raises(UpstreamStatus):
        run(send_upstream(request()), refused)


def test_an_exchange_that_needs_no_call_is_an_answer_at_once() -> None:
    def remembered(request: Request) -> Exchange:
        return Answer(message("from memory"), Bypass("test"))
        yield Call(request)

    assert run(remembered(request()), refused).message.text == "from memory"
    flights = Flights(FakeUpstream())
    assert isinstance(asyncio.run(astream(remembered(request()), flights, inline)), Answer)


def test_a_live_stream_ends_with_the_exchange_finished() -> None:
    async def scenario() -> tuple[bytes, Answer | None]:
        live = await astream(send_upstream(request(stream=True)), Flights(FakeUpstream()), inline)
        assert isinstance(live, Live)
        received = b"".join([chunk async for chunk in live.chunks()])
        return received, live.answer

    received, answer = asyncio.run(scenario())
    assert answer is not None
    assert b"message_stop" in received
    assert answer.message.text == "an answer"


def test_an_error_before_the_first_byte_can_still_become_an_answer() -> None:
    async def scenario() -> Answer | Live:
        upstream = FakeUpstream(lambda body: Reply(status=529))
        return await astream(forgiving(request(stream=True)), Flights(upstream), inline)

    answer = asyncio.run(scenario())
    assert isinstance(answer, Answer)
    assert answer.message.text == "a fallback"


def test_a_client_that_hangs_up_closes_the_exchange_at_its_yield() -> None:
    closed = threading.Event()

    def watched(request: Request) -> Exchange:
        try:
            return (yield from send_upstream(request))
        except GeneratorExit:
            closed.set()
            raise

    async def scenario() -> FakeUpstream:
        upstream = FakeUpstream(lambda body: Reply.saying(stream=True, gate=asyncio.Event()))
        live = await astream(watched(request(stream=True)), Flights(upstream), inline)
        assert isinstance(live, Live)
        chunks = live.chunks()
        await anext(chunks)
        await chunks.aclose()  # type: ignore[attr-defined]
        return upstream

    assert asyncio.run(scenario()).hung_up == 1
    assert closed.is_set()


def test_a_torn_stream_is_thrown_into_the_exchange() -> None:
    seen: list[UpstreamError] = []

    def watching(request: Request) -> Exchange:
        try:
            return (yield from send_upstream(request))
        except UpstreamError as error:
            seen.append(error)
            raise

    async def scenario() -> Answer | None:
        chunks = Reply.saying(stream=True).chunks
        assert chunks is not None
        reply = Reply(headers=(("content-type", "text/event-stream"),), chunks=chunks[:2], broken=UpstreamTorn("cut"))
        live = await astream(watching(request(stream=True)), Flights(FakeUpstream(lambda body: reply)), inline)
        assert isinstance(live, Live)
        async for _ in live.chunks():
            pass
        return live.answer

    assert asyncio.run(scenario()) is None
    assert isinstance(seen[0], UpstreamTorn)


def test_a_cancelled_request_waits_for_the_thread_inside_its_exchange() -> None:
    inside, go_on = threading.Event(), threading.Event()
    left: list[str] = []

    def slow(request: Request) -> Exchange:
        try:
            inside.set()
            go_on.wait(5)
            return (yield Call(request))  # type: ignore[return-value]
        finally:
            left.append("closed")

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as executor:
            flights = Flights(FakeUpstream())
            task = asyncio.create_task(arun(slow(request()), flights.carry, on_threads(executor)))
            await asyncio.to_thread(inside.wait, 5)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()  # an impatient server cancels again
            assert not task.done()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scenario())
    assert left == ["closed"]


def test_steps_are_stacked_outermost_first() -> None:
    order: list[str] = []

    def step(name: str):
        def layer(request: Request, forward):
            order.append(name)
            answer = yield from forward(request)
            order.append(f"/{name}")
            return answer

        return layer

    run(stack([step("ledger"), step("cache")])(request()), carried)
    assert order == ["ledger", "cache", "/cache", "/ledger"]


def test_relabelling_changes_calls_and_passes_errors_through() -> None:
    labelled = relabelled(forgiving(request()), lambda call: Call(call.request, flight_key="mine"))
    call = next(labelled)
    assert call.flight_key == "mine"
    with pytest.raises(StopIteration) as stop:
        labelled.throw(UpstreamTorn("cut"))
    assert stop.value.value.message.text == "a fallback"


def test_closing_a_relabelled_exchange_closes_the_inner_one() -> None:
    closed: list[bool] = []

    def inner(request: Request) -> Exchange:
        try:
            return (yield from send_upstream(request))
        finally:
            closed.append(True)

    labelled = relabelled(inner(request()), lambda call: call)
    next(labelled)
    labelled.close()
    assert closed == [True]
