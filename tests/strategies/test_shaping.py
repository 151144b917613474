"""What is sent on a miss, through the library and the strict simulator: marks and short histories, decided together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock

from semcache import SemanticCache, Settings
from semcache.policy import STRATEGIES
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Json
from semcache.strategies.remaining import RemainingTurns
from semcache.upstream.simulator import Simulator

MODEL = "claude-sonnet-5-5"
SYSTEM = ("You answer travellers of the northern line, kindly and in few words. " * 80).strip()  # 1,500 tokens


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


def chat(cache: SemanticCache, clock: Clock, turns: int, *, gap_seconds: float = 20, **options: Any) -> float:
    """Dollars that a conversation of so many turns costs."""
    history: list[Json] = []
    for number in range(turns):
        question = f"And which train goes on from station {number}? I walked for hours, and it rained all day. " * 4
        answer = cache.ask(question, model=MODEL, system=SYSTEM, history=history, mode="off", **options)
        history += [{"role": "user", "content": question}, {"role": "assistant", "content": answer.message.text}]
        clock.advance(gap_seconds)
    return float(cache.parts.upstream.bill_usd)


def test_a_long_conversation_is_read_from_the_prompt_cache(opened: Any, clock: Clock) -> None:
    marked, plain = opened(), opened(strategies=())
    assert chat(marked, clock, 20) < 0.5 * chat(plain, clock, 20)
    assert all("cache_control" not in str(call.body) for call in plain.parts.upstream.calls)


def test_what_is_saved_shows_on_the_answer(opened: Any, clock: Clock) -> None:
    cache = opened()
    chat(cache, clock, 5)
    answer = cache.ask("And then?", model=MODEL, system=SYSTEM, mode="off")
    assert answer.call.request.shaped_by == ("prompt_caching",)
    assert answer.message.usage.cache_read_tokens > 1_000


def test_a_caller_switches_marks_off(opened: Any, clock: Clock) -> None:
    cache = opened()
    chat(cache, clock, 5, strategies="-prompt_caching")
    assert all("cache_control" not in str(call.body) for call in cache.parts.upstream.calls)


@pytest.mark.parametrize("gap_seconds", [15, 240, 1_000])
def test_together_they_cost_no_more_than_either_alone(opened: Any, clock: Clock, gap_seconds: float) -> None:
    costs = {
        names: chat(opened(strategies=names), clock, 25, gap_seconds=gap_seconds)
        for names in ((), ("compression",), ("prompt_caching",), STRATEGIES)
    }
    assert costs[STRATEGIES] <= min(costs.values()) * 1.02


def test_the_options_are_told_with_their_prices(opened: Any, clock: Clock) -> None:
    cache = opened(strategies=STRATEGIES)
    chat(cache, clock, 12, gap_seconds=1_000)
    history = [{"role": role, "content": "The weather was fine, and the day was long. " * 30}
               for _ in range(14) for role in ("user", "assistant")]  # fmt: skip
    request = cache.parts.request("Where next?", model=MODEL, system=SYSTEM, history=history)
    options = cache.parts.assembly.miss_path.shaping.options(request)
    assert {option.name for option in options} == {"as before", "compressed", "summarised"}
    assert options[0].course_usd <= options[1].course_usd
    assert all("more turns expected" in option.because for option in options)


def test_what_was_learned_survives_a_restart(opened: Any, clock: Clock) -> None:
    first = opened(store="local:")
    chat(first, clock, 6)
    first.close()
    again = opened(store="local:")
    answer = again.ask("Good morning?", model=MODEL, system=SYSTEM, mode="off")
    assert answer.call.request.shaped_by == ("prompt_caching",)


def test_the_more_conversations_go_on_the_more_turns_are_expected() -> None:
    short, long = RemainingTurns(), RemainingTurns()
    for _ in range(50):
        short.note(1)
        for turn in range(1, 21):
            long.note(turn)
    assert short.expected(1) < 1 < long.expected(1)
    assert long.expected(20) < long.expected(2)
    again = RemainingTurns()
    again.restore(long.to_bytes())
    assert again.expected(3) == long.expected(3)


def test_the_ledger_books_what_marks_have_saved_and_what_writing_them_cost(opened: Any, clock: Clock) -> None:
    cache = opened()
    chat(cache, clock, 6)
    total = {row.key[0]: row for row in cache.savings().outcomes}["bypass"]
    assert total.cost_usd < total.baseline_usd
    assert float(total.cost_usd) == pytest.approx(float(cache.parts.upstream.bill_usd))
    plain = opened(strategies=())
    unassisted = chat(plain, clock, 6)
    assert float(total.baseline_usd) == pytest.approx(unassisted, rel=0.01)


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5", "auto"])
def test_a_conversation_that_sends_its_thinking_back_is_never_refused(opened: Any, clock: Clock, model: str) -> None:
    cache, history = opened(strategies=STRATEGIES), []
    for number in range(34):
        question = f"And which train goes on from station {number}? I walked for hours, and it rained all day."
        strategies = "-compression" if number % 9 == 8 else None
        answer = cache.ask(question, model=model, system=SYSTEM, history=history, mode="off", strategies=strategies)
        history += [{"role": "user", "content": question}, {"role": "assistant", "content": answer.message.blocks}]
        clock.advance(4_000 if number % 11 == 10 else 30)
    assert any(
        "compression" in str(call.body) or len(call.body["messages"]) < 60 for call in cache.parts.upstream.calls
    )
