"""Errands: sent by one process, carried out by the service that is in charge, fetched once and booked once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from batches.batch_worlds import PATH, TOPICS, params
from service.worlds import until

from semcache import SemanticCache
from semcache.batches.errands import answers_of, run_errand
from semcache.errors import UpstreamError
from semcache.exchange import Call
from semcache.stores.local.charge import release, seize
from semcache.upstream.simulator import BatchConduct


def is_in_charge(world):
    """Whether the service has taken the batches of its store in hand."""
    free = seize(Path(world.settings.data_dir) / "batches.lock")
    if free is not None:
        release(free)
    return free is None


@pytest.fixture
def sent_beside(monkeypatch):
    """Sends questions from a library on the state of a running service."""

    def send(world, questions):
        until(lambda: is_in_charge(world))  # or the library would be, and carry it out itself
        with SemanticCache(world.settings, clock=world.clock) as cache:
            like = cache.parts.request("", api_key="key-of-anna")
            calls = [Call(replace(like, body=params(question))) for question in questions]
            errand = run_errand(cache.parts.assembly, cache.flights, "optimise", calls)
            results = cache.portal.call(errand)
            return results, answers_of(results), cache.parts.assembly.ledger.overhead

    return send


def test_the_service_in_charge_carries_it_out_and_books_it(world, sent_beside):
    world.ask("Anything, so that it is up?")
    real_time_usd = world.simulator.bill_usd
    results, answers, booked_here = sent_beside(world, TOPICS[:3])
    assert [answer.coalesced for answer in answers] == [True] * 3  # booked already, and not by who sent it
    assert booked_here == (Decimal(0), 0)
    [batch] = world.simulator.batches
    rows = {row["outcome"]: row for row in world.http("GET", "/semcache/v1/savings").json()["outcomes"]}
    assert Decimal(rows["optimise"]["cost_usd"]) == batch.cost_usd == world.simulator.bill_usd - real_time_usd
    assert world.http("GET", PATH).json()["data"] == []
    assert world.http("GET", f"{PATH}/{results.id}/results").status_code == 404
    [view] = world.http("GET", "/semcache/v1/batches").json()["batches"]
    assert (view["id"], view["own"]) == (results.id, True)


def test_the_same_questions_are_the_same_errand_until_it_is_forgotten(world, sent_beside):
    first, _, _ = sent_beside(world, TOPICS[:2])
    assert sent_beside(world, TOPICS[:2])[0].id == first.id
    assert len(world.simulator.batches) == 1
    assert sent_beside(world, TOPICS[1:3])[0].id != first.id
    assert len(world.simulator.batches) == 2


def test_a_question_that_is_asked_twice_is_asked_twice(world, sent_beside):
    sent_beside(world, [TOPICS[0]] * 2)
    assert world.questions_sent() == [TOPICS[0]] * 2  # what the cache knows, or is asked beside it, is no answer


def test_what_is_refused_is_told_by_its_place(open_world, sent_beside):
    is_doomed = lambda body: 500 if body["messages"][0]["content"] == TOPICS[1] else None  # noqa: E731
    world = open_world(conduct=BatchConduct(seconds=0.1, fails=is_doomed))
    _, answers, _ = sent_beside(world, TOPICS[:3])
    assert [isinstance(answer, UpstreamError) for answer in answers] == [False, True, False]
