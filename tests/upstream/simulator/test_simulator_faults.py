"""Faults on demand, and the stream as it breaks."""

import asyncio
import json

import pytest

from semcache.errors import InvalidRequest, UpstreamTorn
from semcache.upstream.simulator import Fault, FaultKind
from semcache.upstream.upstream import UpstreamRequest


def kinds(answer):
    return [event["type"] for event in answer.events]


@pytest.mark.parametrize(
    ("status", "type"),
    [
        (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"),
        (403, "permission_error"), (404, "not_found_error"), (409, "conflict_error"), (413, "request_too_large"),
        (429, "rate_limit_error"), (500, "api_error"), (504, "timeout_error"), (529, "overloaded_error"),
    ],
)  # fmt: skip
def test_every_documented_error_can_be_had(desk, ask, status, type):
    answer = desk.post(ask(), x_simulator_fault=str(status))
    assert (answer.status, answer.json["error"]["type"]) == (status, type)
    assert ("retry-after" in answer.headers) is (status == 429)


def test_injected_fault_strikes_as_often_as_asked(desk, ask):
    desk.simulator.inject(Fault.of_status(529), times=2)
    assert [desk.post(ask()).status for _ in range(3)] == [529, 529, 200]


def test_injected_fault_strikes_where_its_condition_holds(desk, ask):
    desk.simulator.inject(Fault.of_status(429), times=None, when=lambda body: body["model"] == "claude-opus-5-5")
    models = ("claude-haiku-5-5", "claude-opus-5-5", "claude-opus-5-5")
    assert [desk.post(ask(model=model)).status for model in models] == [200, 429, 429]
    desk.simulator.clear_faults()
    assert desk.post(ask(model="claude-opus-5-5")).status == 200


def test_error_event_ends_a_stream_that_has_begun(desk, ask):
    answer = desk.post(ask(stream=True), x_simulator_fault="mid_stream_error;after=4")
    assert (answer.status, len(kinds(answer)), kinds(answer)[-1]) == (200, 5, "error")
    assert answer.events[-1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}


def test_error_in_the_middle_of_json_is_a_529(desk, ask):
    assert desk.post(ask(), x_simulator_fault="mid_stream_error").status == 529


def test_truncated_bodies_end_as_if_they_were_complete(desk, ask):
    streamed = desk.post(ask(stream=True), x_simulator_fault="truncated")
    assert kinds(streamed)[0] == "message_start"
    assert "message_stop" not in kinds(streamed)
    with pytest.raises(json.JSONDecodeError):
        _ = desk.post(ask(), x_simulator_fault="truncated").json


@pytest.mark.parametrize("stream", [False, True])
def test_torn_connection_raises_in_process(desk, ask, stream):
    with pytest.raises(UpstreamTorn):
        desk.post(ask(stream=stream), x_simulator_fault="torn")


def test_hanging_answer_is_counted_while_it_hangs(desk, ask):
    request = UpstreamRequest(
        "POST", "/v1/messages", "", (*desk.headers.items(), ("x-simulator-fault", "hang")), json.dumps(ask()).encode()
    )

    async def hung_up() -> None:
        async with asyncio.timeout(0.01):
            await desk.simulator.open(request)

    with pytest.raises(TimeoutError):
        asyncio.run(hung_up())
    assert desk.simulator.call_count == 1


def test_closed_response_says_nothing_more(desk, ask):
    async def first_chunks():
        raw = json.dumps(ask(stream=True)).encode()
        response = await desk.simulator.open(
            UpstreamRequest("POST", "/v1/messages", "", tuple(desk.headers.items()), raw)
        )
        chunks = []
        async for chunk in response.chunks():
            chunks.append(chunk)
            if len(chunks) == 2:
                await response.aclose()
        await response.aclose()
        return chunks

    assert len(asyncio.run(first_chunks())) == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("429;retry-after=2.5", Fault(FaultKind.STATUS, 429, retry_after_seconds=2.5), id="429"),
        pytest.param("slow; seconds=0.5", Fault(FaultKind.SLOW, seconds=0.5), id="slow"),
        pytest.param("truncated;after=3", Fault(FaultKind.TRUNCATED, after_events=3), id="truncated"),
        pytest.param("hang", Fault(FaultKind.HANG), id="hang"),
    ],
)
def test_header_names_a_fault_with_its_options(text, fault):
    assert Fault.parse(text) == fault


@pytest.mark.parametrize("text", ["", "418", "explode", "slow;seconds", "slow;seconds=long"])
def test_a_fault_nobody_knows_is_refused(desk, ask, text):
    with pytest.raises(InvalidRequest, match="x-simulator-fault: use one of 400"):
        Fault.parse(text)
    assert desk.post(ask(), x_simulator_fault=text or "?").status == 400
