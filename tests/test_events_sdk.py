"""The official SDK reads a replayed message exactly as it reads the JSON one."""

import anthropic
import httpx2
import pytest

from semcache.events import encode_event, replay
from semcache.message import Message

ASKED = {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
USAGE = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 42,
    "output_tokens_details": {"thinking_tokens": 7},
    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    "service_tier": "standard",
}
CITATION = {
    "type": "char_location",
    "cited_text": "The sky is blue.",
    "document_index": 0,
    "document_title": "Sky",
    "start_char_index": 0,
    "end_char_index": 16,
    "file_id": None,
}
LONG = "Caches answer what they have seen before, “naïvely” or not: 世界 🌍.\n\n```python\nprint('a')\n```\n" * 12
TOOL_INPUT = {"city": 'Zürich "old" \\ town', "days": [1, 2.5, None, True], "deep": {"a": "\n" * 40, "b": "字" * 60}}


def body_of(*content, **fields):
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **fields,
    }


def tool(kind, **fields):
    return {"type": kind, "id": "toolu_1", "name": "web_search", "input": TOOL_INPUT, **fields}


MESSAGES = [
    pytest.param(body_of({"type": "text", "text": LONG}), id="long text"),
    pytest.param(body_of({"type": "text", "text": ""}), id="empty text"),
    pytest.param(body_of(), id="no content"),
    pytest.param(
        body_of({"type": "text", "text": "stop"}, stop_reason="stop_sequence", stop_sequence="END"), id="stop sequence"
    ),
    pytest.param(
        body_of(
            {"type": "thinking", "thinking": LONG, "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "eA=="},
            {"type": "text", "text": LONG},
        ),
        id="thinking",
    ),
    pytest.param(
        body_of({"type": "thinking", "thinking": "", "signature": "c2ln"}, {"type": "text", "text": "ok"}),
        id="omitted thinking",
    ),
    pytest.param(body_of(tool("tool_use"), tool("tool_use", input={}), stop_reason="tool_use"), id="tool use"),
    pytest.param(
        body_of(
            tool("server_tool_use"),
            {"type": "web_search_tool_result", "tool_use_id": "toolu_1", "content": []},
            {"type": "text", "text": "Blue.", "citations": [CITATION, CITATION]},
        ),
        id="server tool and citations",
    ),
    pytest.param(body_of({"type": "text", "text": "a", "citations": None}, {"type": "song", "la": 1}), id="unknown"),
    pytest.param(
        body_of(stop_reason="refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": "No."}),
        id="refusal",
    ),
    pytest.param(
        body_of({"type": "text", "text": "ran"}, container={"id": "container_1", "expires_at": "2026-11-24T00:00:00Z"}),
        id="container",
    ),
    pytest.param(
        body_of({"type": "text", "text": "x"}, usage={"input_tokens": 1, "output_tokens": 0, "new_tokens": 3}),
        id="small usage",
    ),
]


def client_for(body):
    """The SDK against a server that answers as JSON or as a replay, as asked."""

    def answer(request):
        if b'"stream":true' in request.content.replace(b" ", b""):
            stream = b"".join(replay(Message(body)))
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
        return httpx2.Response(200, json=body)

    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="x", max_retries=0, http_client=http_client)


def said(message):
    """What a message says; the stream parser sets fields to None that JSON leaves out."""
    return message.to_dict(exclude_none=True, warnings=False)


@pytest.mark.parametrize("body", MESSAGES)
def test_the_final_message_of_a_replay_equals_the_json_one(body):
    with client_for(body) as client:
        whole = client.messages.create(**ASKED)
        with client.messages.stream(**ASKED) as stream:
            final = stream.get_final_message()
    assert said(final) == said(whole)


@pytest.mark.parametrize("body", MESSAGES)
def test_the_beta_parser_reads_the_same(body):
    body = {**body, "context_management": {"applied_edits": []}, "usage": {**body["usage"], "iterations": []}}
    with client_for(body) as client:
        whole = client.beta.messages.create(**ASKED)
        with client.beta.messages.stream(**ASKED) as stream:
            final = stream.get_final_message()
    assert said(final) == said(whole)


def test_a_compaction_block_is_read_by_the_beta_parser():
    block = {"type": "compaction", "content": "Summary so far.", "encrypted_content": "eA==", "signature": "c2ln"}
    with client_for(body_of(block, stop_reason="compaction")) as client:
        whole = client.beta.messages.create(**ASKED)
        with client.beta.messages.stream(**ASKED) as stream:
            assert said(stream.get_final_message()) == said(whole)


def test_raw_streaming_yields_every_event_in_order():
    with client_for(body_of({"type": "text", "text": LONG})) as client:
        kinds = [event.type for event in client.messages.create(**ASKED, stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_the_text_stream_is_the_text():
    with client_for(body_of({"type": "text", "text": LONG})) as client, client.messages.stream(**ASKED) as stream:
        assert "".join(stream.text_stream) == LONG


def test_an_error_event_reaches_the_sdk_as_an_error():
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    first, *_ = replay(Message(body_of()))
    broken = httpx2.Response(
        200, headers={"content-type": "text/event-stream"}, content=first + encode_event("error", overloaded)
    )
    http_client = httpx2.Client(transport=httpx2.MockTransport(lambda request: broken))
    client = anthropic.Anthropic(api_key="x", max_retries=0, http_client=http_client)
    with client, pytest.raises(anthropic.APIStatusError) as caught:
        list(client.messages.create(**ASKED, stream=True))
    assert caught.value.body == overloaded
