"""A message and its usage."""

from __future__ import annotations

import pytest
from fakes import message

from semcache.errors import UpstreamTorn
from semcache.message import Message, Usage


def test_usage_is_split_by_price_category() -> None:
    usage = Usage.of(
        {
            "input_tokens": 3,
            "output_tokens": 7,
            "cache_creation_input_tokens": 50,
            "cache_read_input_tokens": 11,
            "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
        }
    )
    assert usage == Usage(3, 30, 20, 11, 7)
    assert usage.prompt_tokens == 64


def test_absent_and_null_counts_are_zero() -> None:
    assert Usage.of({"input_tokens": None, "cache_creation": None}) == Usage()


def test_text_is_what_the_text_blocks_say() -> None:
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert Message({"content": blocks}).text == "ab"


def test_a_changed_message_leaves_the_original_and_its_bytes_alone() -> None:
    original = Message.parse(message().content())
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    with_thinking = Message({**original.body, "content": [thinking, *original.blocks]}, raw=b"as it came")
    assert with_thinking.without_thinking() == original
    assert with_thinking.content() == b"as it came"
    assert with_thinking.with_id("msg_2").body["id"] == "msg_2"
    assert original.body["id"] == "msg_1"


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_message_is_torn(raw: bytes) -> None:
    with pytest.raises(UpstreamTorn):
        Message.parse(raw)
