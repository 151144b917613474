"""One lesson worked through: what misses, audits, shadows and reports leave in store, beliefs and ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import message, request
from schools import (
    FORGOT,
    PARCEL,
    PRICE_USD,
    RESET,
    SETTINGS,
    SHOP,
    TRACKING,
    UNIFORM,
    School,
    asked,
    audit_of,
    considered,
    hit_on,
    missed,
    saying,
)

from semcache.entry import Exemplar, Kind, Label, Origin
from semcache.errors import UpstreamError
from semcache.learning.audit_log import recent_audits
from semcache.learning.lessons import Report, ShadowLesson
from semcache.message import Message
from semcache.stores.store import Selection

UNCERTAIN = "Perhaps in Settings."


def test_a_miss_labels_every_candidate_that_could_be_judged(school: School) -> None:
    first, second = school.stored(RESET, SETTINGS), school.stored(PARCEL, TRACKING)
    third = school.stored("Is it in Settings?", UNCERTAIN)
    candidates = [considered(entry) for entry in (first, second, third)]
    school.working.learn_miss(missed(FORGOT, SETTINGS, *candidates), None)
    assert school.book.of(SHOP).labels == 2
    assert school.texts(first, Label.POSITIVE) == [RESET, FORGOT]
    assert school.texts(second, Label.NEGATIVE) == []  # only the likeliest is told apart


def test_what_the_judge_cannot_tell_leaves_nothing(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    before = school.exemplars(entry)
    school.working.learn_miss(missed(FORGOT, UNCERTAIN, considered(entry)), None)
    assert school.book.of(SHOP).labels == 0
    assert school.exemplars(entry) == before


def test_a_candidate_that_is_gone_teaches_nothing(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    school.store.delete(Selection(entry_ids=(entry.id,)))
    school.working.learn_miss(missed(FORGOT, SETTINGS, considered(entry)), None)
    assert school.book.of(SHOP).labels == 0


def test_claude_cannot_refute_what_people_wrote(school: School) -> None:
    faq = school.stored(RESET, "Ask your administrator.", kind=Kind.FAQ, origin=Origin.IMPORT)
    school.working.learn_miss(missed(FORGOT, SETTINGS, considered(faq)), None)
    assert school.book.of(SHOP).labels == 0
    assert school.texts(faq, Label.NEGATIVE) == []


def test_a_curated_answer_that_claude_repeats_is_an_alias_and_no_one_sided_label(school: School) -> None:
    faq = school.stored(RESET, SETTINGS, kind=Kind.FAQ, origin=Origin.IMPORT)
    school.working.learn_miss(missed(FORGOT, SETTINGS, considered(faq)), None)
    assert school.book.of(SHOP).labels == 0
    assert school.texts(faq, Label.POSITIVE) == [RESET, FORGOT]


def test_an_answer_that_people_reported_is_forgotten_when_upstream_gives_it_again(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    reported = Exemplar(entry.id, FORGOT, asked(FORGOT).embedding, Label.NEGATIVE, Origin.FEEDBACK)
    school.store.add_exemplar(reported)
    again = school.stored(FORGOT, SETTINGS)
    school.working.learn_miss(missed(FORGOT, SETTINGS, considered(entry), entry=again), None)
    assert school.store.get(again.id) is None
    assert school.texts(entry, Label.POSITIVE) == [RESET]
    assert school.book.of(SHOP).labels == 0


def test_an_audit_that_finds_the_same_confirms_and_is_booked(school: School) -> None:
    entry, kept, claude = school.stored(RESET, SETTINGS), [], saying(SETTINGS)
    school.working.audit(audit_of(entry, FORGOT, kept=kept), claude)
    assert (FORGOT, Label.POSITIVE, Origin.AUDIT) in school.exemplars(entry)
    assert kept == []
    assert school.spent() == {"audit": 1}
    (audited,) = recent_audits(school.store, SHOP, limit=10)
    assert (audited.verdict, audited.placebo, audited.is_uniform) == ("same", None, True)
    assert audited.cost_usd == pytest.approx(float(PRICE_USD))
    total = school.book.of(SHOP).record.total
    assert (total.audited, total.wrong) == (1, 0)


def test_an_audit_asks_for_a_whole_answer_not_for_a_stream(school: School) -> None:
    claude = saying(SETTINGS)
    school.working.audit(audit_of(school.stored(RESET, SETTINGS), FORGOT), claude)
    assert ["stream" in body for body in claude.bodies] == [False]


def test_an_audit_that_finds_another_answer_refutes_and_keeps_the_fresh_one(school: School) -> None:
    entry, kept = school.stored(RESET, SETTINGS), []
    school.working.audit(audit_of(entry, PARCEL, kept=kept), saying(TRACKING))
    assert (PARCEL, Label.NEGATIVE, Origin.AUDIT) in school.exemplars(entry)
    assert [fresh.text for fresh in kept] == [TRACKING]
    assert school.book.of(SHOP).record.total.wrong == 1
    assert school.working.audits.counts == {"same": 0, "different": 1, "unjudged": 0}


def test_after_two_wrong_audits_nothing_similar_finds_the_answer(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    for question in (PARCEL, "Where is my invoice?"):
        school.working.audit(audit_of(entry, question), saying(TRACKING))
    assert school.texts(entry, Label.POSITIVE) == []
    assert school.store.get_exact(entry.scope, entry.key) is not None


@pytest.mark.parametrize(
    ("fresh", "calls"), [pytest.param(None, 0, id="unreachable"), pytest.param(UNCERTAIN, 1, id="uncertain")]
)
def test_an_audit_without_a_verdict_leaves_the_evidence_as_it_is(school: School, fresh: str | None, calls: int) -> None:
    entry, beliefs = school.stored(RESET, SETTINGS), school.book.of(SHOP)
    before, known = beliefs.as_json(), school.exemplars(entry)
    try:
        school.working.audit(audit_of(entry, FORGOT), saying(fresh))
    except UpstreamError:
        assert fresh is None
    assert (beliefs.as_json(), school.exemplars(entry)) == (before, known)
    assert school.spent() == ({"audit": calls} if calls else {})
    (audited,) = recent_audits(school.store, SHOP, limit=10)
    assert (audited.verdict, audited.cost_usd) == ("unjudged", pytest.approx(calls * float(PRICE_USD)))


def test_an_audit_drawn_for_its_risk_teaches_and_certifies_nothing(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    plan = replace(UNIFORM, rate=0.05, is_uniform=False)
    school.working.audit(audit_of(entry, PARCEL, plan=plan), saying(TRACKING))
    beliefs = school.book.of(SHOP)
    assert (beliefs.labels, beliefs.record.total.audited, beliefs.record.total.hits) == (1, 0, 1)
    assert not recent_audits(school.store, SHOP, limit=10)[0].is_uniform


def test_a_rarely_drawn_audit_counts_for_those_that_were_not_drawn(school: School) -> None:
    plan = replace(UNIFORM, rate=0.05)
    school.working.audit(audit_of(school.stored(RESET, SETTINGS), FORGOT, plan=plan), saying(SETTINGS))
    (label,) = school.store.observations("label", limit=10)
    assert label.body["count"] == pytest.approx(20)


@pytest.mark.parametrize(
    ("second", "placebo", "rate"),
    [
        pytest.param(SETTINGS, "same", 0.0, id="the same again"),
        pytest.param(TRACKING, "different", 1.0, id="another answer"),
        pytest.param(UNCERTAIN, "unjudged", None, id="it cannot be told"),
    ],
)
def test_a_placebo_asks_twice_and_books_the_judges_noise(
    school: School, second: str, placebo: str, rate: float | None
) -> None:
    plan, claude = replace(UNIFORM, is_placebo=True), saying(SETTINGS, second)
    school.working.audit(audit_of(school.stored(RESET, SETTINGS), FORGOT, plan=plan), claude)
    assert len(claude.bodies) == 2
    assert recent_audits(school.store, SHOP, limit=1)[0].placebo == placebo
    assert school.book.of(SHOP).record.total.placebo_rate() == rate


def test_curated_answers_are_not_audited_and_without_an_upstream_nothing_is(school: School) -> None:
    faq, claude = school.stored(RESET, SETTINGS, kind=Kind.FAQ), saying(TRACKING)
    school.working.audit(audit_of(faq, FORGOT), claude)
    school.working.audit(audit_of(school.stored(PARCEL, TRACKING), FORGOT), None)
    assert claude.bodies == []
    assert recent_audits(school.store, None, limit=10) == []


@pytest.mark.parametrize("fresh", [SETTINGS, TRACKING])
def test_a_shadow_hit_is_judged_like_an_audit_at_no_cost(school: School, fresh: str) -> None:
    entry, kept = school.stored(RESET, SETTINGS), list[Message]()
    lesson = ShadowLesson(
        asked(FORGOT), hit_on(entry, FORGOT), message(fresh), request(), lambda said, generation: kept.append(said)
    )
    school.working.learn_shadow(lesson, None)
    is_same, beliefs = fresh == SETTINGS, school.book.of(SHOP)
    label = Label.POSITIVE if is_same else Label.NEGATIVE
    assert (FORGOT, label, Origin.AUDIT) in school.exemplars(entry)
    assert [said.text for said in kept] == ([] if is_same else [TRACKING])
    assert (beliefs.shadow.judged, beliefs.shadow.wrong, beliefs.labels) == (1, int(not is_same), 1)
    assert (beliefs.record.total.hits, school.spent()) == (0, {})


def test_a_report_teaches_the_weights_and_no_rate(school: School) -> None:
    entry, beliefs = school.stored(RESET, SETTINGS), school.book.of(SHOP)
    school.working.learn_report(Report(SHOP, considered(entry), False))
    assert (beliefs.labels, beliefs.record.total.hits, beliefs.shadow.judged) == (1, 0, 0)
    assert school.store.observations("label", limit=1)[0].body["same"] is False
