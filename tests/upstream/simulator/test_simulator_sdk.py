"""The official SDK speaks with the simulator over real HTTP as it would with Claude."""

import asyncio

import anthropic
import httpx2
import pytest

PERU = {
    "model": "claude-haiku-5-5",
    "max_tokens": 400,
    "messages": [{"role": "user", "content": "what is the CAPITAL  of Peru?"}],
}
LIMA = "Lima is the capital of Peru."
TOOL = {
    "name": "get_weather",
    "description": "The weather of a place.",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}


@pytest.fixture
def client(live):
    with anthropic.Anthropic(base_url=live.base_url, api_key="key", max_retries=0, timeout=20) as client:
        yield client


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def test_table_answer_arrives_whole(client):
    message = client.messages.create(**PERU)
    assert text_of(message) == LIMA
    assert (message.stop_reason, message.role, message.model) == ("end_turn", "assistant", "claude-haiku-5-5")
    assert message.content[0].type == "thinking"
    assert message.content[0].thinking == ""
    assert message.usage.output_tokens > message.usage.output_tokens_details.thinking_tokens > 0


def test_streamed_message_equals_the_whole_one(client):
    whole = client.messages.create(**PERU)
    with client.messages.stream(**PERU) as stream:
        text = "".join(stream.text_stream)
        streamed = stream.get_final_message()
    assert text == LIMA
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in whole.content]
    assert streamed.usage.model_dump(exclude={"service_tier"}) == whole.usage.model_dump(exclude={"service_tier"})
    assert streamed.stop_reason == whole.stop_reason


def test_raw_events_come_in_the_documented_order(client):
    kinds = [event.type for event in client.messages.create(**PERU, stream=True)]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert [kind for at, kind in enumerate(kinds) if kind != "content_block_delta" or kinds[at - 1] != kind] == [
        "message_start", *block, *block, "message_delta", "message_stop"
    ]  # fmt: skip


def test_bytes_on_the_wire_have_both_event_and_data_lines_and_a_ping(client):
    with client.messages.with_streaming_response.create(**PERU, stream=True) as response:
        raw = b"".join(response.iter_bytes())
    frames = raw.decode().split("\n\n")
    assert frames[-1] == ""
    assert 'event: ping\ndata: {"type":"ping"}' in frames
    assert all(frame.startswith("event: ") and '\ndata: {"type":' in frame for frame in frames[:-1])
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


def test_answers_bear_request_id_organization_and_limits(client):
    raw = client.messages.with_raw_response.create(**PERU)
    assert raw.headers["request-id"].startswith("req_")
    assert raw.parse()._request_id == raw.headers["request-id"]
    assert raw.headers["anthropic-organization-id"]
    assert int(raw.headers["anthropic-ratelimit-input-tokens-remaining"]) > 0


def test_async_client_is_answered_whole_and_streamed(live):
    async def both():
        async with anthropic.AsyncAnthropic(base_url=live.base_url, api_key="key", max_retries=0) as client:
            whole = await client.messages.create(**PERU)
            async with client.messages.stream(**PERU) as stream:
                return whole, await stream.get_final_message()

    whole, streamed = asyncio.run(both())
    assert text_of(whole) == text_of(streamed) == LIMA


def test_forced_tool_is_called_with_valid_arguments_streamed_as_json(client):
    choice = {"type": "tool", "name": "get_weather"}
    with client.messages.stream(**PERU, tools=[TOOL], tool_choice=choice) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    assert message.content[0].input == {"place": PERU["messages"][0]["content"]}
    assert len(pieces) > 1


def test_models_are_listed_in_pages(client):
    first = client.models.list(limit=4)
    ids = [model.id for model in client.models.list(limit=4)]  # the SDK follows the pages
    assert (len(first.data), first.has_more) == (4, True)
    assert {first.data[0].id, first.data[1].id} == {"claude-fable-5-2", "claude-mythos-5-2"}
    assert len(ids) == len(set(ids)) == 18
    assert "claude-mythos-preview" not in ids


def test_one_model_is_described_by_alias(client):
    model = client.models.retrieve("claude-sonnet-4-5")
    assert (model.id, model.lifecycle, model.line) == ("claude-sonnet-4-5-20250929", "deprecated", "sonnet")
    assert model.retires_at.isoformat() == "2026-11-30T00:00:00+00:00"
    assert model.capabilities.thinking.types.enabled.supported
    assert not model.capabilities.effort.supported


def test_count_tokens_agrees_with_the_usage_of_the_message(client):
    count = client.messages.count_tokens(model=PERU["model"], messages=PERU["messages"])
    assert count.input_tokens == client.messages.create(**PERU).usage.input_tokens


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"model": "claude-opus-4-1-20250805"}, anthropic.NotFoundError, id="retired model"),
        pytest.param({"model": "claude-next"}, anthropic.NotFoundError, id="unknown model"),
        pytest.param({"extra_body": {"temperature": 1.0}}, anthropic.BadRequestError, id="sampling under 2026-10-21"),
    ],
)
def test_refusals_arrive_as_the_errors_of_the_sdk(client, changes, error):
    with pytest.raises(error) as caught:
        client.messages.create(**(PERU | changes))
    assert caught.value.body["type"] == "error"
    assert caught.value.request_id.startswith("req_")


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        pytest.param("429;retry-after=7", anthropic.RateLimitError, 429, id="rate limit"),
        pytest.param("529", anthropic.OverloadedError, 529, id="overloaded"),
        pytest.param("500", anthropic.InternalServerError, 500, id="internal error"),
    ],
)
def test_faults_asked_for_by_header_arrive_as_errors(client, fault, error, status):
    with pytest.raises(error) as caught:
        client.messages.create(**PERU, extra_headers={"x-simulator-fault": fault})
    assert caught.value.status_code == status
    assert caught.value.response.headers.get("retry-after") == ("7" if status == 429 else None)


def test_mid_stream_error_reaches_the_client_as_an_error(client):
    headers = {"x-simulator-fault": "mid_stream_error"}
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(client.messages.create(**PERU, stream=True, extra_headers=headers))


def test_truncated_stream_ends_without_a_stop_reason(client):
    with client.messages.stream(**PERU, extra_headers={"x-simulator-fault": "truncated"}) as stream:
        assert stream.get_final_message().stop_reason is None


def test_torn_connection_is_a_connection_error(client):
    headers = {"x-simulator-fault": "torn"}
    with pytest.raises(httpx2.RemoteProtocolError):
        list(client.messages.create(**PERU, stream=True, extra_headers=headers))


def test_slow_stream_and_delayed_head_still_say_everything(client):
    for fault in ("slow;seconds=0.001", "delayed;seconds=0.01"):
        with client.messages.stream(**PERU, extra_headers={"x-simulator-fault": fault}) as stream:
            assert text_of(stream.get_final_message()) == LIMA


def test_client_that_hangs_up_on_a_hanging_answer_leaves_the_server_well(client, live):
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=0.2).messages.create(**PERU, extra_headers={"x-simulator-fault": "hang"})
    assert text_of(client.messages.create(**PERU)) == LIMA


def test_old_edition_accepts_sampling_where_the_model_does(client):
    asked = PERU | {"model": "claude-haiku-4-5", "extra_body": {"temperature": 0}}
    message = client.messages.create(**asked, extra_headers={"anthropic-version": "2023-06-01"})
    assert text_of(message) == LIMA
    assert message.model == "claude-haiku-4-5-20251001"
