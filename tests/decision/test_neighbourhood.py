"""The neighbourhood: what the labelled texts around a question say about each answer."""

from __future__ import annotations

import numpy as np
import pytest
from evidence_samples import candidate, embedded, entry
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.evidence import FEATURES, SPEAKS_AGAINST, SPEAKS_FOR
from semcache.decision.neighbourhood import NEIGHBOURHOOD, UNKNOWN, neighbourhood
from semcache.decision.rivals import rivals_of
from semcache.decision.scorer import Scorer, weight_bounds
from semcache.entry import Candidate, Embedding, Exemplar, Label

NAMES = tuple(NEIGHBOURHOOD)
ASKED = "How do I reset the password of my account?"
NEAR, FAR = "How can I reset my account password?", "Where is my parcel?"
RIGHT, OTHER = entry("ent_right"), entry("ent_other")
PLANE = embedded(ASKED).vector

sides = st.sampled_from(["right", "other", "refuting"])
crowds = st.lists(st.tuples(sides, st.floats(0, 0.99)), max_size=12)


def at(similarity: float, side: str = "right") -> Candidate:
    """An exemplar this far from the question, on the side of one answer or the other."""
    across = np.roll(PLANE, 1) - (np.roll(PLANE, 1) @ PLANE) * PLANE
    across /= np.linalg.norm(across)
    vector = (similarity * PLANE + np.sqrt(1 - similarity**2) * across).astype(np.float32)
    owner, label = OTHER if side == "other" else RIGHT, Label.NEGATIVE if side == "refuting" else Label.POSITIVE
    return Candidate(owner, Exemplar(owner.id, "a text", Embedding(vector, vector[None]), label), similarity)


def about(candidates: list[Candidate]) -> dict[str, float]:
    """What is said about the right answer."""
    rivals = rivals_of(candidates)
    place = next(number for number, rival in enumerate(rivals) if rival.entry is RIGHT)
    row = neighbourhood(PLANE, rivals, scored=len(rivals))[place]
    return dict(zip(NAMES, row.tolist(), strict=True))


def bounded() -> Scorer:
    """One that weighs nothing but what may not be learned to mean its opposite."""
    count = len(FEATURES)
    weights = np.array([(name in SPEAKS_FOR) - 1.0 * (name in SPEAKS_AGAINST) for name in FEATURES])
    prior = np.concatenate([[0.0], weights])
    return Scorer(0.0, weights, np.zeros(count), np.ones(count), prior, np.ones(count + 1), *weight_bounds())


def confidence(said: dict[str, float]) -> float:
    return bounded().confidence(np.array([said.get(name, 0.0) for name in FEATURES]))


def test_every_scored_answer_has_a_value_for_each_name() -> None:
    rivals = rivals_of([candidate(ASKED, text) for text in (NEAR, FAR, "Do you ship to Norway?")])
    rows = neighbourhood(embedded(ASKED).vector, rivals, scored=2)
    assert rows.shape == (2, len(NAMES))
    assert np.isfinite(rows).all()


def test_where_nothing_else_is_known_strangers_stand_for_the_rest() -> None:
    said = about([at(0.8)])
    assert said["runner_up"] == UNKNOWN
    assert said["margin"] == said["centre_margin"] == pytest.approx(0.5)
    assert said["agreement"] > 0.75


def test_an_answer_with_a_near_rival_has_little_margin() -> None:
    said = about([at(0.8), at(0.78, "other")])
    assert said["margin"] == pytest.approx(0.02)
    assert said["agreement"] < 0.6
    assert said["answers"] > about([at(0.8), at(0.78)])["answers"]


def test_the_answers_own_wordings_are_no_runner_up() -> None:
    assert about([at(0.8), at(0.79), at(0.3, "other")])["margin"] == pytest.approx(0.5)


def test_the_middle_of_wordings_on_both_sides_is_nearer_than_each() -> None:
    left, right = candidate(ASKED, "How do I reset the password?", of=RIGHT), candidate(ASKED, NEAR, of=RIGHT)
    said = about([left, right])
    assert said["centre"] > min(left.similarity, right.similarity)
    assert said["second"] == pytest.approx(min(left.similarity, right.similarity))


@given(crowds)
def test_every_value_is_finite_and_shares_are_shares(crowd: list[tuple[str, float]]) -> None:
    said = about([at(0.9), *(at(similarity, side) for side, similarity in crowd)])
    assert np.isfinite(list(said.values())).all()
    assert all(0 <= said[name] <= 1 for name in ("agreement", "narrow_agreement", "record", "answers"))


@given(crowds, st.floats(0, 0.99))
def test_one_more_text_with_this_answer_never_lowers_the_confidence(
    crowd: list[tuple[str, float]], similarity: float
) -> None:
    """Of what is bounded; other weights may be learned either way."""
    before = [at(0.6), *(at(similarity, side) for side, similarity in crowd)]
    without, beside = about(before), about([*before, at(similarity)])
    assert beside["agreement"] >= without["agreement"] - 1e-9
    assert beside["support"] >= without["support"]
    assert confidence(beside) >= confidence(without) - 1e-9


@given(crowds, st.floats(0, 0.99), st.sampled_from(["other", "refuting"]))
def test_one_more_text_with_another_answer_never_raises_the_confidence(
    crowd: list[tuple[str, float]], similarity: float, side: str
) -> None:
    before = [at(0.6), *(at(similarity, side) for side, similarity in crowd)]
    without, beside = about(before), about([*before, at(similarity, side)])
    assert beside["refutation"] >= without["refutation"]
    assert beside["record"] <= without["record"] + 1e-9
    assert confidence(beside) <= confidence(without) + 1e-9
