"""Which hits are audited."""

from __future__ import annotations

import random

import pytest

from semcache.decision.audit_schedule import AuditSchedule
from semcache.decision.certificate import AUDIT_RATES


@pytest.mark.parametrize(
    ("hits", "audited", "rate"),
    [
        pytest.param(0, 0, 1.0, id="first"),
        pytest.param(49, 49, 1.0, id="fiftieth"),
        pytest.param(50, 50, 0.2, id="after fifty"),
        pytest.param(1300, 300, 0.05, id="after 300 audits"),
        pytest.param(20_000, 1000, 0.02, id="after 1,000 audits"),
    ],
)
def test_rate_falls_as_evidence_grows(hits, audited, rate):
    assert AuditSchedule().rate(hits=hits, audited=audited) == rate


def test_an_alarm_brings_audits_back_and_a_certificate_saves_some():
    schedule = AuditSchedule()
    assert schedule.rate(hits=9000, audited=1500, is_alarmed=True) == 0.2
    assert schedule.rate(hits=60, audited=60, is_certified=True) == 0.05
    assert schedule.rate(hits=60, audited=60, is_certified=True, is_alarmed=True) == 0.2
    assert schedule.rate(hits=10, audited=10, is_certified=True) == 1.0


def test_floor_of_zero_ends_the_audits():
    schedule = AuditSchedule(floor=0.0)
    rate = schedule.rate(hits=50_000, audited=1000)
    assert rate == 0
    assert not any(schedule.plan(rate, random.Random(seed)).is_drawn for seed in range(50))
    assert 0.0 not in schedule.rates


def test_certificate_is_sharpest_for_the_rates_of_the_schedule():
    assert AuditSchedule().rates == AUDIT_RATES


def test_draws_follow_the_rate_and_placebos_their_share():
    schedule, randomness = AuditSchedule(), random.Random(4)
    plans = [schedule.plan(0.2, randomness) for _ in range(20_000)]
    assert sum(plan.is_drawn for plan in plans) == pytest.approx(4000, rel=0.1)
    assert sum(plan.is_placebo for plan in plans) == pytest.approx(320, rel=0.25)
    assert all(plan.is_uniform == plan.is_drawn for plan in plans)


def test_audits_drawn_for_their_risk_stay_out_of_the_uniform_ones():
    schedule, randomness = AuditSchedule(), random.Random(5)
    plans = [schedule.plan(0.02, randomness, is_risky=True) for _ in range(20_000)]
    extra = [plan for plan in plans if plan.is_drawn and not plan.is_uniform]
    assert len(extra) == pytest.approx(20_000 * 0.98 * 0.1, rel=0.1)
    assert sum(plan.is_uniform for plan in plans) == pytest.approx(400, rel=0.25)
    assert not any(plan.is_placebo for plan in extra)
