"""`batch` of the library: prompts in, results out, known answers for nothing and the rest at half price."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock

from semcache import AsyncSemanticCache, SemanticCache, Settings
from semcache.batching.message_batch import Counts
from semcache.batching.results import SucceededResult
from semcache.errors import InvalidRequest
from semcache.message import Message
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator

HAIKU = "claude-haiku-5-5"
PROMPTS = ["Why is moss green?", "How old is the oak?", "Why is moss green?"]


def settings(tmp_path: Path) -> Settings:
    return Settings(embedder="hashed", data_dir=tmp_path, audits=False)


def simulator(clock: Clock) -> Simulator:
    quick = Conduct(batches=BatchConduct(seconds=0.0))
    return Simulator(PriceBook.load(find_claude_manifest(None)), clock=clock, conduct=quick)


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Iterator[SemanticCache]:
    with SemanticCache(settings(tmp_path), upstream=simulator(clock), clock=clock) as cache:
        yield cache


def texts(results: Any) -> list[str]:
    return [Message(line.result.message).text for line in results if isinstance(line.result, SucceededResult)]


def test_prompts_are_answered_in_their_order_and_twins_are_sent_once(cache: SemanticCache) -> None:
    seen: list[Counts] = []
    found = cache.batch(PROMPTS, model=HAIKU, on_progress=seen.append)
    assert [line.custom_id for line in found] == ["request-0", "request-1", "request-2"]
    first, second, third = texts(found)
    assert first == third != second
    assert seen[-1].succeeded == 3
    parts = cache.savings().total.parts
    assert parts["batch"] > 0
    assert cache.savings().total.cost_usd == cache.parts.upstream.bill_usd


def test_what_memory_knows_costs_nothing(cache: SemanticCache) -> None:
    cache.ask(PROMPTS[0], model=HAIKU)
    before = cache.parts.upstream.bill_usd
    assert len(texts(cache.batch([PROMPTS[0]], model=HAIKU))) == 1
    assert cache.parts.upstream.bill_usd == before


def test_a_batch_of_nothing_is_refused(cache: SemanticCache) -> None:
    with pytest.raises(InvalidRequest, match="requests"):
        cache.batch([])


def test_an_event_loop_awaits_its_batch(tmp_path: Path, clock: Clock) -> None:
    async def scenario() -> list[str]:
        async with AsyncSemanticCache(settings(tmp_path), upstream=simulator(clock), clock=clock) as cache:
            one, other = await asyncio.gather(
                cache.batch(PROMPTS, model=HAIKU), cache.batch(["How deep is the sea?"], model=HAIKU)
            )
            return [*texts(one), *texts(other)]

    assert len(asyncio.run(scenario())) == 4
