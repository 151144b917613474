"""Identical calls in flight are one upstream call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from fakes import FakeUpstream, Reply, message, request

from semcache.errors import UpstreamError, UpstreamStatus, UpstreamTorn
from semcache.events import FrameReader, assemble
from semcache.exchange import Call
from semcache.flight import NothingStored
from semcache.flights import Flights
from semcache.message import Message


def call(*, key: str | None = "same", stream: bool = False) -> Call:
    return Call(request(stream=stream), flight_key=key)


async def fetch(flights: Flights, wanted: Call) -> Message:
    async with flights.carry(wanted) as carried:
        return carried


async def read(flights: Flights, wanted: Call) -> bytes:
    passage = await flights.board(wanted)
    try:
        await passage.head()
        return b"".join([chunk async for chunk in passage.chunks()])
    finally:
        await passage.leave()


async def together(upstream: FakeUpstream, *work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Start all before the upstream answers, then let it."""
    upstream.release = asyncio.Event()
    tasks = [asyncio.create_task(each) for each in work]
    await upstream.entered.wait()
    for _ in range(3):
        await asyncio.sleep(0)
    upstream.release.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def text_of(stream: bytes) -> str:
    return assemble(FrameReader().feed(stream)).text


def test_a_hundred_identical_calls_make_one_upstream_call_and_one_payer() -> None:
    async def scenario() -> tuple[int, list[Message]]:
        upstream = FakeUpstream()
        flights = Flights(upstream)
        messages = await together(upstream, *(fetch(flights, call()) for _ in range(100)))
        return len(upstream.calls), messages

    calls, messages = asyncio.run(scenario())
    assert calls == 1
    assert {each.text for each in messages} == {"an answer"}
    assert [each.coalesced for each in messages].count(False) == 1


@pytest.mark.parametrize("leader_streams", [True, False])
def test_stream_and_json_share_one_call(leader_streams: bool) -> None:
    async def scenario() -> tuple[int, bytes, Message]:
        upstream = FakeUpstream()
        flights = Flights(upstream)
        streaming, whole = read(flights, call(stream=True)), fetch(flights, call())
        order = (streaming, whole) if leader_streams else (whole, streaming)
        answers = await together(upstream, *order)
        stream, carried = answers if leader_streams else reversed(answers)
        return len(upstream.calls), stream, carried

    calls, stream, carried = asyncio.run(scenario())
    assert calls == 1
    assert text_of(stream) == carried.text == "an answer"


def test_a_follower_sees_the_stream_from_its_beginning() -> None:
    async def scenario() -> tuple[bytes, bytes]:
        gate = asyncio.Event()
        upstream = FakeUpstream(lambda body: Reply.saying("one two three", stream=True, gate=gate))
        flights = Flights(upstream)
        leader = await flights.board(call(stream=True))
        chunks = leader.chunks()
        first = await anext(chunks)
        follower = asyncio.create_task(read(flights, call(stream=True)))
        await asyncio.sleep(0)
        gate.set()
        rest = b"".join([chunk async for chunk in chunks])
        await leader.outcome()
        seen = await follower
        await leader.leave()
        return first + rest, seen

    led, followed = asyncio.run(scenario())
    assert led == followed


def test_a_leader_that_hangs_up_does_not_take_its_followers_down() -> None:
    async def scenario() -> tuple[int, Any]:
        upstream = FakeUpstream(release=asyncio.Event())
        flights = Flights(upstream)
        leader = asyncio.create_task(fetch(flights, call()))
        await upstream.entered.wait()
        follower = asyncio.create_task(fetch(flights, call()))
        await asyncio.sleep(0)
        leader.cancel()
        await asyncio.wait([leader])
        upstream.release.set()
        return len(upstream.calls), await follower

    calls, carried = asyncio.run(scenario())
    assert calls == 1
    assert carried.text == "an answer"
    assert not carried.coalesced  # somebody has to pay


def test_when_the_last_listener_leaves_the_upstream_call_is_hung_up() -> None:
    async def scenario() -> FakeUpstream:
        upstream = FakeUpstream(lambda body: Reply.saying(stream=True, gate=asyncio.Event()))
        flights = Flights(upstream)
        passage = await flights.board(call(stream=True))
        await anext(passage.chunks())
        await passage.leave()
        return upstream

    assert asyncio.run(scenario()).hung_up == 1


def test_followers_of_a_failed_leader_share_one_attempt_of_their_own() -> None:
    async def scenario() -> tuple[int, list[Any]]:
        replies = iter([Reply(status=529, body=b"busy"), Reply.saying()])
        upstream = FakeUpstream(lambda body: next(replies))
        flights = Flights(upstream)
        return len(upstream.calls), await together(upstream, *(fetch(flights, call()) for _ in range(5)))

    _, outcomes = asyncio.run(scenario())
    failed = [each for each in outcomes if isinstance(each, UpstreamStatus)]
    assert len(failed) == 1
    assert [each.text for each in outcomes if isinstance(each, Message)] == ["an answer"] * 4


def test_an_error_that_the_same_request_would_get_again_is_shared() -> None:
    async def scenario() -> tuple[int, list[Any]]:
        upstream = FakeUpstream(lambda body: Reply(status=400, body=b"no"))
        flights = Flights(upstream)
        outcomes = await together(upstream, *(fetch(flights, call()) for _ in range(5)))
        return len(upstream.calls), outcomes

    calls, outcomes = asyncio.run(scenario())
    assert calls == 1
    assert [each.status for each in outcomes] == [400] * 5


def test_a_flight_can_be_joined_until_its_payer_has_stored_the_answer() -> None:
    async def scenario() -> tuple[int, bool]:
        upstream = FakeUpstream()
        flights = Flights(upstream)
        async with flights.carry(call()):  # landed, and being stored
            late = await fetch(flights, call())
        await fetch(flights, call())
        return len(upstream.calls), late.coalesced

    assert asyncio.run(scenario()) == (2, True)


@pytest.mark.parametrize("flights_share", [pytest.param(False, id="switched off"), pytest.param(True, id="no key")])
def test_calls_that_may_not_be_shared_are_not(flights_share: bool) -> None:
    async def scenario() -> int:
        upstream = FakeUpstream()
        flights = Flights(upstream, coalesce=flights_share)
        wanted = call(key=None if flights_share else "same")
        await together(upstream, fetch(flights, wanted), fetch(flights, wanted))
        return len(upstream.calls)

    assert asyncio.run(scenario()) == 2


def test_a_silent_stream_is_kept_alive_by_pings_between_events() -> None:
    async def scenario() -> bytes:
        gate = asyncio.Event()
        upstream = FakeUpstream(lambda body: Reply.saying(stream=True, gate=gate))
        passage = await Flights(upstream).board(call(stream=True))
        received = b""
        async for chunk in passage.chunks(ping_seconds=0.01):
            received += chunk
            if received.count(b"event: ping") == 2:
                gate.set()
        await passage.leave()
        return received

    assert text_of(asyncio.run(scenario())) == "an answer"


def test_a_torn_stream_reaches_the_client_as_it_came_and_is_no_message() -> None:
    async def scenario() -> tuple[bytes, Message | UpstreamError]:
        whole = Reply.saying(stream=True)
        assert whole.chunks is not None
        torn = Reply(headers=whole.headers, chunks=whole.chunks[:3], broken=UpstreamTorn("cut"))
        passage = await Flights(FakeUpstream(lambda body: torn)).board(call(stream=True))
        await passage.head()
        received = b"".join([chunk async for chunk in passage.chunks()])
        outcome = await passage.outcome()
        await passage.leave()
        assert received == b"".join(whole.chunks[:3])
        return received, outcome

    assert isinstance(asyncio.run(scenario())[1], UpstreamTorn)


def test_bytes_we_cannot_read_still_go_to_the_client() -> None:
    async def scenario() -> tuple[bytes, Message | UpstreamError]:
        headers = (("content-type", "text/event-stream"),)
        reply = Reply(headers=headers, chunks=[b"event: message_stop\ndata: {broken\n\n", b"more"])
        passage = await Flights(FakeUpstream(lambda body: reply)).board(call(stream=True))
        await passage.head()
        received = b"".join([chunk async for chunk in passage.chunks()])
        outcome = await passage.outcome()
        await passage.leave()
        return received, outcome

    received, outcome = asyncio.run(scenario())
    assert received.endswith(b"more")
    assert isinstance(outcome, UpstreamError)


def test_a_fault_in_an_upstreams_own_code_is_found_as_the_cause() -> None:
    def stumble(body: dict[str, Any]) -> Reply:
        raise KeyError("of its own")

    async def scenario() -> None:
        with pytest.raises(UpstreamTorn, match="failed in itself") as raised:
            await fetch(Flights(FakeUpstream(stumble)), call())
        assert isinstance(raised.value.__cause__, KeyError)

    asyncio.run(scenario())


def test_a_last_look_that_fails_costs_the_look_and_not_the_answer() -> None:
    def stumble(call: Call) -> NothingStored:
        raise ValueError("the stored entry cannot be read")

    async def scenario() -> Message:
        return await fetch(Flights(FakeUpstream(), recall=stumble), call())

    assert asyncio.run(scenario()).text == message().text


def test_a_message_keeps_the_bytes_it_came_in() -> None:
    async def scenario() -> Message:
        return await fetch(Flights(FakeUpstream()), call())

    assert asyncio.run(scenario()).raw == message().content()
