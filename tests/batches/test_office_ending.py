"""An office ends when it is told to, whatever news comes at that moment, and does not end before."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from batches.batch_worlds import QUICK, params
from service.worlds import MODELS, settings

from semcache import SemanticCache
from semcache.batches.errands import run_errand
from semcache.batches.office import Office
from semcache.batches.rules import Rules
from semcache.drivers import inline
from semcache.exchange import Call
from semcache.pricing import PriceBook
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator


@pytest.fixture
def cache(tmp_path):
    with SemanticCache(settings(tmp_path, upstream="simulator", embedder="hashed")) as opened:
        yield opened


def no_call(call):
    raise AssertionError("nothing is asked here")


def office_of(cache, *, watch_seconds):
    rules = Rules(watch_seconds=watch_seconds)
    office = Office(cache.parts.assembly, cache.flights.upstream, send=no_call, clock=time.time, rules=rules)
    office.advance = inline  # so that it stands still wherever it waits, and a test knows where
    return office


@asynccontextmanager
async def running(office):
    task = asyncio.create_task(office.run())
    try:
        yield task
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=1)


@pytest.mark.parametrize("rounds", range(6))
def test_one_that_has_news_at_the_moment_of_its_end_ends(cache, rounds):
    """`asyncio.wait_for` of Python 3.11 forgets that it was cancelled where what it waits for has just happened."""

    async def told_of_both():
        office = office_of(cache, watch_seconds=3600)
        async with running(office) as task:
            await asyncio.sleep(0)  # it has looked around, and waits for news
            office.wake("msgbatch_of_nobody")
            for _ in range(rounds):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=20)
            return task.cancelled()

    assert asyncio.run(told_of_both())


def test_one_that_makes_a_mistake_goes_on(cache, caplog):
    """Whoever waits for his batch would wait for ever: nobody looks at a task that has ended by itself."""

    async def mistaken_once():
        office, looks = office_of(cache, watch_seconds=0.01), 0

        def take_charge():
            nonlocal looks
            looks += 1
            if looks == 1:
                raise RuntimeError("the text of a prompt")
            return False

        office.batches.take_charge = take_charge
        async with running(office) as task:
            async with asyncio.timeout(20):
                while looks < 2 and not task.done():
                    await asyncio.sleep(0.01)
            return looks

    assert asyncio.run(mistaken_once()) >= 2
    assert "RuntimeError" in caplog.text
    assert "the text of a prompt" not in caplog.text


def test_an_errand_that_has_ended_is_fetched_again_and_again(tmp_path):
    """Its office opens, has news at once, and closes at once."""
    quick = Simulator(PriceBook.load(MODELS / "claude.toml"), conduct=Conduct(batches=BatchConduct(seconds=0.05)))
    with SemanticCache(settings(tmp_path, embedder="hashed"), upstream=quick) as cache:
        calls = [Call(replace(cache.parts.request("", api_key="key-of-anna"), body=params("Why?")))]
        fetched = {
            cache.portal.call(run_errand(cache.parts.assembly, cache.flights, "optimise", calls, rules=QUICK)).id
            for _ in range(200)
        }
    assert len(fetched) == len(quick.batches) == 1
