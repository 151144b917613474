"""Summaries by the cheapest model: once for each block, kept for good, never the only copy of what must hold."""

from __future__ import annotations

from itertools import pairwise

import pytest
from compression_talks import PLACES, Notebook, asking, call, result, sent_messages, talk, texts_of, user

from semcache.errors import UpstreamTimeout
from semcache.message import text_message
from semcache.strategies.compression import Compression, Means, Moment, Share, Terms, compressed, restored, summarised

TERMS = Terms(budget=Share(0.4), recent_turns=2, block_turns=4)
SUMMARY = "The user stops in Lisbon, Turin, Ghent and Malmo from May 1 to May 4."


@pytest.fixture
def model(book):
    return book.model("claude-opus-4-6")


@pytest.fixture
def begin(book, model):
    def do(messages, memory, question="Which of them leaves first?"):
        cheapest = book.model("claude-haiku-5-5")
        means = Means(memory=memory)
        return summarised(asking(messages, question), terms=TERMS, model=model, means=means, cheapest=cheapest)

    return do


def answered(exchange, text=SUMMARY, stop_reason="end_turn"):
    """Every call gets this text; what came out, and the calls."""
    calls = []
    try:
        calls.append(next(exchange))
        while True:
            message = text_message(text, model="claude-haiku-5-5", message_id="msg_1", usage={})
            message.body["stop_reason"] = stop_reason
            calls.append(exchange.send(message))
    except StopIteration as stop:
        return stop.value, calls


def test_a_block_is_summarised_once_and_stays_so(begin, book, model):
    memory = Notebook()
    outcome, calls = answered(begin(talk(6), memory))
    outcome.remember(memory)
    later, more = answered(begin(talk(7), memory))
    assert (len(calls), len(more)) == (1, 0)
    assert SUMMARY in texts_of(sent_messages(outcome)[: outcome.frozen_messages])
    assert sent_messages(later)[:2] == sent_messages(outcome)[:2]
    assert restored(later).messages[:-1] == talk(7)
    warm = compressed(asking(talk(7)), terms=TERMS, model=model, means=Means(memory=memory), moment=Moment.WARM)
    assert sent_messages(warm)[:2] == sent_messages(outcome)[:2]


def test_the_call_is_one_that_claude_takes_and_holds_the_old_turns_alone(begin, refusal):
    _, calls = answered(begin(talk(6), Notebook()))
    body = calls[0].request.body
    assert refusal(calls[0].request) is None
    assert all(place in body["messages"][0]["content"] for place in PLACES[:4])
    assert PLACES[5] not in body["messages"][0]["content"]
    assert body["thinking"] == {"type": "disabled"}


def test_what_goes_upstream_is_valid(begin, refusal):
    outcome, _ = answered(begin(talk(6), Notebook()))
    assert refusal(outcome.request) is None
    roles = [message["role"] for message in sent_messages(outcome)]
    assert all(one != other for one, other in pairwise(roles))


def test_standing_instructions_are_repeated_word_for_word(begin):
    messages = talk(6)
    messages[2] = user("Never book an overnight bus. It rained.")
    outcome, _ = answered(begin(messages, Notebook()))
    assert "Never book an overnight bus." in texts_of(sent_messages(outcome))


@pytest.mark.parametrize(
    ("text", "stop_reason"),
    [
        pytest.param(SUMMARY, "max_tokens", id="cut off"),
        pytest.param(SUMMARY, "refusal", id="refused"),
        pytest.param("", "end_turn", id="empty"),
        pytest.param(SUMMARY * 40, "end_turn", id="longer than before"),
    ],
)
def test_a_summary_that_failed_gives_way_to_chosen_sentences(begin, text, stop_reason):
    outcome, _ = answered(begin(talk(6), Notebook()), text, stop_reason)
    assert isinstance(outcome, Compression)
    assert SUMMARY not in texts_of(sent_messages(outcome))


def test_an_upstream_that_fails_gives_way_to_chosen_sentences(begin):
    exchange = begin(talk(6), Notebook())
    next(exchange)
    with pytest.raises(StopIteration) as stop:
        exchange.throw(UpstreamTimeout("late"))
    assert isinstance(stop.value.value, Compression)


@pytest.mark.parametrize("question", ["Summarise our conversation.", "Thanks."])
def test_nothing_is_paid_for_where_nothing_can_be_kept(begin, question):
    _, calls = answered(begin(talk(6), None if question == "Thanks." else Notebook(), question))
    assert calls == []


def test_tool_pairs_leave_together(begin, refusal):
    messages = talk(6)
    lookup = [{"role": "assistant", "content": [call("t1")]}, user([result("t1", "Platform 4. " * 40)])]
    outcome, _ = answered(begin([messages[0], *lookup, *messages[1:]], Notebook()))
    assert "tool_use" not in str(sent_messages(outcome))
    assert refusal(outcome.request) is None
