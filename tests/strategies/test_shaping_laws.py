"""Laws of shaping, all strategies at once, on growing conversations that nobody has written by hand."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from compression_talks import TOOLS, assistant, call, result, text, user
from fakes import Clock

from semcache.exchange import Call, Purpose, send_upstream
from semcache.message import Message
from semcache.policy import PROMPT_CACHING, STRATEGIES
from semcache.pricing import PriceBook
from semcache.request import Caller, Json, Request
from semcache.strategies.breakpoints.caching import PromptCaching
from semcache.strategies.breakpoints.memory import PrefixMemory
from semcache.strategies.compression.blocks import Blocks
from semcache.strategies.compression.terms import Terms
from semcache.strategies.consent import Consent
from semcache.strategies.remaining import RemainingTurns
from semcache.strategies.shaping import Shaping
from semcache.strategies.summaries import Summaries

LONG = "The ferry leaves at nine and the harbour opens at six on every day of the week. " * 30
MARK = {"cache_control": {"type": "ephemeral"}}
TERMS = Terms(recent_turns=2, block_turns=3, results_kept=1, results_group=2)
MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5", "claude-opus-4-6")


def shaping(book: PriceBook, clock: Clock, strategies: tuple[str, ...]) -> Shaping:
    consent = Consent(strategies, {})
    return Shaping(
        book,
        consent,
        PromptCaching(consent, PrefixMemory(), clock=clock),
        blocks=Blocks(),
        turns=RemainingTurns(),
        terms=TERMS,
        summaries=Summaries(consent, book.model("claude-haiku-5-5")),
        clock=clock,
    )


def exchange_of_turns(chance: random.Random, number: int) -> list[Json]:
    """A user turn with or without a document and a mark, perhaps tools at work, and an answer."""
    marked = MARK if chance.random() < 0.08 else {}
    question: list[Json] = [text(f"Which of the {number} boats leaves first? I like it quiet. {LONG}", **marked)]
    if chance.random() < 0.2:
        source = {"type": "text", "media_type": "text/plain", "data": LONG}
        question.insert(0, {"type": "document", "source": source})
    turns = [user(question if chance.random() < 0.7 else f"And boat {number}? {LONG}")]
    for round_ in range(chance.choice([0, 0, 1, 2])):
        ids = [f"toolu_{number}_{round_}_{each}" for each in range(chance.randint(1, 2))]
        turns.append(assistant([text("Let me see."), *(call(id, f"boat {number}") for id in ids)]))
        turns.append(user([result(id, LONG * chance.randint(0, 2) or "none") for id in ids]))
    return [*turns, assistant(f"Boat {number} leaves at {number % 12} and costs {number} euros. {LONG}")]


def conversation(seed: int, model: str) -> list[Request]:
    """Every request of it, each a turn longer than the last."""
    chance = random.Random(seed)
    more: dict[str, Any] = {"tools": TOOLS}
    if chance.random() < 0.7:
        more["system"] = [text(LONG, **(MARK if chance.random() < 0.3 else {}))]
    if chance.random() < 0.15:
        more["cache_control"] = {"type": "ephemeral"}
    messages: list[Json] = []
    requests = []
    for number in range(chance.randint(5, 14)):
        turns = exchange_of_turns(chance, number)
        body = {"model": model, "max_tokens": 900, "messages": [*messages, turns[0]], **more}
        requests.append(Request(copy.deepcopy(body), caller=Caller(credential="one")))
        messages += turns
    return requests


def taken(shaper: Shaping, request: Request, refusal: Any) -> Request:
    """What is sent for it, every call on the way being one that Claude takes."""
    exchange = shaper.step(request, send_upstream)
    sent = next(exchange)
    while True:
        assert isinstance(sent, Call)
        assert refusal(sent.request) is None
        said = "They asked for quiet boats; one leaves at nine." if sent.purpose is Purpose.SUMMARISE else "At nine."
        usage = {"input_tokens": 5, "cache_creation_input_tokens": 900, "output_tokens": 20}
        body = {"content": [text(said)], "stop_reason": "end_turn", "usage": usage, "model": sent.request.model}
        try:
            following = exchange.send(Message(body))
        except StopIteration:
            return sent.request
        sent = following


def stripped(value: Any) -> Any:
    """Without marks, every content a list."""
    if isinstance(value, dict):
        kept = {name: stripped(item) for name, item in value.items() if name != "cache_control"}
        for name in ("content", "system"):
            if isinstance(kept.get(name), str):
                kept[name] = [text(kept[name])]
        return kept
    return [stripped(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(24))
def test_whatever_is_decided_claude_takes_it_and_the_caller_keeps_his_own(
    book: PriceBook, refusal: Any, clock: Clock, seed: int
) -> None:
    shaper, chance = shaping(book, clock, STRATEGIES), random.Random(seed)
    for request in conversation(seed, MODELS[seed % len(MODELS)]):
        before = copy.deepcopy(request.body)
        if refusal(request) is not None:  # the caller's own marks are too many: not ours to mend
            return
        taken(shaper, request, refusal)
        assert request.body == before
        clock.advance(chance.choice([20, 20, 400, 4_000]))


def test_marks_alone_never_change_what_is_said(book: PriceBook, refusal: Any, clock: Clock) -> None:
    marks = 0
    for seed in range(12):
        shaper = shaping(book, clock, (PROMPT_CACHING,))
        for request in conversation(seed, MODELS[seed % len(MODELS)]):
            if refusal(request) is None:
                sent = taken(shaper, request, refusal)
                assert stripped(sent.body) == stripped(request.body)
                marks += sent.body != request.body
            clock.advance(30)
    assert marks > 20


@pytest.mark.parametrize("seed", range(6))
def test_with_strategies_off_the_very_request_is_sent(book: PriceBook, refusal: Any, clock: Clock, seed: int) -> None:
    shaper = shaping(book, clock, ())
    assert all(taken(shaper, each, lambda _: None) is each for each in conversation(seed, MODELS[0]))
