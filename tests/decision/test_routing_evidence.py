"""What routing may believe: certificates by category, escalations, and outcomes that survive being kept."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.decision.routing.evidence import RouteEvidence
from semcache.decision.routing.quality import Outcome

CATEGORY = "extraction:small<large"
DAY = 86_400.0


def evidence(tolerance: float = 0.05) -> RouteEvidence:
    return RouteEvidence(tolerance=tolerance, dims=4)


def watched(known: RouteEvidence, worse: list[bool], *, seed: int = 0) -> int:
    """Route one request for each outcome; how many were asked of both models."""
    randomness, compared = random.Random(seed), 0
    for place, is_worse in enumerate(worse):
        plan = known.plan(CATEGORY, randomness, was_named=True)
        compared += plan.is_drawn
        known.settle(CATEGORY, plan, is_worse if plan.is_drawn else None, place * 60.0)
    return compared


def test_nothing_is_certified_at_first_nor_after_a_few() -> None:
    known = evidence()
    assert not known.is_certified(CATEGORY)
    assert watched(known, [False] * 40) == 40
    assert not known.is_certified(CATEGORY)


def test_a_hundred_equal_answers_certify_one_in_twenty_and_it_stays_so_at_falling_cost() -> None:
    known = evidence()
    watched(known, [False] * 110)
    assert known.is_certified(CATEGORY)
    compared = 0
    for number in range(20):
        compared += watched(known, [False] * 100, seed=number)
        assert known.is_certified(CATEGORY)
    assert compared < 700


def test_what_becomes_worse_loses_its_certificate() -> None:
    known = evidence()
    watched(known, [False] * 300)
    assert known.is_certified(CATEGORY)
    watched(known, [True] * 200, seed=1)
    assert not known.is_certified(CATEGORY)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([0.08, 0.12, 0.3]))
def test_a_model_that_is_worse_too_often_is_seldom_certified(seed: int, rate: float) -> None:
    """Ever, in 300 requests: the bound holds at all times at once, so in at most one stream of twenty."""
    randomness = random.Random(seed)
    known = evidence()
    ever = False
    for _ in range(15):
        watched(known, [randomness.random() < rate for _ in range(20)], seed=randomness.randrange(10**6))
        ever |= known.is_certified(CATEGORY)
    _SEEN.append(ever)
    if len(_SEEN) >= 30:
        assert sum(_SEEN) / len(_SEEN) <= 0.1


_SEEN: list[bool] = []


def test_an_arm_that_is_often_worse_is_refuted_where_the_choice_is_ours() -> None:
    known, randomness = evidence(), random.Random(3)
    for place in range(4_000):
        plan = known.plan(CATEGORY, randomness, was_named=False)
        known.settle(CATEGORY, plan, (place % 4 == 0) if plan.is_drawn else None, place)
    assert known.is_refuted(CATEGORY)
    assert not known.is_refuted("another")


def test_the_escalation_rate_begins_at_one_in_twenty_and_follows_what_happens() -> None:
    known = evidence()
    assert known.escalation_rate(CATEGORY) == pytest.approx(0.05)
    for _ in range(180):
        known.note_attempt(CATEGORY, escalated=True)
    assert known.escalation_rate(CATEGORY) > 0.9


def test_what_is_kept_comes_back_the_same() -> None:
    known = evidence()
    watched(known, [False] * 130)
    known.note_attempt(CATEGORY, escalated=True)
    for vector, outcome in zip(np.eye(4, dtype=np.float32), Outcome, strict=True):
        known.learn(vector, outcome)
    again = evidence()
    again.restore(json.loads(json.dumps(known.as_json())))
    assert again.is_certified(CATEGORY) == known.is_certified(CATEGORY)
    assert again.reports(DAY) == known.reports(DAY)
    assert np.allclose(again.neighbours.vectors, known.neighbours.vectors, atol=0.01)
    assert (again.neighbours.outcomes == known.neighbours.outcomes).all()


def test_vectors_of_another_model_are_forgotten_and_the_rest_stays() -> None:
    known, other = evidence(), RouteEvidence(tolerance=0.05, dims=3)
    watched(known, [False] * 130)
    known.learn(np.ones(4, np.float32), Outcome.BOTH)
    other.restore(known.as_json())
    assert other.is_certified(CATEGORY)
    assert len(other.neighbours.vectors) == 0


def test_a_vector_of_another_shape_teaches_nothing() -> None:
    known = evidence()
    known.learn(np.ones(7, np.float32), Outcome.BOTH)
    known.learn(None, Outcome.BOTH)
    assert len(known.neighbours.vectors) == 0
