"""Summaries on the path of a request: where they are named and pay, once for each block, and on the bill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock
from test_compression_step import talk

from semcache import SemanticCache, Settings
from semcache.errors import UpstreamTimeout
from semcache.exchange import Purpose, send_upstream
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Caller, Request
from semcache.strategies.breakpoints.caching import PromptCaching
from semcache.strategies.breakpoints.memory import PrefixMemory
from semcache.strategies.compression.blocks import Blocks
from semcache.strategies.compression.terms import Terms
from semcache.strategies.consent import Consent
from semcache.strategies.remaining import RemainingTurns
from semcache.strategies.shaping import Shaping
from semcache.strategies.summaries import Summaries, cheapest_of
from semcache.upstream.simulator import Simulator

MODEL = "claude-sonnet-5-5"
BOTH = ("compression", "summaries")
TOLD = "The user walks from place to place in the rain, likes quiet inns, and was told of one by the water in each."


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., SemanticCache]]:
    caches: list[SemanticCache] = []

    def opening(**settings: Any) -> SemanticCache:
        simulator = Simulator(PriceBook.load(find_claude_manifest(None)), clock=clock)
        chosen = Settings(
            **{"store": "memory:", "embedder": "hashed", "data_dir": tmp_path, "audits": False, **settings}
        )
        caches.append(SemanticCache(chosen, upstream=simulator, clock=clock))
        return caches[-1]

    yield opening
    for cache in caches:
        cache.close()


def say(cache: SemanticCache, turns: int, **options: Any) -> Any:
    *history, last = talk(turns)
    return cache.ask(last["content"], model=MODEL, history=history, mode="off", **options)


def models_called(cache: SemanticCache) -> list[str]:
    return [call.model for call in cache.parts.upstream.calls]


def test_old_turns_are_summarised_once_by_the_cheapest_model_and_the_bill_says_so(opened: Any) -> None:
    cache = opened(strategies=BOTH)
    first = say(cache, 30)
    asked = models_called(cache)
    assert set(asked) == {"claude-haiku-5-5", MODEL}
    assert asked[-1] == MODEL
    assert "[Summary of earlier turns]" in str(first.call.request.messages)
    assert [attempt.why for attempt in first.attempts] == ["summary"] * (len(asked) - 1)
    later = say(cache, 31)
    assert models_called(cache)[len(asked) :] == [MODEL]
    frozen = len(first.call.request.messages) - 13  # what was sent in full lies behind the blocks
    assert later.call.request.messages[:frozen] == first.call.request.messages[:frozen]
    assert not later.attempts
    assert "cascade" not in first.call.request.shaped_by
    assert [(part.what, part.usd > 0) for part in cache.savings().caused] == [("call:summary", True)]


@pytest.mark.parametrize("options", [{"strategies": "-summaries"}, {"strategies": "none"}])
def test_a_caller_opts_out_of_summaries(opened: Any, options: Any) -> None:
    cache = opened(strategies=BOTH)
    say(cache, 30, **options)
    assert models_called(cache) == [MODEL]


@pytest.mark.parametrize("strategies", [("compression",), ("summaries",)])
def test_nobody_else_reads_a_conversation_unless_both_are_allowed(opened: Any, strategies: Any) -> None:
    cache = opened(strategies=strategies)
    say(cache, 30)
    assert models_called(cache) == [MODEL]


def test_a_summary_that_cannot_be_had_gives_way_to_chosen_sentences(clock: Clock) -> None:
    prices, consent = PriceBook.load(find_claude_manifest(None)), Consent(BOTH, {})
    shaping = Shaping(
        prices,
        consent,
        PromptCaching(consent, PrefixMemory(), clock=clock),
        blocks=Blocks(),
        turns=RemainingTurns(),
        terms=Terms(),
        summaries=Summaries(consent, prices.model("claude-haiku-5-5")),
        clock=clock,
    )
    body = {"model": MODEL, "max_tokens": 50, "messages": talk(30)}
    exchange = shaping.step(Request(body, caller=Caller(credential="one")), send_upstream)
    call = next(exchange)
    while call.purpose is Purpose.SUMMARISE:
        call = exchange.throw(UpstreamTimeout("nobody answers"))
    assert call.request.model == MODEL
    assert "…" in str(call.request.messages)
    assert "Summary" not in str(call.request.messages)
    exchange.close()


def test_the_option_is_told_with_its_price(opened: Any) -> None:
    cache = opened(strategies=BOTH)
    *history, last = talk(30)
    sending = cache.explain_sending(last["content"], model=MODEL, history=history)
    ways = {way.name: way for way in sending.ways}
    assert set(ways) == {"summarised", "compressed", "as before"}
    assert "calls for $" in ways["summarised"].because


def test_the_cheapest_model_is_one_that_answers() -> None:
    prices = PriceBook.load(find_claude_manifest(None))
    cheapest = cheapest_of(prices, date(2026, 11, 23))
    assert cheapest is not None
    assert cheapest.id == "claude-haiku-5-5"
