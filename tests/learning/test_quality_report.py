"""The quality report: what may be said about one namespace, about all, and what shadow mode foretells."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schools import SHOP, UNIFORM, book_over

from semcache.decision.beliefs import LabelledCase
from semcache.decision.evidence import FEATURES
from semcache.learning.keeping import BeliefBook
from semcache.learning.quality import NamespaceQuality, quality_of, wilson
from semcache.learning.quality_in_words import in_words
from semcache.learning.routes import RouteBook
from semcache.stores.memory import MemoryStore

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def book() -> BeliefBook:
    return book_over(MemoryStore())


def audited(book: BeliefBook, namespace: str, *, right: int, wrong: int = 0, at: float = NOW) -> None:
    beliefs, randomness = book.of(namespace), random.Random(1)
    for number in range(right + wrong):
        beliefs.book_hit(0.995, randomness)
        beliefs.settle_audit(UNIFORM, 0.995, number < wrong, at)


def shadowed(book: BeliefBook, *, requests: int, exact: int, similar: int, judged: int, wrong: int) -> None:
    beliefs = book.of(SHOP)
    for number in range(requests):
        is_similar = exact <= number < exact + similar
        beliefs.book_shadow(0.99 if is_similar else None, is_exact=number < exact)
    for number in range(judged):
        beliefs.settle_shadow(0.99, number < wrong, NOW)


def said(quality: NamespaceQuality) -> str:
    return " ".join(in_words(quality))


def test_where_nothing_happened_nothing_is_proved(book: BeliefBook) -> None:
    report = quality_of(book, None, now=NOW)
    assert (report.namespaces, report.overall.requests, report.overall.shadow) == ((), 0, None)
    assert report.overall.since_start.upper_bound == 1
    assert report.overall.expected_spend is None
    assert "Nothing is proved: no similar hit was served so far." in in_words(report.overall)


def test_all_namespaces_add_up_and_the_gravest_caution_is_that_of_all(book: BeliefBook) -> None:
    audited(book, SHOP, right=40)
    audited(book, "bank", right=10, wrong=30)
    report = quality_of(book, None, now=NOW)
    bank, shop = report.namespaces
    overall = report.overall
    assert (bank.namespace, shop.namespace, overall.namespace) == ("bank", SHOP, None)
    assert (overall.since_start.hits, overall.since_start.wrong) == (80, 30)
    assert overall.requests == bank.requests + shop.requests == 80
    assert overall.caution == bank.caution != shop.caution
    assert overall.caution_reason == bank.caution_reason != ""
    assert overall.cut == min(bank.cut, shop.cut)


def test_a_namespace_is_reported_alone_whether_or_not_it_is_known(book: BeliefBook) -> None:
    audited(book, "bank", right=3)
    (alone,) = quality_of(book, SHOP, now=NOW).namespaces
    assert (alone.namespace, alone.since_start.hits) == (SHOP, 0)


def test_the_last_days_leave_out_what_is_older(book: BeliefBook) -> None:
    audited(book, SHOP, right=0, wrong=5, at=NOW - 60 * DAY)
    audited(book, SHOP, right=20)
    overall = quality_of(book, None, now=NOW).overall
    assert (overall.since_start.hits, overall.since_start.wrong) == (25, 5)
    assert (overall.last_days.hits, overall.last_days.wrong) == (20, 0)
    assert "in the last 30 days" in said(overall)


def test_clean_audits_prove_a_bound_that_is_said(book: BeliefBook) -> None:
    audited(book, SHOP, right=400)
    overall = quality_of(book, None, now=NOW).overall
    bound = overall.since_start.upper_bound
    assert 0 < bound < 0.05
    assert f"Proved: at most {100 * bound:.3g} % of similar hits are wrong (95% confidence)" in said(overall)
    assert overall.expected_spend == pytest.approx(0, abs=1e-6)
    assert "how often the judge calls two fresh answers" in said(overall)


def test_shadow_mode_foretells_rates_with_intervals(book: BeliefBook) -> None:
    shadowed(book, requests=100, exact=10, similar=30, judged=20, wrong=1)
    forecast = quality_of(book, SHOP, now=NOW).overall.shadow
    assert forecast is not None
    assert (forecast.hit_rate, forecast.false_hit_rate, forecast.wrong_rate) == pytest.approx((0.4, 0.05, 0.015))
    assert forecast.false_hit_rate_interval == wilson(1, 20)
    assert forecast.wrong_rate_interval == pytest.approx(tuple(0.3 * end for end in wilson(1, 20)))
    words = said(quality_of(book, SHOP, now=NOW).overall)
    assert "going live would answer 40 %" in words
    assert "5 %" in words


def test_shadow_hits_that_nobody_judged_foretell_no_error(book: BeliefBook) -> None:
    shadowed(book, requests=10, exact=0, similar=5, judged=0, wrong=0)
    overall = quality_of(book, SHOP, now=NOW).overall
    assert overall.shadow is not None
    assert (overall.shadow.false_hit_rate, overall.shadow.wrong_rate_interval) == (None, None)
    assert "not known: none was judged" in said(overall)


def test_the_interval_is_wilsons() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_an_interval_holds_its_share_and_shrinks_with_trials(trials: int, share: float) -> None:
    successes = round(share * trials)
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    many = wilson(successes * 4, trials * 4)
    assert many[1] - many[0] < high - low


# several processes on one store


class Shared(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.is_shared = True


def test_a_report_is_of_what_every_process_has_handed_out_and_of_every_label() -> None:
    store = Shared()
    here, there = book_over(store), book_over(store)
    here.of(SHOP), there.of(SHOP)
    audited(there, SHOP, right=5, wrong=1)
    there.log(SHOP, "ent_1", LabelledCase((0.5,) * len(FEATURES), True), at=NOW)
    there.save()
    mine, theirs = quality_of(here, None, now=NOW), quality_of(there, None, now=NOW)
    assert mine == theirs
    assert (mine.overall.since_start.audited, mine.overall.labels) == (6, 1)


def test_a_report_on_routes_is_of_what_every_process_has_handed_out() -> None:
    store = Shared()
    here, there = (RouteBook(store, tolerance=0.05, dims=4) for _ in range(2))
    here.of(SHOP)
    there.of(SHOP).settle("easy", UNIFORM, False, NOW)
    there.save()
    assert here.reports(NOW) == there.reports(NOW)
    assert [(name, report.certificate.audited) for name, report in here.reports(NOW)] == [(SHOP, 1)]


def test_a_report_in_one_process_alone_writes_nothing() -> None:
    store = MemoryStore()
    book = book_over(store)
    audited(book, SHOP, right=1)
    quality_of(book, None, now=NOW)
    assert store.documents("") == []
