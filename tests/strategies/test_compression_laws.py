"""Laws of compression, on conversations that nobody has written by hand."""

from __future__ import annotations

import copy
import json
from itertools import pairwise

import pytest
from compression_talks import Client, Notebook, assistant, call, is_compressed, result, sent_messages, text, user
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.request import Request
from semcache.strategies.compression import Compression, Means, Moment, Share, Terms, compressed, restored

TERMS = Terms(budget=Share(0.4), recent_turns=2, block_turns=2, results_kept=1, results_group=2)
SENTENCES = (
    "I always fly without luggage.", "The blue one costs 40 euros.", "Could you look that up?", "Thanks.",
    "My order is A-7731.", "It rained all day.", "Call me Noor.", "```\nx = 1\n\ny = 2\n```", '{"a": [1, 2]}',
    "Never book a seat by the aisle!", "We said 7 pm on Friday.", "That sounds good.", "No, another one please.",
    "* a list\n* of things\n\n", "\u00dcber die Br\u00fccke \u2014 \u00e7a va?", "Graz is warm, e.g. in July.",
)  # fmt: skip

words = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=5).map(" ".join)
mark = st.sampled_from([{}, {"cache_control": {"type": "ephemeral"}}])
contents = st.one_of(words, st.builds(lambda each, marked: [text(each, **marked)], words, st.just({})))


@st.composite
def exchanges(draw, number):
    """A user turn, perhaps tools at work, and an answer."""
    opening = [user(draw(contents))]
    for round_ in range(draw(st.integers(0, 2))):
        ids = [f"toolu_{number}_{round_}_{each}" for each in range(draw(st.integers(1, 2)))]
        opening.append(assistant([text(draw(words)), *(call(id, draw(words)) for id in ids)]))
        opening.append(user([result(id, draw(words) * draw(st.integers(1, 9))) for id in ids]))
    return [*opening, assistant(draw(contents))]


@st.composite
def conversations(draw, most=9):
    count = draw(st.integers(1, most))
    return [message for number in range(count) for message in draw(exchanges(number))]


def request_of(messages):
    tools = [{"name": "look_up", "input_schema": {"type": "object"}}]
    return Request({"model": "claude-opus-4-6", "max_tokens": 2000, "messages": messages, "tools": tools})


def squeeze(messages, book, **more):
    return compressed(request_of(messages), terms=TERMS, model=book.model("claude-opus-4-6"), **more)


def as_bytes(messages):
    return [json.dumps(message, sort_keys=True) for message in messages]


@settings(max_examples=60, deadline=None)
@given(conversations(), words)
def test_what_was_compressed_can_be_restored(book, messages, question):
    original = copy.deepcopy(messages)
    outcome = squeeze([*messages, user(question)], book)
    assert messages == original
    if isinstance(outcome, Compression):
        assert restored(outcome).messages == [*original, user(question)]
        assert outcome.request.shaped_by == ("compression",)


@settings(max_examples=60, deadline=None)
@given(conversations(), words)
def test_whatever_goes_upstream_is_taken_by_the_strict_simulator(book, refusal, messages, question):
    outcome = squeeze([*messages, user(question)], book)
    assert refusal(outcome.request) is None


@settings(max_examples=60, deadline=None)
@given(conversations(), words)
def test_roles_alternate_and_no_tool_pair_is_torn(book, messages, question):
    sent = squeeze([*messages, user(question)], book).request.messages
    assert all(one["role"] != other["role"] for one, other in pairwise(sent))
    blocks = [block for message in sent if isinstance(message["content"], list) for block in message["content"]]
    asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert asked == [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]


@settings(max_examples=40, deadline=None)
@given(conversations(most=10), st.booleans())
def test_what_is_compressed_once_stays_as_it_is(book, messages, has_memory):
    """After every further turn the frozen blocks are the same to the byte, remembered or worked out again."""
    memory = Notebook() if has_memory else None
    frozen = []
    for place, message in enumerate(messages):
        if message["role"] != "user":
            continue
        outcome = squeeze(messages[: place + 1], book, means=Means(memory=memory))
        outcome.remember(memory if memory is not None else Notebook())
        if isinstance(outcome, Compression):
            now = as_bytes(outcome.request.messages)
            assert now[: len(frozen)] == frozen
            assert outcome.frozen_messages >= len(frozen)
            frozen = now[: outcome.frozen_messages]


@settings(max_examples=40, deadline=None)
@given(conversations(most=10))
def test_at_a_warm_moment_the_prefix_is_what_was_sent_before(book, messages):
    memory = Notebook()
    before = None
    for place, message in enumerate(messages):
        if message["role"] != "user":
            continue
        moment = Moment.COLD if before is None and place > len(messages) // 2 else Moment.WARM
        outcome = squeeze(messages[: place + 1], book, means=Means(memory=memory), moment=moment)
        outcome.remember(memory)
        now = as_bytes(sent_messages(outcome))
        if moment is Moment.WARM and before is not None:
            assert now[: len(before)] == before
        if before is not None or moment is Moment.COLD:
            before = now


@settings(max_examples=25, deadline=None)
@given(st.data())
@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-fable-5-2", "claude-opus-4-6"])
def test_signed_thinking_is_never_refused_whatever_happens_when(book, refusal, model, data):
    """Cold and warm moments, tools at work, questions about everything: thinking fits what it is sent back behind."""
    client, memory, shortened = Client(book, model, TERMS), Notebook(), 0
    for number in range(data.draw(st.integers(4, 9))):
        is_broad = data.draw(st.integers(0, 5)) == 0
        client.messages.append(user("Summarise our conversation." if is_broad else data.draw(words)))
        for step in range(data.draw(st.integers(1, 3))):
            moment = data.draw(st.sampled_from(Moment))
            outcome = client.send(Means(memory=memory), moment)
            assert refusal(outcome.request) is None
            shortened += is_compressed(outcome)
            id = f"toolu_{number}_{step}"
            client.answer(outcome, [call(id)], thinks=data.draw(st.booleans()))
            client.messages.append(user([result(id, data.draw(words) * 9)]))
        outcome = client.send(Means(memory=memory), data.draw(st.sampled_from(Moment)))
        assert refusal(outcome.request) is None
        client.answer(outcome, [text("Done.")])
