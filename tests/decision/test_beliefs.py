"""What a namespace has learned: it adds up, it survives a restart, and evidence is never lost."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import trusting_scorer

from semcache.decision.audit_schedule import NO_AUDITS, AuditPlan, AuditSchedule
from semcache.decision.beliefs import LEAST_LABELS, Beliefs, LabelledCase
from semcache.decision.evidence import FEATURES

SIMILARITY = FEATURES.index("similarity")
DRAWN = AuditPlan(1.0, True, True, False)


def beliefs(**changes: Any) -> Beliefs:
    options = {"prior": trusting_scorer(0.8), "error_budget": 0.01, "schedule": AuditSchedule(), **changes}
    return Beliefs(options.pop("prior"), **options)


def case(similarity: float, *, same: bool) -> LabelledCase:
    values = np.zeros(len(FEATURES))
    values[SIMILARITY] = similarity
    return LabelledCase(tuple(values), same)


def lived() -> Beliefs:
    """Beliefs that have seen a little of everything."""
    known, randomness = beliefs(), random.Random(1)
    for number in range(200):
        known.book_other()
        plan = known.book_hit(0.97, randomness)
        if plan.is_drawn:
            known.settle_audit(plan, 0.97, number % 50 == 0, float(number))
        else:
            known.settle_unaudited(plan, float(number))
        if known.learn(case(0.9 if number % 3 else 0.3, same=bool(number % 3))):
            known.refit()
    return known


def restored(kept: Beliefs, cases: list[LabelledCase] | None = None, **changes: Any) -> Beliefs:
    fresh = beliefs(**changes)
    fresh.restore(json.loads(json.dumps(kept.as_json())))
    fresh.take_cases(cases or [])
    return fresh


def test_after_a_restart_decisions_are_the_same() -> None:
    before = lived()
    after = restored(before)
    assert after.as_json() == before.as_json()
    values = np.array(case(0.85, same=True).values)
    assert after.now().scorer.confidence(values) == pytest.approx(before.now().scorer.confidence(values))
    assert (after.now().cut, after.now().caution) == (before.now().cut, before.now().caution)


def test_another_budget_starts_anew_and_keeps_the_evidence() -> None:
    before = lived()
    after = restored(before, error_budget=0.05)
    assert after.budget.requests == 0
    assert after.record.as_json() == before.record.as_json()


def test_weights_of_other_features_are_left_behind() -> None:
    before = lived()
    kept = json.loads(json.dumps(before.as_json()))
    kept["features"] = [*kept["features"][:-1], "astrology"]
    after = beliefs()
    after.restore(kept)
    assert after.now().scorer.all_weights == beliefs().now().scorer.all_weights
    assert after.record.as_json() == before.record.as_json()


def test_a_refit_is_due_now_and_then_and_moves_the_weights_to_the_labels() -> None:
    prior = trusting_scorer(0.8)
    known = beliefs(prior=replace(prior, precision=np.full(len(prior.precision), 0.1)))
    due = [known.learn(case(0.9, same=True)) for _ in range(200)]
    assert not any(due[: LEAST_LABELS - 1])
    assert any(due)
    doubtful = np.array(case(0.75, same=False).values)
    before = known.now().scorer.confidence(doubtful)
    for _ in range(200):
        known.learn(case(0.75, same=False))
    known.refit()
    assert known.labels == 400
    assert known.now().scorer.confidence(doubtful) < min(before, 0.1)


def test_all_of_the_first_hits_are_audited_and_then_fewer() -> None:
    known, randomness = beliefs(), random.Random(1)
    plans = []
    for _ in range(2000):
        plan = known.book_hit(0.9999, randomness)
        plans.append(plan)
        if plan.is_drawn:
            known.settle_audit(plan, 0.9999, False, 0.0)
    drawn = [plan.is_drawn for plan in plans]
    assert all(drawn[:50])
    assert 0.15 < np.mean(drawn[50:400]) < 0.3
    assert np.mean(drawn[1500:]) < 0.08


def test_without_audits_none_is_drawn_and_nothing_is_certified() -> None:
    known, randomness = beliefs(schedule=NO_AUDITS), random.Random(1)
    for _ in range(100):
        plan = known.book_hit(0.95, randomness)
        assert not plan.is_drawn
        known.settle_unaudited(plan, 0.0)
    assert known.record.certificate(0.0).upper_bound == 1.0


def test_wrong_audits_lower_the_cut() -> None:
    known, randomness = beliefs(), random.Random(1)
    for _ in range(20):
        known.book_hit(0.97, randomness)
    before = known.now().cut
    for _ in range(5):
        known.settle_audit(DRAWN, 0.97, True, 0.0)
    assert known.now().cut < before


def test_requests_without_a_hit_widen_the_cut() -> None:
    known = beliefs()
    before = known.now().cut
    for _ in range(500):
        known.book_other()
    assert known.now().cut > before
