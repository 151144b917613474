"""What makes two requests the same."""

from __future__ import annotations

import copy

import pytest
from fakes import body, request
from hypothesis import given
from hypothesis import strategies as st

from semcache.canonical import Turn, canonical, identify
from semcache.request import Caller, Json, Request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def key(fields: Json) -> str:
    return identify(Request(fields)).key


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"stream": True}, id="stream"),
        pytest.param({"metadata": {"user_id": "u1"}}, id="metadata"),
        pytest.param({"cache_control": {"type": "ephemeral"}}, id="automatic prompt caching"),
        pytest.param({"service_tier": "standard_only"}, id="service tier"),
        pytest.param({"max_tokens": 5}, id="max_tokens"),
        pytest.param({"diagnostics": {"previous_message_id": "msg_1"}}, id="diagnostics"),
        pytest.param({"system": ""}, id="an empty system prompt"),
        pytest.param({"tools": []}, id="no tools"),
    ],
)
def test_how_an_answer_is_delivered_never_changes_the_key(change: Json) -> None:
    assert key(body() | change) == key(body())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"model": "claude-sonnet-5-5"}, id="model"),
        pytest.param({"system": "Answer in French."}, id="system"),
        pytest.param({"tools": [{"name": "t", "input_schema": {}}]}, id="tools"),
        pytest.param({"temperature": 0.2}, id="sampling"),
        pytest.param({"thinking": {"type": "adaptive"}}, id="thinking"),
        pytest.param({"output_config": {"effort": "low"}}, id="effort"),
        pytest.param({"stop_sequences": ["."]}, id="stop sequences"),
        pytest.param({"inference_geo": "us"}, id="geography"),
        pytest.param({"a_field_of_the_future": 1}, id="a field we do not know"),
    ],
)
def test_whatever_may_change_an_answer_changes_the_scope(change: Json) -> None:
    assert identify(Request(body() | change)).scope_digest != identify(request()).scope_digest


def test_a_string_and_a_single_text_block_are_the_same_request() -> None:
    blocks = [{"type": "text", "text": "Hello?", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert key(body(blocks)) == key(body("Hello?"))
    assert key(body(system="Be kind.")) == key(body(system=[{"type": "text", "text": "Be kind."}]))


def test_marks_on_tools_and_history_do_not_matter_but_their_order_does() -> None:
    first, second = {"name": "a", "input_schema": {}}, {"name": "b", "input_schema": {}}
    marked = {**second, "cache_control": {"type": "ephemeral"}}
    assert key(body(tools=[first, marked])) == key(body(tools=[first, second]))
    assert key(body(tools=[second, first])) != key(body(tools=[first, second]))


def test_a_schema_property_named_cache_control_is_no_mark() -> None:
    tool = {"name": "a", "input_schema": {"properties": {"cache_control": {"type": "string"}}}}
    assert key(body(tools=[tool])) != key(body(tools=[{"name": "a", "input_schema": {"properties": {}}}]))


def test_the_billing_block_of_the_client_never_enters_a_key() -> None:
    def with_version(version: str) -> Json:
        billing = {"type": "text", "text": f"x-anthropic-billing-header: cc_version={version};"}
        return body(system=[billing, {"type": "text", "text": "You are an agent."}])

    assert key(with_version("1")) == key(with_version("2")) == key(body(system="You are an agent."))


def test_the_question_is_in_the_key_and_not_in_the_scope() -> None:
    one, other = identify(request("How?")), identify(request("Why?"))
    assert one.scope_digest == other.scope_digest
    assert one.key != other.key
    assert one.question == "How?"


def test_every_earlier_turn_is_in_the_scope() -> None:
    def after(answer: str) -> Request:
        turns = [
            {"role": "user", "content": "Is order 17 shipped?"},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "And the second one?"},
        ]
        return Request(body(messages=turns))

    yes, no = identify(after("Yes.")), identify(after("No."))
    assert yes.question == no.question == "And the second one?"
    assert yes.scope_digest != no.scope_digest
    assert yes.history_turns == 2


def after(*turns: Json, **fields: object) -> Request:
    return Request(body(messages=[*turns, *body()["messages"]], **fields))


USER, ASSISTANT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}


def test_the_open_scope_is_that_of_the_question_asked_alone() -> None:
    alone, later = identify(Request(body(system="Be kind."))), identify(after(USER, ASSISTANT, system="Be kind."))
    assert (alone.open_scope_digest, alone.open_key) == (alone.scope_digest, alone.key)
    assert (later.open_scope_digest, later.open_key) == (alone.scope_digest, alone.key)
    assert later.scope_digest != alone.scope_digest
    assert identify(after(USER, ASSISTANT)).open_scope_digest != later.open_scope_digest


def test_plain_history_is_read_and_thinking_passed_over() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    marked = {"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}
    history = identify(after(USER, {"role": "assistant", "content": [thinking, marked]})).history
    assert history == (Turn("user", "Hi"), Turn("assistant", "Hello"))
    assert identify(request()).history == ()


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param({"role": "user", "content": [{"type": "image", "source": {}}]}, id="image"),
        pytest.param({"role": "user", "content": [{"type": "document", "source": {}}]}, id="document"),
        pytest.param({"role": "assistant", "content": [{"type": "tool_use", "id": "t"}]}, id="tool"),
        pytest.param({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}, id="tool result"),
        pytest.param({"role": "user", "content": [{"type": "text", "text": "a", "new": 1}]}, id="a new field"),
        pytest.param({"role": "user", "content": [{"type": "text", "text": 7}]}, id="unreadable text"),
        pytest.param({"role": "user", "content": 7}, id="unreadable content"),
        pytest.param({"role": "user", "content": "a", "name": "Ann"}, id="a field of the turn"),
        pytest.param({"role": "system", "content": "Be a pirate."}, id="system turn"),
        pytest.param({"content": "a"}, id="no role"),
    ],
)
def test_history_that_is_more_than_text_is_not_read(turn: Json) -> None:
    assert identify(after(turn, ASSISTANT)).history is None


@pytest.mark.parametrize(
    "last",
    [
        pytest.param([{"role": "assistant", "content": "The answer is"}], id="prefill"),
        pytest.param([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}], id="tool result"),
        pytest.param([{"role": "user", "content": "   "}], id="blank"),
        pytest.param([{"role": "user", "content": 7}], id="unreadable content"),
        pytest.param([{"role": "user", "content": [{"type": "text", "text": 7}]}], id="unreadable text"),
        pytest.param([], id="nothing"),
    ],
)
def test_requests_without_a_last_user_text_have_no_question(last: list[Json]) -> None:
    turns = [*body()["messages"], *last] if last else []
    identity = identify(Request(body(messages=turns)))
    assert identity.question is None


def test_a_system_turn_after_the_question_does_not_hide_it() -> None:
    turns = [*body()["messages"], {"role": "system", "content": "Stay brief."}]
    assert identify(Request(body(messages=turns))).question == "How do I reset my password?"


def test_blocks_beside_the_question_and_their_order_are_in_the_scope() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    text = {"type": "text", "text": "What is this?"}
    before, after = identify(request([image, text])), identify(request([text, image]))
    assert before.companions == {"image"}
    assert before.scope_digest != after.scope_digest


def test_two_text_blocks_split_differently_are_different_requests() -> None:
    def split(*texts: str) -> str:
        return key(body([{"type": "text", "text": text} for text in texts]))

    assert split("a\n\nb", "c") != split("a", "b\n\nc")


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(Caller(partition="someone else"), id="credential"),
        pytest.param(Caller(namespace="other"), id="namespace"),
    ],
)
def test_nothing_is_shared_between_tenants(caller: Caller) -> None:
    assert identify(request(caller=caller)).scope_digest != identify(request()).scope_digest


def test_versions_and_betas_separate_but_the_order_of_betas_does_not() -> None:
    def with_header(name: str, value: str) -> str:
        return identify(request(headers=((name, value),))).key

    assert with_header("anthropic-beta", "a,b") == with_header("anthropic-beta", "b, a")
    assert with_header("anthropic-beta", "a") != with_header("anthropic-beta", "b")
    assert with_header("anthropic-version", "2023-06-01") != with_header("anthropic-version", "2026-10-21")


def test_large_integers_are_not_rounded() -> None:
    def with_number(number: int) -> str:
        raw = b'{"model": "m", "messages": [], "seed": %d}' % number
        return identify(Request.parse(raw)).key

    assert with_number(2**60) != with_number(2**60 + 1)


@given(JSON, JSON)
def test_canonical_bytes_are_equal_exactly_when_the_values_are(one: object, other: object) -> None:
    same_type = canonical(one) == canonical(other)
    assert same_type == (repr_of(one) == repr_of(other))


def repr_of(value: object) -> object:
    """A value with types kept apart: 1, 1.0 and true are different JSON."""
    match value:
        case dict():
            return ("object", frozenset((name, repr_of(inner)) for name, inner in value.items()))
        case list():
            return ("array", tuple(repr_of(inner) for inner in value))
        case _:
            return (type(value).__name__, repr(value))


@given(st.dictionaries(st.text(), JSON, max_size=4), JSON)
def test_identify_never_raises_and_never_edits_the_body(fields: Json, messages: object) -> None:
    whole = {**fields, "messages": messages}
    before = copy.deepcopy(whole)
    identify(Request(whole))
    assert whole == before
