"""Compression on the path of a request: only where it is asked for, only where it pays, and the same every time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock

from semcache import SemanticCache, Settings
from semcache.policy import STRATEGIES, Namespace
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Json
from semcache.upstream.simulator import Simulator

MODEL = "claude-sonnet-5-5"
SHORT = ("compression",)
PLACES = "Lund Graz Bergen Cork Riga Turin Porto Ghent Split Bath Vilnius Trieste".split()


def talk(turns: int) -> list[Json]:
    """A conversation of so many user turns that ends with one."""
    messages: list[Json] = []
    for number in range(turns):
        place = PLACES[number % len(PLACES)]
        messages.append(
            {
                "role": "user",
                "content": f"It rained again and I walked for hours. Where should we stop near {place}? I like quiet "
                f"places. The day was long, and there is much more that I could tell you about stop {number}.",
            }
        )
        messages.append(
            {
                "role": "assistant",
                "content": f"What a journey that must have been. In {place} there is a small inn by the water. "
                f"It is quiet, and breakfast is served until ten. Many travellers speak well of it.",
            }
        )
    return messages[:-1]


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
    messages = talk(turns)
    return cache.ask(messages[-1]["content"], model=MODEL, history=messages[:-1], **options)


def unmarked(messages: list[Json]) -> list[Json]:
    """In one form: lists of blocks without marks."""
    plain = []
    for message in messages:
        blocks = message["content"]
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        kept = [{name: value for name, value in block.items() if name != "cache_control"} for block in blocks]
        plain.append({**message, "content": kept})
    return plain


def sent(answer: Any) -> list[Json]:
    return answer.call.request.messages


def test_nothing_is_compressed_unless_it_is_asked_for(opened: Any) -> None:
    answer = say(opened(), 30)
    assert "compression" not in answer.call.request.shaped_by
    assert "inn by the water" in json.dumps(sent(answer)[1])


def test_a_long_conversation_is_sent_in_short_and_costs_less(opened: Any) -> None:
    answer = say(opened(strategies=SHORT), 30)
    assert answer.call.request.shaped_by == ("compression",)
    assert len(json.dumps(sent(answer), ensure_ascii=False)) < 0.8 * len(json.dumps(talk(30)))
    assert sent(answer)[-5:] == talk(30)[-5:]
    assert answer.saved_usd > 0


def test_a_short_conversation_goes_as_it_came(opened: Any) -> None:
    assert sent(say(opened(strategies=SHORT), 3)) == talk(3)


def test_what_was_compressed_stays_so_while_the_conversation_goes_on(opened: Any) -> None:
    cache = opened(strategies=STRATEGIES)
    prefixes = [unmarked(sent(say(cache, turns))) for turns in range(20, 26)]
    for earlier, later in itertools.pairwise(prefixes):
        common = 0
        while common < len(earlier) and earlier[common] == later[common]:
            common += 1
        assert common >= len(earlier) - 1  # what is warm is not written anew


def test_a_caller_opts_out(opened: Any) -> None:
    answer = say(opened(strategies=SHORT), 30, strategies="-compression")
    assert sent(answer) == talk(30)


def test_a_namespace_opts_in(opened: Any) -> None:
    cache = opened(strategies=SHORT, namespaces={"shop": Namespace(strategies=("compression",))})
    assert sent(say(cache, 30, namespace="shop")) != talk(30)


def test_a_question_about_everything_gets_everything(opened: Any) -> None:
    cache, messages = opened(strategies=SHORT), talk(30)
    answer = cache.ask("Summarise our whole conversation so far.", model=MODEL, history=messages[:-1])
    assert sent(answer)[:-1] == messages[:-1]


def test_what_was_frozen_survives_a_restart(tmp_path: Path, clock: Clock, opened: Any) -> None:
    settings = {"store": "local:", "strategies": SHORT}
    first = opened(**settings)
    before = sent(say(first, 30))
    first.close()
    assert sent(say(opened(**settings), 30, mode="off")) == before


def test_every_length_of_conversation_is_taken_by_the_strict_simulator(opened: Any, clock: Clock) -> None:
    cache = opened(strategies=SHORT)
    for turns in range(1, 40):
        clock.advance(1_000 if turns % 7 == 0 else 5)
        assert say(cache, turns, mode="off").message.stop_reason == "end_turn"
