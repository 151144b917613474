"""The controller of the risk budget: its bound holds for any sequence, it spends, stops and recovers."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.decision.risk_budget import RiskBudget, recommended_aim

STEP = st.tuples(
    st.floats(0.5, 1.0), st.booleans(), st.sampled_from([None, 1.0, 0.2, 0.05]), st.integers(0, 8), st.booleans()
)


def served(budget: RiskBudget, requests: int, *, confidence: float, wrong_share: float = 0.0) -> int:
    randomness, hits = random.Random(1), 0
    for _ in range(requests):
        if not budget.accepts(confidence):
            budget.spend()
            continue
        hits += 1
        budget.spend(confidence)
        budget.settle(confidence, randomness.random() < wrong_share, rate=1.0)
    return hits


@given(st.lists(STEP, max_size=150), st.sampled_from([0.005, 0.05]), st.sampled_from([1.0, 3.0]))
@settings(max_examples=60, deadline=None)
def test_audited_losses_stay_within_budget_and_slack_for_any_sequence(steps, share, harm):
    budget, flying, most = RiskBudget(share, aim=1.0), [], 0
    for requests, (confidence, wrong, rate, delay, free) in enumerate(steps, 1):
        if budget.accepts(confidence, value=4.0, harm=harm):
            budget.spend(confidence, harm=harm)
            flying += [(requests + delay, confidence, wrong, rate)] if rate else []
        else:
            budget.spend()
            if free:
                budget.learn(confidence, wrong)
        most = max(most, len(flying))
        for late in [audit for audit in flying if audit[0] <= requests]:
            budget.settle(late[1], late[2], rate=late[3], harm=harm)
            flying.remove(late)
        assert budget.losses <= requests * (share + budget.slack(requests, late=max(0, most - 1))) + 1e-6


def test_reliable_answers_are_served_and_unreliable_ones_are_not():
    budget = RiskBudget(0.01)
    assert budget.accepts(0.999)
    assert not budget.accepts(0.7)
    assert not budget.accepts(0.9)


def test_what_saves_more_may_risk_more_and_what_harms_more_less():
    budget = RiskBudget(0.01)
    edge = 1 - budget.cut
    assert budget.accepts(edge - 0.01, value=2.0)
    assert not budget.accepts(edge + 0.005, harm=2.0)
    assert not budget.accepts(edge + 0.005, caution=0.5)
    assert not budget.accepts(1.0, caution=0.0)


def test_no_value_buys_a_hit_below_the_least_confidence():
    assert not RiskBudget(0.05, min_confidence=0.9).accepts(0.89, value=100.0)


def test_a_budget_of_nothing_serves_nothing():
    budget = RiskBudget(0.0)
    assert served(budget, 50, confidence=1.0) == 0
    assert budget.cut == 0
    assert RiskBudget.from_json(budget.as_json()).as_json() == budget.as_json()


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_an_impossible_budget_is_refused(share):
    with pytest.raises(ValueError, match="budget"):
        RiskBudget(share)


def test_quiet_hours_save_and_the_cut_rises():
    budget = RiskBudget(0.01)
    before = budget.cut
    served(budget, 2000, confidence=0.5)
    assert budget.cut > 2 * before


def test_expected_risk_is_paced_to_the_aim():
    budget, confidence = RiskBudget(0.01), 0.98
    hits = served(budget, 6000, confidence=confidence, wrong_share=1 - confidence)
    assert 0.3 * 0.01 * 6000 < hits * (1 - confidence) < 0.01 * 6000


def test_guard_stops_hits_and_recovers_by_itself():
    budget = RiskBudget(0.01)
    while budget.cut > 0:
        budget.spend(0.999)
        budget.settle(0.999, True, rate=0.2)
    assert not budget.accepts(1.0)
    served(budget, 6000, confidence=0.0)
    assert budget.accepts(0.999)


def test_audits_that_find_more_than_expected_lower_trust_and_the_cut():
    budget = RiskBudget(0.01)
    served(budget, 500, confidence=0.99)
    trust, cut = budget.trust, budget.cut
    for _ in range(5):
        budget.settle(0.99, True, rate=None)
    assert budget.trust > trust
    assert budget.cut < cut
    assert budget.losses == 0


def test_free_labels_near_the_cut_tell_of_trust_and_far_ones_do_not():
    budget = RiskBudget(0.01)
    before = budget.as_json()
    budget.learn(0.4, wrong=True)
    assert budget.as_json() == before
    trust = budget.trust
    for _ in range(20):
        budget.learn(0.95, wrong=True)
    assert budget.trust > trust


def test_budget_survives_json():
    budget = RiskBudget(0.02, aim=0.9, min_confidence=0.8)
    served(budget, 300, confidence=0.99, wrong_share=0.02)
    restored = RiskBudget.from_json(json.loads(json.dumps(budget.as_json())))
    assert restored.as_json() == budget.as_json()
    assert (restored.cut, restored.aim, restored.requests) == (budget.cut, 0.9, 300)


def test_larger_budgets_may_be_spent_more_fully():
    aims = [recommended_aim(share) for share in (0.0, 0.005, 0.01, 0.02, 0.05)]
    assert aims == sorted(aims)
    assert 0.5 <= aims[0] < aims[-1] <= 0.85
