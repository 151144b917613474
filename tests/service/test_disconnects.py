"""A client that hangs up stops the work, and leaves nothing half done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import httpx2
import pytest
from worlds import RESET, Place, Script, outcome_of, question_body, spoken, until

MakePlace = Callable[..., Place]
HEADERS = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21"}


async def _ask_and_leave(place: Place, script: Script, *, stream: bool) -> None:
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        body = question_body(RESET, stream=stream)
        asking = asyncio.create_task(client.post(f"{place.url}/v1/messages", json=body, headers=HEADERS))
        await asyncio.to_thread(until, lambda: bool(script.seen))
        asking.cancel()
        await asyncio.wait([asking])


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
def test_hanging_up_before_the_answer_cancels_the_call(scripted: MakePlace, stream: bool) -> None:
    script = Script(spoken(), release=threading.Event())
    place = scripted(script)
    asyncio.run(_ask_and_leave(place, script, stream=stream))
    until(lambda: script.hung_up == 1)
    until(lambda: place.metric('semcache_requests_total{outcome="abandoned"') == 1)
    script.release.set()
    assert outcome_of(place.ask(RESET)).startswith("fwd=miss")


def test_hanging_up_in_the_middle_of_a_stream_stores_nothing(scripted: MakePlace) -> None:
    gate = threading.Event()
    script = Script(spoken(gate=gate))
    place = scripted(script)
    with httpx2.Client(base_url=place.url, trust_env=False) as client:
        body = question_body(RESET, stream=True)
        with client.stream("POST", "/v1/messages", json=body, headers=HEADERS) as answer:
            next(answer.iter_raw())
    until(lambda: script.hung_up == 1)
    gate.set()
    assert outcome_of(place.ask(RESET)).startswith("fwd=miss")
    assert len(script.seen) == 2


def test_hanging_up_in_the_middle_of_a_relayed_answer_hangs_up_upstream(scripted: MakePlace) -> None:
    script = Script(spoken(gate=threading.Event()))
    place = scripted(script)
    with httpx2.Client(base_url=place.url, trust_env=False) as client:
        body = question_body(RESET, stream=True)
        with client.stream("POST", "/v1/sessions/events", json=body, headers=HEADERS) as answer:
            next(answer.iter_raw())
    until(lambda: script.hung_up == 1)


def test_a_client_that_leaves_while_sending_is_no_request(scripted: MakePlace) -> None:
    script = Script(spoken())
    place = scripted(script)
    host, port = place.url.removeprefix("http://").split(":")

    async def half_a_request() -> None:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    asyncio.run(half_a_request())
    until(lambda: place.metric('semcache_requests_total{outcome="abandoned"') == 1)
    assert script.seen == []
