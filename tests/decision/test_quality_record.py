"""The record of audits by day, and what the certificate says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.decision.quality_record import KEPT_DAYS, Record

DAY = 86_400.0
HITS = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from([1.0, 0.2]), st.sampled_from([None, False, True])), max_size=25
)


def recorded(hits) -> Record:
    record = Record()
    for day, rate, outcome in hits:
        record.observe_hit(day * DAY + 5, rate, outcome)
    return record


def test_window_leaves_out_what_is_older():
    record = recorded([(0, 1.0, True), (40, 1.0, False), (69, 1.0, False)])
    now = 69.5 * DAY
    assert (record.certificate(now).hits, record.certificate(now).wrong) == (3, 1)
    recent = record.certificate(now, window_days=30)
    assert (recent.hits, recent.wrong, recent.since) == (2, 0, 40 * DAY)


def test_a_young_record_says_when_it_began():
    record = recorded([(5, 1.0, False)])
    assert record.certificate(6 * DAY, window_days=30).since == record.since == 5 * DAY + 5


def test_old_days_are_pruned_and_the_total_is_not():
    record = recorded([(0, 1.0, True), (KEPT_DAYS + 3, 1.0, False)])
    record.observe_hit(0.0, 1.0, False)
    assert list(record.as_json()["days"]) == [str(KEPT_DAYS + 3)]
    assert record.total.hits == 3


@given(HITS, HITS)
@settings(max_examples=25, deadline=None)
def test_sum_of_two_records_is_the_record_of_both(first, second):
    assert (recorded(first) + recorded(second)).as_json() == recorded(first + second).as_json()


@given(HITS)
@settings(max_examples=25, deadline=None)
def test_record_survives_its_bytes(hits):
    record = recorded(hits)
    record.observe_placebo(3 * DAY, True)
    assert Record.from_bytes(record.to_bytes()).as_json() == record.as_json()


def test_certificate_says_what_was_found_and_what_is_certain():
    record = recorded([(0, 1.0, False)] * 499 + [(0, 1.0, True)])
    record.observe_placebo(1.0, False)
    said = record.certificate(DAY).says()
    assert said.startswith("500 answers were served from memory since 1970-01-01; 500 audited, 1 of these wrong")
    assert "with 95% confidence at most" in said
    assert "the judge calls 0 % of fresh answers different" in said


@pytest.mark.parametrize(
    ("hits", "ending"),
    [
        pytest.param([], "so nothing is certified.", id="no hit"),
        pytest.param([(0, 0.2, None)], "none of them audited, so nothing is certified.", id="no audit"),
        pytest.param([(0, 1.0, False)], "too few to certify a rate.", id="one audit"),
    ],
)
def test_certificate_admits_that_it_knows_too_little(hits, ending):
    assert recorded(hits).certificate(DAY).says().endswith(ending)
