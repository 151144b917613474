"""The bound on the false-hit rate: its check values, its laws, and that it is true."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.decision.audit_schedule import AuditSchedule
from semcache.decision.certificate import AUDIT_RATES, Arm, Evidence, false_hit_rate_upper

RATES = st.sampled_from([1.0, 0.2, 0.05, 0.02, 0.0])
HITS = st.lists(st.tuples(RATES, st.sampled_from([None, False, True, 0.5])), max_size=60).map(
    lambda hits: [(rate, outcome if rate else None) for rate, outcome in hits]
)


def observed(hits) -> Evidence:
    evidence = Evidence()
    for rate, outcome in hits:
        evidence = evidence.observe_hit(rate, outcome)
    return evidence


def arm(rate: float, hits: int, wrong: float) -> Arm:
    return Arm(rate, hits, max(1, int(rate * hits)), wrong)


@pytest.mark.parametrize(
    ("wrong", "hits", "percent"), [(0, 300, 1.31), (2, 500, 1.83), (5, 1000, 1.47), (20, 4000, 0.92)]
)
def test_bound_has_its_check_values(wrong, hits, percent):
    assert round(100 * false_hit_rate_upper(wrong, hits), 2) == percent


@pytest.mark.parametrize(("wrong", "hits", "rate"), [(0, 300, 1.0), (3, 4000, 0.05), (2, 900, 0.2)])
def test_evidence_of_one_planned_rate_gives_the_plain_formula(wrong, hits, rate):
    evidence = Evidence((arm(rate, hits, wrong),))
    formula = false_hit_rate_upper(wrong, hits, audit_rate=rate)
    assert evidence.upper(rates=(rate,)) == pytest.approx(formula, rel=1e-3)


def test_planning_for_several_rates_costs_little():
    bound, planned = Evidence((arm(0.05, 5000, 2),)).upper(), false_hit_rate_upper(2, 5000, audit_rate=0.05)
    assert planned <= bound <= 1.25 * planned


def test_nothing_is_certified_without_hits_or_audits():
    assert false_hit_rate_upper(0, 0) == 1.0
    assert Evidence().upper() == 1.0
    assert Evidence((Arm(0.0, 500, 0, 0.0),)).upper() == 1.0


def test_hits_without_audits_count_as_possibly_wrong():
    seen = Evidence((arm(1.0, 900, 0),))
    bound = (seen + Evidence((Arm(0.0, 100, 0, 0.0),))).upper()
    assert bound == pytest.approx(0.9 * seen.upper() + 0.1, rel=1e-6)


def test_a_falling_rate_loosens_the_bound_gradually():
    before = (arm(1.0, 50, 0), arm(0.2, 1250, 1))
    bounds = [Evidence((*before, arm(0.05, hits, 0))).upper() for hits in (1, 10, 30, 100)]
    assert Evidence(before).upper() < bounds[0] < Evidence(before).upper() + 0.002
    assert bounds == sorted(bounds)


def test_the_bound_admits_what_audits_cannot_see():
    hits, rate = 1400, 0.05
    unseen = next(count for count in range(hits) if (1 - rate) ** count < 0.05) - 1
    assert Evidence((arm(rate, hits, 0),)).upper() >= unseen / hits


@given(st.integers(0, 30), st.integers(30, 3000), RATES.filter(bool))
@settings(max_examples=25, deadline=None)
def test_bound_grows_with_every_wrong_answer(wrong, hits, rate):
    fewer, more = (Evidence((Arm(rate, hits, 30, count),)).upper() for count in (wrong, wrong + 1))
    assert fewer <= more


@given(HITS, HITS)
@settings(max_examples=40, deadline=None)
def test_adding_evidence_is_the_same_as_observing_in_sequence(first, second):
    assert observed(first) + observed(second) == observed(first + second) == observed(second + first)


@given(HITS)
@settings(max_examples=40, deadline=None)
def test_evidence_survives_json_and_counts_all(hits):
    evidence = observed(hits).observe_placebo(True).observe_placebo(False)
    assert Evidence.from_json(json.loads(json.dumps(evidence.as_json()))) == evidence
    assert evidence.hits == len(hits)
    assert evidence.audited == sum(outcome is not None for _, outcome in hits)
    assert 0 < evidence.upper() <= 1


@pytest.mark.parametrize(
    ("rate", "outcome"),
    [
        pytest.param(1.2, None, id="rate above one"),
        pytest.param(-0.1, None, id="negative rate"),
        pytest.param(0.5, 1.5, id="outcome above one"),
        pytest.param(0.0, True, id="drawn though never drawn"),
    ],
)
def test_impossible_observations_are_refused(rate, outcome):
    with pytest.raises(ValueError, match="must lie"):
        Evidence().observe_hit(rate, outcome)


@pytest.mark.parametrize("rate", [0.0, 1.5])
def test_plain_bound_refuses_an_impossible_rate(rate):
    with pytest.raises(ValueError, match="audit_rate"):
        false_hit_rate_upper(0, 10, audit_rate=rate)


def test_estimate_weighs_each_audit_by_the_hits_it_stands_for():
    evidence = Evidence((Arm(1.0, 100, 100, 0.0), Arm(0.1, 1000, 100, 11.0)))
    assert evidence.estimate() == pytest.approx(0.1)
    assert Evidence((Arm(0.5, 3, 0, 0.0),)).estimate() is None
    assert evidence.lowest_rate == 0.1
    assert Evidence().lowest_rate is None


def test_excess_is_what_the_judge_does_not_explain():
    noisy = Evidence((Arm(1.0, 400, 400, 8.0),), placebo_compared=200, placebo_differed=4.0)
    low, high = noisy.excess()
    assert low < 0 < high
    worse = Evidence((Arm(1.0, 400, 400, 60.0),), placebo_compared=200, placebo_differed=4.0)
    assert worse.excess()[0] > 0.08
    assert Evidence((Arm(1.0, 10, 10, 0.0),)).excess() is None


def test_excess_has_the_published_interval():
    """Newcombe (1998), method 10, example a: 56/70 less 48/80."""
    low, high = Evidence((Arm(1.0, 70, 70, 56.0),), placebo_compared=80, placebo_differed=48.0).excess()
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


@pytest.mark.slow
def test_bound_is_hardly_ever_below_the_truth_though_faults_hide_where_few_look():
    schedule, failures = AuditSchedule(), 0
    for seed in range(40):
        randomness, evidence, wrong, failed = random.Random(seed), Evidence(), 0, False
        for hits in range(1500):
            rate = schedule.rate(hits=hits, audited=evidence.audited)
            is_wrong = randomness.random() < 0.01 / rate
            wrong += is_wrong
            evidence = evidence.observe_hit(rate, is_wrong if randomness.random() < rate else None)
            if hits % 50 == 0:
                failed |= evidence.upper(rates=AUDIT_RATES) < wrong / (hits + 1)
        failures += failed
    assert failures <= 4
