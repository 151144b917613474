"""Events are cut from bytes by the rules of server-sent events, wherever the network cut the bytes."""

import json
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.errors import UpstreamTorn
from semcache.events import PING, Event, FrameReader, encode_event

HELLO = Event("content_block_delta", {"type": "content_block_delta", "text": "Grüße, 世界 🌍"})
STREAM = encode_event(*HELLO) + PING + b": keep-alive\n\n" + encode_event(*HELLO)
EVENTS = [HELLO, Event("ping", {"type": "ping"}), HELLO]


def consume(items):
    deque(items, maxlen=0)


def read(*chunks: bytes) -> list[Event]:
    reader = FrameReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_every_line_end_gives_the_same_events(line_end):
    assert read(STREAM.replace(b"\n", line_end)) == EVENTS


@given(
    cuts=st.lists(st.integers(0, len(STREAM) + 20), max_size=12).map(sorted),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_any_chunking_gives_the_same_events(cuts, line_end):
    stream = STREAM.replace(b"\n", line_end)
    edges = [0, *(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(edges))) == EVENTS


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_bytes_one_at_a_time_give_the_same_events(line_end):
    stream = STREAM.replace(b"\n", line_end)
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == EVENTS


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        pytest.param(b'data: {"a":\ndata: 1}\n\n', [Event("", {"a": 1})], id="data of several lines"),
        pytest.param(b'event:x\ndata:{"a":1}\n\n', [Event("x", {"a": 1})], id="no space after the colon"),
        pytest.param(b'id: 7\nretry: 10\nwhat\ndata: {"a":1}\n\n', [Event("", {"a": 1})], id="other fields"),
        pytest.param(b": only a comment\n\n", [], id="comment"),
        pytest.param(b"event: x\n\n", [], id="event without data"),
        pytest.param(b"event: new\ndata: words\n\n", [Event("new", None)], id="data that is not JSON"),
        pytest.param(b"event: x\ndata: [1]\n\n", [Event("x", None)], id="data that is no object"),
        pytest.param(b'event: x\ndata: {"a":NaN}\n\n', [Event("x", None)], id="NaN"),
        pytest.param(b'event: x\ndata: {"a":"\xff"}\n\n', [Event("x", None)], id="invalid UTF-8"),
        pytest.param(b"event: x\ndata: " + b"[" * 200_000 + b"\n\n", [Event("x", None)], id="deep nesting"),
        pytest.param(b'\xef\xbb\xbfdata: {"a":1}\n\n', [Event("", {"a": 1})], id="byte order mark"),
        pytest.param(b'data: {"a":1}\n', [], id="no blank line: not finished"),
        pytest.param(b"\n\n\r\n\n", [], id="blank lines"),
    ],
)
def test_frames_are_read_by_the_rules(raw, events):
    assert read(raw) == events


@pytest.mark.parametrize(
    ("chunks", "at_boundary"),
    [
        pytest.param([], True, id="before the first byte"),
        pytest.param([PING], True, id="after an event"),
        pytest.param([PING[:-1]], False, id="before the blank line"),
        pytest.param([PING, PING[:9]], False, id="inside a line"),
        pytest.param([PING[:9], PING[9:]], True, id="after an event in two chunks"),
        pytest.param([b": comment\n"], True, id="after a comment"),
        pytest.param([b"event: ping\n"], False, id="after the first line of an event"),
        pytest.param([PING.replace(b"\n", b"\r\n")[:-1], b"\n"], True, id="after a CRLF in two chunks"),
    ],
)
def test_boundary_is_where_no_event_is_under_way(chunks, at_boundary):
    reader = FrameReader()
    for chunk in chunks:
        reader.feed(chunk)
    assert reader.at_boundary is at_boundary


@given(cut=st.integers(0, len(STREAM)))
def test_a_ping_at_a_boundary_disturbs_nothing(cut):
    reader = FrameReader()
    before = reader.feed(STREAM[:cut])
    ping = reader.feed(PING) if reader.at_boundary else []
    assert before + ping + reader.feed(STREAM[cut:]) == before + ping + EVENTS[len(before) :]


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(b"data: xxxxxxxx\n", id="many lines"),
        pytest.param(b"xxxxxxxxxxxxxxx", id="a line without an end"),
    ],
)
def test_an_endless_event_is_refused(chunk):
    reader = FrameReader(max_frame_bytes=1000)
    with pytest.raises(UpstreamTorn, match="more than 1000 bytes"):
        consume(reader.feed(chunk) for _ in range(200))


def test_the_bound_is_per_event():
    reader = FrameReader(max_frame_bytes=200)
    assert len([event for _ in range(100) for event in reader.feed(PING[:7]) + reader.feed(PING[7:])]) == 100


def test_an_encoded_event_holds_no_line_end_of_any_kind():
    text = "a\nb\rc\u0085d\u2028e\u2029f\x0bg\x1ch"
    encoded = encode_event("x", {"text": text})
    assert len(encoded.decode().splitlines()) == 3  # event, data, blank
    assert read(encoded) == [Event("x", {"text": text})]


def test_a_lone_surrogate_is_sent_as_an_escape():
    encoded = encode_event("x", {"text": "\ud83d!"})
    assert json.loads(encoded.split(b"data: ")[1]) == {"text": "\ud83d!"}
