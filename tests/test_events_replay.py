"""A replayed message is the event sequence that assembles to it, for every message there is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.errors import UpstreamTorn
from semcache.events import PING, Event, FrameReader, assemble, replay
from semcache.message import Message

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
objects = st.dictionaries(st.text(max_size=8), values, max_size=4)
extras = st.dictionaries(st.text(min_size=1, max_size=8).map("x_{}".format), values, max_size=2)
texts = st.text(max_size=60) | st.text(alphabet="word 世\n", min_size=100, max_size=900)


def blocks_of(kind, required, optional=None):
    fields = st.fixed_dictionaries({"type": st.just(kind), **required}, optional=optional or {})
    return st.builds(lambda extra, known: {**extra, **known}, extras, fields)


blocks = st.one_of(
    blocks_of("text", {"text": texts}, {"citations": st.none() | st.lists(objects, max_size=3)}),
    blocks_of("thinking", {"thinking": texts, "signature": st.text()}),
    blocks_of("redacted_thinking", {"data": st.text()}),
    *(
        blocks_of(kind, {"id": st.text(), "name": st.text(), "input": objects})
        for kind in ("tool_use", "server_tool_use", "mcp_tool_use")
    ),
    blocks_of("web_search_tool_result", {"tool_use_id": st.text(), "content": st.lists(objects, max_size=2)}),
    blocks_of("compaction", {"content": st.none() | texts}, {"encrypted_content": st.none() | st.text()}),
    blocks_of("text", {}, {"text": st.integers(), "citations": values}),
    st.builds(lambda kind, fields: {**fields, "type": "x_" + kind}, st.text(), objects),
)
counts = st.integers(0, 10**7)
usages = st.builds(
    lambda extra, known: {**extra, **known},
    extras,
    st.fixed_dictionaries(
        {"input_tokens": counts, "output_tokens": counts},
        optional={
            "cache_creation_input_tokens": st.none() | counts,
            "cache_read_input_tokens": st.none() | counts,
            "cache_creation": st.none() | objects,
            "server_tool_use": st.none() | objects,
            "output_tokens_details": st.none() | objects,
            "iterations": st.none() | st.lists(objects, max_size=2),
            "service_tier": st.none() | st.just("standard"),
        },
    ),
)
bodies = st.builds(
    lambda extra, known: {**extra, **known},
    extras,
    st.fixed_dictionaries(
        {
            "id": st.text(),
            "type": st.just("message"),
            "role": st.just("assistant"),
            "model": st.text(),
            "content": st.lists(blocks, max_size=4),
            "stop_reason": st.none() | st.sampled_from(["end_turn", "stop_sequence", "tool_use", "refusal"]),
            "usage": usages,
        },
        optional={
            "stop_sequence": st.none() | st.text(),
            "stop_details": st.none() | objects,
            "container": st.none() | objects,
            "context_management": st.none() | objects,
            "diagnostics": st.none() | objects,
        },
    ),
)


def events_of(stream: bytes) -> list[Event]:
    return FrameReader().feed(stream)


@given(body=bodies)
def test_assembling_a_replay_gives_the_message_back(body):
    message = assemble(events_of(b"".join(replay(Message(body)))))
    assert message.body == body
    assert message.faithful


@given(body=bodies, data=st.data())
def test_the_replay_may_be_cut_into_any_chunks(body, data):
    stream, reader = b"".join(replay(Message(body))), FrameReader()
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    edges = [0, *cuts, len(stream)]
    events = [event for a, b in pairwise(edges) for event in reader.feed(stream[a:b])]
    assert assemble(events).body == body


SAMPLE = Message(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [
            {"type": "thinking", "thinking": "Naïve?", "signature": "c2ln"},
            {"type": "text", "text": "Grüße 🌍"},
            {"type": "tool_use", "id": "t", "name": "n", "input": {"ü": [1, 2]}},
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 7, "service_tier": "standard"},
    }
)


def test_truncation_at_any_byte_never_gives_a_message():
    stream = b"".join(replay(SAMPLE))
    assert assemble(events_of(stream)) == SAMPLE
    for length in range(len(stream)):
        with pytest.raises(UpstreamTorn):
            assemble(events_of(stream[:length]))


def test_the_sequence_is_the_one_claude_sends():
    names = [event.name for event in events_of(b"".join(replay(SAMPLE)))]
    assert names == [
        "message_start",
        *("content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]


def test_the_start_says_nothing_that_is_known_only_at_the_end():
    body = {**SAMPLE.body, "container": {"id": "c"}}
    usage = {"input_tokens": 9, "output_tokens": 7, "server_tool_use": {"web_search_requests": 2}}
    start, *_, end, _ = events_of(b"".join(replay(Message({**body, "usage": usage}))))
    opening = start.data["message"]
    assert (opening["content"], opening["stop_reason"], opening["container"]) == ([], None, None)
    assert opening["usage"] == {"input_tokens": 9, "output_tokens": 1}
    assert end.data["usage"] == usage
    assert end.data["delta"] == {"stop_reason": "end_turn", "stop_sequence": None, "container": {"id": "c"}}


def test_a_tool_input_begins_with_an_empty_piece():
    deltas = [e.data["delta"] for e in events_of(b"".join(replay(SAMPLE))) if e.name == "content_block_delta"]
    assert [delta["partial_json"] for delta in deltas if "partial_json" in delta] == ["", '{"ü":[1,2]}']


@pytest.mark.parametrize(
    ("text", "fewest", "most"),
    [
        pytest.param("", 0, 0, id="empty"),
        pytest.param("Yes.", 1, 1, id="a word"),
        pytest.param("one more word " * 20, 5, 20, id="a paragraph"),
        pytest.param("one more word " * 3000, 40, 200, id="a long answer"),
        pytest.param("字" * 5000, 20, 60, id="no spaces"),
    ],
)
def test_text_comes_in_a_reasonable_number_of_pieces(text, fewest, most):
    message = Message({**SAMPLE.body, "content": [{"type": "text", "text": text}]})
    names = [event.name for event in events_of(b"".join(replay(message)))]
    assert fewest <= names.count("content_block_delta") <= most


def test_words_are_kept_whole():
    text = "semantic caches answer questions they have seen before " * 9
    message = Message({**SAMPLE.body, "content": [{"type": "text", "text": text}]})
    deltas = [e.data["delta"] for e in events_of(b"".join(replay(message))) if e.name == "content_block_delta"]
    assert all(delta["text"].startswith(" ") for delta in deltas[1:])


def test_a_message_without_content_has_no_blocks():
    message = Message({**SAMPLE.body, "content": []})
    stream = b"".join(replay(message))
    assert assemble(events_of(stream)) == message
    assert PING not in stream


@pytest.mark.parametrize("usage", [{}, {"output_tokens": None}, None], ids=["empty", "null", "none"])
def test_output_tokens_are_always_a_number(usage):
    start, *_, end, _ = events_of(b"".join(replay(Message({**SAMPLE.body, "usage": usage}))))
    assert start.data["message"]["usage"]["output_tokens"] == end.data["usage"]["output_tokens"] == 0
