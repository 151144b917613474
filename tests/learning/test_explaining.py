"""Explanations: every verdict in words, with what each piece of evidence added."""

from __future__ import annotations

import pytest
from schools import FORGOT, RESET, SCOPE, SETTINGS, SHOP, UNIFORM, School, asked, considered, hit_on

from semcache.decision.drift import Caution
from semcache.decision.evidence import FEATURES
from semcache.entry import Bypass, Considered, Hit, HitKind, Kind, Lookup, Miss
from semcache.learning.explaining import Explanation, explain


def explained(school: School, lookup: Lookup) -> Explanation:
    return explain(lookup, school.book.of(SHOP))


def miss(reason: str, *candidates: Considered) -> Miss:
    return Miss(SCOPE, asked(FORGOT).key, reason, FORGOT, asked(FORGOT).embedding, tuple(candidates))


def test_an_exact_repeat_needs_no_evidence(school: School) -> None:
    found = explained(school, Hit(HitKind.EXACT, school.stored(RESET, SETTINGS), 1.0, 1.0))
    assert (found.says, found.candidates) == ("Served: the very same request was answered before.", ())


@pytest.mark.parametrize(("kind", "what"), [(Kind.LEARNED, "a stored answer"), (Kind.FAQ, "a curated answer")])
def test_a_similar_hit_says_how_likely_it_is_right(school: School, kind: Kind, what: str) -> None:
    found = explained(school, hit_on(school.stored(RESET, SETTINGS, kind=kind), FORGOT, confidence=0.9987))
    assert found.says == f"Served: {what} is right with probability 0.9987."
    (candidate,) = found.candidates
    assert (candidate.wording, candidate.objections) == (RESET, ())
    assert candidate.says == "right with probability 0.9987, which is likely enough"


def test_every_feature_is_named_with_what_it_adds_the_weightiest_first(school: School) -> None:
    (candidate,) = explained(school, hit_on(school.stored(RESET, SETTINGS), FORGOT)).candidates
    assert {part.feature for part in candidate.contributions} == set(FEATURES)
    assert candidate.contributions[0].feature == "similarity"
    assert all(part.says.startswith(("for", "against")) for part in candidate.contributions)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param("no-candidate", "nothing similar is stored", id="nothing"),
        pytest.param("below-threshold", "likely enough to be right for the risk budget", id="risk"),
        pytest.param("drift", "only exact repeats are served for now", id="drift"),
        pytest.param("negative-exemplar", "reported or found to be wrong", id="refuted"),
        pytest.param("steering", "holds more than the question", id="steering"),
        pytest.param("windows-differ", "a part of one has no equal", id="windows"),
        pytest.param("guard:numbers", "disagree (numbers)", id="guard"),
        pytest.param("context-topic", "conversations before them disagree (topic)", id="context"),
        pytest.param("tools", "only an exact repeat may be (tools)", id="anything else"),
    ],
)
def test_every_miss_has_its_reason_in_words(school: School, reason: str, words: str) -> None:
    says = explained(school, miss(reason)).says
    assert says.startswith("Not served: ")
    assert words in says


def test_a_candidate_below_the_cut_says_the_risk_and_what_may_be_risked(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    found = explained(
        school, miss("below-threshold", considered(entry, confidence=0.9, objections=("below-threshold",)))
    )
    (candidate,) = found.candidates
    assert "wrong with probability 0.1000" in candidate.says
    assert f"at most {found.cut:.4f} may be risked" in candidate.says


def test_a_vetoed_candidate_says_what_rules_it_out_and_was_not_weighed(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    found = explained(
        school, miss("guard:ids", considered(entry, confidence=0.0, objections=("guard:ids", "steering")))
    )
    (candidate,) = found.candidates
    assert candidate.says.startswith("ruled out: the question and the stored one disagree (ids); another caller")
    assert candidate.contributions == ()


def test_where_caution_has_fallen_back_nothing_may_be_risked(school: School) -> None:
    beliefs, entry = school.book.of(SHOP), school.stored(RESET, SETTINGS)
    for number in range(40):
        beliefs.settle_audit(UNIFORM, 0.99, True, float(number))
    assert beliefs.now().caution is Caution.EXACT_ONLY
    found = explained(school, miss("drift", considered(entry, confidence=0.99, objections=("below-threshold",))))
    assert "at most 0.0000 may be risked" in found.candidates[0].says


def test_a_bypass_says_why_and_what_would_have_been(school: School) -> None:
    hit = hit_on(school.stored(RESET, SETTINGS), FORGOT, confidence=0.998)
    shadow = explained(school, Bypass("shadow", would_be=hit))
    assert shadow.says == (
        "Sent upstream (shadow); otherwise: Served: a stored answer is right with probability 0.9980."
    )
    assert len(shadow.candidates) == 1
    plain = explained(school, Bypass("no-store"))
    assert (plain.says, plain.candidates) == ("Not looked up: no-store.", ())
