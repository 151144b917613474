"""Evidence: what speaks for each near answer, and what rules it out whatever the weights say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from evidence_samples import EMBEDDER, candidate, embedded, entry

from semcache.decision.evidence import FEATURES, MOST_SCORED, REFUTED, Evidence, Witness
from semcache.decision.rivals import rivals_of
from semcache.entry import Candidate, Kind, Label, Origin

ASKED = "How do I reset the password of my account?"
WITNESS = Witness(EMBEDDER.words)


def examined(asked: str, *candidates: Candidate) -> list[Evidence]:
    return WITNESS.examine(asked, embedded(asked), rivals_of(candidates))


def value(evidence: Evidence, feature: str) -> float:
    return float(evidence.values[FEATURES.index(feature)])


def test_each_answer_gets_one_row_of_evidence_nearest_first() -> None:
    near, far = candidate(ASKED, "How can I reset my account password?"), candidate(ASKED, "Where is my parcel?")
    found = examined(ASKED, far, near)
    assert [each.representative.exemplar.text for each in found] == [near.exemplar.text, far.exemplar.text]
    assert all(each.values.shape == (len(FEATURES),) and np.isfinite(each.values).all() for each in found)
    assert value(found[0], "similarity") == pytest.approx(near.similarity)
    assert value(found[0], "margin") == pytest.approx(near.similarity - far.similarity, abs=1e-6)
    assert value(found[0], "overlap") > value(found[1], "overlap")


def test_without_candidates_there_is_no_evidence() -> None:
    assert examined(ASKED) == []


def test_only_the_nearest_few_are_weighed() -> None:
    crowd = [candidate(ASKED, f"How do I reset the password of account {word}?") for word in "abcdefghijkl"]
    assert sum(each.veto is None for each in examined(ASKED, *crowd)) <= MOST_SCORED


@pytest.mark.parametrize(
    ("stored", "veto"),
    [
        pytest.param("How do I reset the password of account 4711?", "guard:numbers", id="a number"),
        pytest.param("How do I reset the password of my account in French?", "guard:language", id="a language"),
    ],
)
def test_a_guard_rules_an_answer_out(stored: str, veto: str) -> None:
    (found,) = examined(ASKED, candidate(ASKED, stored))
    assert (found.veto, found.values.size) == (veto, 0)


def test_another_wording_of_the_answer_may_be_free_of_the_veto() -> None:
    owner = entry("ent_1")
    vetoed = candidate(ASKED, "How do I reset the password of my account 4711?", of=owner)
    plain = candidate(ASKED, "How can I reset my account password?", of=owner)
    (found,) = examined(ASKED, vetoed, plain)
    assert (found.veto, found.representative.exemplar.text) == (None, plain.exemplar.text)


def test_what_is_vetoed_competes_no_more() -> None:
    right = candidate(ASKED, "How can I reset my account password?")
    twin = candidate(ASKED, "How do I reset the password of my account 4711?")
    alone, beside = examined(ASKED, right)[0], examined(ASKED, right, twin)
    weighed = next(each for each in beside if each.veto is None)
    assert weighed.values == pytest.approx(alone.values)


@pytest.mark.parametrize("origin", [Origin.FEEDBACK, Origin.AUDIT])
def test_what_was_found_wrong_for_such_a_text_is_out(origin: Origin) -> None:
    owner = entry("ent_1")
    known = candidate(ASKED, "How can I reset my account password?", of=owner)
    said = candidate(ASKED, ASKED, of=owner, label=Label.NEGATIVE, origin=origin)
    (found,) = examined(ASKED, known, said)
    assert found.veto == REFUTED


def test_what_a_miss_taught_is_weighed_and_rules_nothing_out() -> None:
    owner = entry("ent_1")
    known = candidate(ASKED, "How can I reset my account password?", of=owner)
    said = candidate(ASKED, "How do I reset the password of my phone?", of=owner, label=Label.NEGATIVE)
    (without,), (found,) = examined(ASKED, known), examined(ASKED, known, said)
    assert found.veto is None
    assert value(found, "refutation") > value(without, "refutation")


def test_a_far_report_does_not_rule_a_near_wording_out() -> None:
    owner = entry("ent_1")
    known = candidate(ASKED, "How do I reset the password of my account, please?", of=owner)
    far = candidate(ASKED, "Where is my parcel?", of=owner, label=Label.NEGATIVE, origin=Origin.FEEDBACK)
    (found,) = examined(ASKED, known, far)
    assert found.veto is None


def test_an_objection_of_the_caller_is_a_veto() -> None:
    asked = candidate(ASKED, "How can I reset my account password?")
    (found,) = WITNESS.examine(ASKED, embedded(ASKED), rivals_of([asked]), objection=lambda each: "context-differs")
    assert found.veto == "context-differs"


def test_curated_answers_and_equal_wordings_are_known_as_such() -> None:
    faq = candidate(ASKED, "Please, how can I reset the password of my account?", of=entry("ent_1", kind=Kind.FAQ))
    (found,) = examined(ASKED, faq)
    assert (value(found, "curated"), found.is_same_wording) == (1.0, True)
    assert not examined(ASKED, candidate(ASKED, "How can I reset my account password?"))[0].is_same_wording


def test_whoever_decides_has_read_all_word_lists_before_the_first_request() -> None:
    asked = """
from semcache.decision import evidence, lexicon, plain
read = (lexicon.lexicon, plain._wordings)
evidence.Witness(lambda text: (_ for _ in ()).throw(AssertionError("no text is embedded for it")))
print([each.cache_info().currsize for each in read])
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1, 1]"
