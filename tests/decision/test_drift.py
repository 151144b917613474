"""The drift alarm: quiet while hits are right, quick when they are not, and it relaxes by itself."""

from __future__ import annotations

import json
import random

import pytest

from semcache.decision.drift import Caution, Change, DriftAlarm


def audits(alarm: DriftAlarm, count: int, *, share: float, seed: int = 0) -> list[Change]:
    randomness = random.Random(seed)
    changes = (alarm.observe_audit(randomness.random() < share, at_seconds=float(n)) for n in range(count))
    return [change for change in changes if change is not None]


def alarmed() -> DriftAlarm:
    alarm = DriftAlarm(0.01)
    while alarm.caution is Caution.CALM:
        alarm.observe_audit(True, at_seconds=7.0)
    return alarm


def test_alarm_is_quiet_while_hits_are_as_right_as_tolerated():
    assert sum(len(audits(DriftAlarm(0.01), 1000, share=0.005, seed=seed)) for seed in range(20)) == 0


def test_alarm_tightens_and_then_falls_back_to_exact_hits():
    changes = audits(DriftAlarm(0.01), 300, share=0.2)
    assert [change.caution for change in changes[:2]] == [Caution.TIGHTENED, Caution.EXACT_ONLY]
    assert "more than 1 % of hits wrong" in changes[0].reason
    assert changes[0].at_seconds < 60


def test_caution_lowers_the_cut():
    assert [caution.factor for caution in Caution] == [1.0, 0.5, 0.0]


def test_clean_audits_relax_a_tightened_alarm():
    alarm = alarmed()
    assert alarm.is_alarmed
    changes = audits(alarm, 400, share=0.0)
    assert [change.caution for change in changes] == [Caution.CALM]
    assert 150 < changes[0].at_seconds < 300
    assert not alarm.is_alarmed


def test_faults_postpone_relaxing():
    alarm = alarmed()
    assert not audits(alarm, 150, share=0.0)
    alarm.observe_audit(True, at_seconds=0.0)
    assert not audits(alarm, 100, share=0.0)


def test_exact_only_relaxes_by_outcomes_of_would_be_hits():
    alarm = alarmed()
    while alarm.caution is not Caution.EXACT_ONLY:
        alarm.observe_audit(True, at_seconds=8.0)
    changes = [alarm.observe_would_be(False, at_seconds=float(n)) for n in range(400)]
    assert [change.caution for change in changes if change is not None] == [Caution.TIGHTENED]


def test_would_be_hits_say_nothing_while_hits_are_served():
    alarm = alarmed()
    assert all(alarm.observe_would_be(False, at_seconds=0.0) is None for _ in range(500))
    assert alarm.caution is Caution.TIGHTENED


def gray(alarm, share, *, confidence, count=1500, randomness):
    return [alarm.observe_gray(confidence, randomness.random() < share, at_seconds=0.0) for _ in range(count)]


@pytest.mark.parametrize(("before", "after"), [(0.6, 0.3), (0.9, 0.7), (0.2, 0.02)])
def test_a_gray_zone_that_turns_to_the_worse_tightens_once(before, after):
    alarm, randomness = DriftAlarm(0.01), random.Random(3)
    assert not any(gray(alarm, before, confidence=before, randomness=randomness))
    shifted = gray(alarm, after, confidence=before, randomness=randomness)
    assert [change.caution for change in shifted if change is not None] == [Caution.TIGHTENED]


@pytest.mark.parametrize(
    ("share", "confidence"),
    [
        pytest.param(0.9, 0.6, id="right more often than before"),
        pytest.param(0.3, 0.3, id="wrong more often, as the scorer now says"),
    ],
)
def test_a_gray_zone_that_the_scorer_does_not_overrate_is_no_alarm(share, confidence):
    alarm, randomness = DriftAlarm(0.01), random.Random(3)
    gray(alarm, 0.6, confidence=0.6, randomness=randomness)
    assert not any(gray(alarm, share, confidence=confidence, randomness=randomness))


@pytest.mark.parametrize("tolerated", [0.0, 0.5, 1.0])
def test_an_impossible_tolerance_is_refused(tolerated):
    with pytest.raises(ValueError, match="tolerated"):
        DriftAlarm(tolerated)


@pytest.mark.parametrize("make", [alarmed, lambda: DriftAlarm(0.02)])
def test_alarm_survives_json_and_goes_on_alike(make):
    alarm = make()
    alarm.observe_gray(0.6, True, at_seconds=1.0)
    restored = DriftAlarm.from_json(json.loads(json.dumps(alarm.as_json())))
    assert restored.last_change == alarm.last_change
    assert audits(restored, 500, share=0.05) == audits(alarm, 500, share=0.05)
