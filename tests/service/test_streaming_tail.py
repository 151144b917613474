"""Whether a stream was whole is known from what has gone out, however it was cut into chunks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import message_json

from semcache.events import PING, Tail, encode_event, replay
from semcache.message import Message

WHOLE = b"".join(replay(Message.parse(message_json("How to write `event: error` yourself\n\nevent: message_stop\n"))))
ERROR = encode_event("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def tail_of(*chunks: bytes) -> Tail:
    tail = Tail()
    for chunk in chunks:
        tail.feed(chunk)
    return tail


@given(st.lists(st.integers(0, len(WHOLE)), max_size=20), st.integers(0, len(WHOLE)))
def test_only_a_whole_stream_counts_as_closed(cuts: list[int], end: int) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < end), end]
    tail = tail_of(*(WHOLE[start:stop] for start, stop in pairwise(places)))
    assert tail.is_closed == (end == len(WHOLE))
    assert tail.is_at_boundary == (end == 0 or WHOLE[:end].endswith(b"\n\n"))


@pytest.mark.parametrize(
    ("sent", "is_closed", "is_at_boundary"),
    [
        pytest.param(b"", False, True, id="nothing"),
        pytest.param(WHOLE, True, True, id="whole"),
        pytest.param(WHOLE + PING, True, True, id="a ping after the end"),
        pytest.param(WHOLE.replace(b"\n", b"\r\n"), True, True, id="CRLF"),
        pytest.param(PING, False, True, id="only a ping"),
        pytest.param(PING + ERROR, True, True, id="an error"),
        pytest.param(ERROR[:-1], False, False, id="an error cut short"),
        pytest.param(b"x" * 10_000 + b"\n\n" + ERROR, True, True, id="long before"),
    ],
)
def test_how_a_stream_may_end(sent: bytes, is_closed: bool, is_at_boundary: bool) -> None:
    tail = tail_of(sent)
    assert (tail.is_closed, tail.is_at_boundary) == (is_closed, is_at_boundary)
