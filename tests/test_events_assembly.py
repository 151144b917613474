"""A message is assembled from its events only when every one of them is there and in order."""

import pytest

from semcache.errors import UpstreamTorn
from semcache.events import Assembler, Event, assemble

MESSAGE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 25, "cache_read_input_tokens": 4, "output_tokens": 1},
}


def event(kind, **fields):
    return Event(kind, {"type": kind, **fields})


def started(**fields):
    return event("message_start", message={**MESSAGE, **fields})


def block(content_block, *deltas, index=0):
    return [
        event("content_block_start", index=index, content_block=content_block),
        *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
        event("content_block_stop", index=index),
    ]


def ended(stop_reason="end_turn", **usage):
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return [event("message_delta", delta=delta, usage={"output_tokens": 15, **usage}), event("message_stop")]


def text_delta(text):
    return {"type": "text_delta", "text": text}


def json_delta(piece):
    return {"type": "input_json_delta", "partial_json": piece}


TEXT = {"type": "text", "text": ""}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}
HELLO = [started(), *block(TEXT, text_delta("Hel"), text_delta("lo")), *ended()]


def test_text_grows_and_the_end_is_filled_in():
    body = assemble(HELLO).body
    assert body == {
        **MESSAGE,
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {**MESSAGE["usage"], "output_tokens": 15},
    }


@pytest.mark.parametrize(
    ("events", "content"),
    [
        pytest.param(
            block(TOOL, json_delta(""), json_delta('{"city": "Z'), json_delta('ürich"}')),
            {**TOOL, "input": {"city": "Zürich"}},
            id="tool input",
        ),
        pytest.param(block(TOOL, json_delta("")), TOOL, id="tool without input"),
        pytest.param(
            block(
                THINKING,
                {"type": "thinking_delta", "thinking": "Let "},
                {"type": "thinking_delta", "thinking": "me"},
                {"type": "signature_delta", "signature": "c2ln"},
            ),
            {"type": "thinking", "thinking": "Let me", "signature": "c2ln"},
            id="thinking",
        ),
        pytest.param(
            block(THINKING, {"type": "signature_delta", "signature": "c2ln"}),
            {"type": "thinking", "thinking": "", "signature": "c2ln"},
            id="omitted thinking",
        ),
        pytest.param(
            block(
                TEXT,
                text_delta("sky"),
                {"type": "citations_delta", "citation": {"cited_text": "a"}},
                {"type": "citations_delta", "citation": {"cited_text": "b"}},
            ),
            {"type": "text", "text": "sky", "citations": [{"cited_text": "a"}, {"cited_text": "b"}]},
            id="citations",
        ),
        pytest.param(
            block({"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "Summary."}),
            {"type": "compaction", "content": "Summary."},
            id="compaction",
        ),
        pytest.param(
            block({"type": "redacted_thinking", "data": "eA=="}),
            {"type": "redacted_thinking", "data": "eA=="},
            id="whole in the start",
        ),
        pytest.param(
            block({"type": "text", "text": "He"}, text_delta("llo")), {"type": "text", "text": "Hello"}, id="begun"
        ),
        pytest.param(
            block(TEXT, text_delta("\ud83c"), text_delta("\udf0d")), {"type": "text", "text": "🌍"}, id="cut character"
        ),
    ],
)
def test_blocks_grow_by_their_deltas(events, content):
    message = assemble([started(), *events, *ended()])
    assert message.body["content"] == [content]
    assert message.faithful


def test_message_delta_carries_totals_and_null_means_as_before():
    ends = event(
        "message_delta",
        delta={"stop_reason": "refusal", "stop_details": {"type": "refusal"}, "container": None},
        usage={"input_tokens": 30, "output_tokens": 9, "cache_read_input_tokens": None, "server_tool_use": {"n": 1}},
        context_management={"applied_edits": []},
    )
    body = assemble([started(container={"id": "c"}), ends, event("message_stop")]).body
    assert body["usage"] == {
        "input_tokens": 30,
        "cache_read_input_tokens": 4,
        "output_tokens": 9,
        "server_tool_use": {"n": 1},
    }
    assert (body["stop_reason"], body["stop_details"]) == ("refusal", {"type": "refusal"})
    assert (body["container"], body["context_management"]) == ({"id": "c"}, {"applied_edits": []})


def test_the_last_message_delta_wins():
    body = assemble([started(), *ended("pause_turn")[:1], *ended(output_tokens=40)]).body
    assert (body["stop_reason"], body["usage"]["output_tokens"]) == ("end_turn", 40)


def test_a_fallback_block_names_the_model_that_answered():
    fallback = {"type": "fallback", "from": {"model": "claude-opus-5-5"}, "to": {"model": "claude-opus-5"}}
    assert assemble([started(), *block(fallback), *ended()]).model == "claude-opus-5"


def test_pings_and_unknown_events_change_nothing():
    noise = [event("ping"), Event("ping", None), event("weather", sunny=True), Event("weather", None)]
    message = assemble([mixed for real in HELLO for mixed in (*noise, real)] + noise)
    assert message == assemble(HELLO)
    assert message.faithful


def test_the_type_serves_where_the_event_line_is_missing():
    assert assemble([Event("", data) for _, data in HELLO]) == assemble(HELLO)


def test_headers_are_kept_with_the_message():
    assembler = Assembler()
    for part in HELLO:
        assembler.feed(part)
    assert assembler.message((("request-id", "req_1"),)).headers == (("request-id", "req_1"),)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(block(TEXT, text_delta("a"), {"type": "sound_delta", "wave": "x"}), id="unknown delta"),
        pytest.param(block(TEXT, json_delta("{}")), id="delta of another block"),
        pytest.param(block({"type": "song"}, text_delta("la")), id="unknown block that grows"),
        pytest.param([event("content_block_amend", index=0)], id="unknown event about a block"),
    ],
)
def test_what_we_do_not_understand_makes_a_message_unfaithful(events):
    message = assemble([started(), *events, *ended()])
    assert not message.faithful


@pytest.mark.parametrize("length", range(len(HELLO)))
def test_a_stream_that_ends_early_gives_no_message(length):
    with pytest.raises(UpstreamTorn, match="before message_stop"):
        assemble(HELLO[:length])


@pytest.mark.parametrize("missing", range(len(HELLO) - 1))
def test_a_stream_with_a_hole_gives_no_message_or_misses_only_a_delta(missing):
    holed = HELLO[:missing] + HELLO[missing + 1 :]
    if HELLO[missing].name == "content_block_delta":
        assert assemble(holed).text != "Hello"  # deltas carry no number: no one could notice
    else:
        with pytest.raises(UpstreamTorn, match="broken event stream"):
            assemble(holed)


START, STOP = event("content_block_start", index=0, content_block=TEXT), event("content_block_stop", index=0)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([started(), *HELLO], id="message_start twice"),
        pytest.param([*HELLO, *HELLO], id="two messages"),
        pytest.param([*HELLO, *ended()], id="message_delta after message_stop"),
        pytest.param([started(), *block(TEXT, index=1), *ended()], id="index that was skipped"),
        pytest.param([started(), START, START, STOP, *ended()], id="block inside a block"),
        pytest.param([started(), START, *ended()], id="block that never stops"),
        pytest.param([started(), STOP, *ended()], id="stop without a start"),
        pytest.param([started(), *block(TOOL, json_delta('{"a":')), *ended()], id="tool input cut short"),
        pytest.param([started(), *block(TOOL, json_delta("{]")), *ended()], id="tool input that is not JSON"),
        pytest.param([started(), *block(TEXT, {"type": "text_delta"}), *ended()], id="delta without its text"),
        pytest.param([started(), *block(TEXT, text_delta(3)), *ended()], id="text that is a number"),
        pytest.param([started(), *block(TEXT, "text_delta"), *ended()], id="delta that is a string"),
        pytest.param([started(content=None), *ended()], id="content that is no list"),
        pytest.param([started(), Event("message_delta", None), event("message_stop")], id="no data"),
        pytest.param([started(), Event("ping", {"type": "message_stop"}), *ended()], id="name against type"),
        pytest.param([event("message_start"), *ended()], id="message_start without a message"),
    ],
)
def test_a_malformed_or_disordered_stream_gives_no_message(events):
    with pytest.raises(UpstreamTorn, match="broken event stream"):
        assemble(events)


@pytest.mark.parametrize("length", range(len(HELLO) + 1))
def test_an_error_event_is_kept_and_gives_no_message(length):
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assembler = Assembler()
    for part in [*HELLO[:length], Event("error", overloaded), *HELLO[length:]]:
        assembler.feed(part)
    assert assembler.error == overloaded
    with pytest.raises(UpstreamTorn, match="broke off with overloaded_error"):
        assembler.message()


def test_an_unreadable_error_event_is_an_error_still():
    with pytest.raises(UpstreamTorn, match="broke off"):
        assemble([*HELLO, Event("error", None)])


def test_events_can_be_assembled_twice():
    events = [started(), *block(TEXT, text_delta("a"), {"type": "citations_delta", "citation": {}}), *ended()]
    assert assemble(events) == assemble(events)
