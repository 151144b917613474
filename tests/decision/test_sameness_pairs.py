"""The local judge of sameness: what it settles by rule, by likeness, and what it leaves open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.sameness.likeness import LIKENESS, SPEAKS_FOR
from semcache.decision.sameness.local import LocalJudge, Scale
from semcache.decision.sameness.outcomes import Different, Pairing, Same, Sameness, Uncertain
from semcache.entry import Embedding
from semcache.message import text_message

ALIKE, UNLIKE = 1.0, 0.0


def said(
    fresh: str, stored: str, *, likeness: float = ALIKE, questions: tuple[str, str] = ("why?", "why?")
) -> Sameness:
    """What the judge says of two answers where an embedding model finds every two texts this much alike."""
    known: dict[str, Embedding] = {}

    def embed(text: str, *, tokens: bool = False) -> Embedding:
        angle = np.arccos(likeness) * len(known)
        vector = np.array([np.cos(angle), np.sin(angle)], np.float32)
        return known.setdefault(text, Embedding(vector, vector[None, :]))

    def message(text: str) -> object:
        return text_message(text, model="m", message_id="msg_1", usage={})

    pairing = Pairing(questions[0], message(fresh), questions[1], message(stored))  # type: ignore[arg-type]
    return LocalJudge(embed).compare(pairing)


@pytest.mark.parametrize(
    ("fresh", "stored"),
    [
        pytest.param("Press the red button.", "Sure! Press the **red** button.", id="opening and markup"),
        pytest.param("Press it.", "Press it. I hope this helps!", id="closing"),
        pytest.param("Certainly, 12 days.", "Of course: 12 days.", id="two openings"),
    ],
)
def test_courtesies_and_markup_are_no_part_of_an_answer(fresh: str, stored: str) -> None:
    assert said(fresh, stored, likeness=UNLIKE) == Same("equal", pytest.approx(0.99, abs=0.02))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Hills are high.", id="no greeting"),
        pytest.param("Surely not.", id="not sure"),
        pytest.param("Hello!", id="nothing else"),
    ],
)
def test_what_only_begins_like_a_courtesy_is_kept(text: str) -> None:
    assert not isinstance(said(text, "Ice is cold.", likeness=UNLIKE), Same)
    assert not isinstance(said(text, text[2:], likeness=UNLIKE), Same)


@pytest.mark.parametrize(
    ("fresh", "stored", "reason"),
    [
        pytest.param("It costs 12 euros.", "The price is 14 euros.", "numbers", id="numbers"),
        pytest.param("Your order is AB-1234.", "You ordered AB-1243.", "ids", id="ids"),
        pytest.param("We open at 9 a.m.", "Doors are open from 10:30.", "times", id="times"),
        pytest.param("It ends on 3 May.", "The last day is 3 June.", "dates", id="dates"),
        pytest.param("Yes, you may.", "No, that is forbidden.", "polarity", id="yes and no"),
        pytest.param("You can bring it along.", "You can't take it with you.", "polarity", id="can and can't"),
        pytest.param("Yes.", "Of course not.", "polarity", id="of course not"),
        pytest.param("I'm sorry, but I can't help with that.", "Turn the key.", "refusal", id="refusal"),
    ],
)
def test_what_cannot_both_be_right_is_different_however_alike(fresh: str, stored: str, reason: str) -> None:
    verdict = said(fresh, stored, likeness=ALIKE)
    assert isinstance(verdict, Different)
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("fresh", "stored"),
    [
        pytest.param(
            "1. Wash the cups.\n2. Dry them.", "First rinse the mugs, after that rub them dry.", id="numbered list"
        ),
        pytest.param("From 10 a.m. on.", "It opens at 10:00.", id="times of day"),
        pytest.param("Turn the tap off.", "Close the valve.", id="prose"),
    ],
)
def test_the_same_in_other_words_is_the_same(fresh: str, stored: str) -> None:
    assert isinstance(said(fresh, stored), Same)


@pytest.mark.parametrize(
    ("fresh", "stored", "doubt"),
    [
        pytest.param("Use `sort names`.", "Use `uniq names`.", "alike-to-a-degree", id="other code"),
        pytest.param("Take the train at dawn.", "| when | how |\n|---|---|\n| dawn | train |", "shape", id="a table"),
        pytest.param(
            "Refunds always reach your card in full. Bring the box.",
            "Refunds always reach your card in full. Leave shoes outside.",
            "template",
            id="template",
        ),
        pytest.param("Wait 12 minutes.", "Wait a while.", "values", id="a value that only one names"),
    ],
)
def test_what_is_alike_but_doubtful_stays_open(fresh: str, stored: str, doubt: str) -> None:
    verdict = said(fresh, stored)
    assert isinstance(verdict, Uncertain)
    assert verdict.reason == doubt


def test_answers_to_conflicting_questions_are_never_the_same_by_likeness() -> None:
    fresh, stored = "Turn the tap off.", "Close the valve."
    assert isinstance(said(fresh, stored), Same)
    asked = said(fresh, stored, questions=("What fits the 12 mm pipe?", "What fits the 15 mm pipe?"))
    assert isinstance(asked, Uncertain)
    assert asked.reason.startswith("question-")


def test_what_is_nothing_alike_is_different_and_what_is_somewhat_alike_stays_open() -> None:
    fresh, stored = "Turn the tap off.", "Violins have strings."
    assert isinstance(said(fresh, stored, likeness=UNLIKE), Different)
    assert isinstance(said(fresh, stored, likeness=0.6), Uncertain)


def test_no_shipped_weight_counts_against_its_meaning() -> None:
    scale = Scale.shipped()
    weights = dict(zip(LIKENESS, scale.weights, strict=True))
    assert all((weight >= 0) == (name in SPEAKS_FOR) or weight == 0 for name, weight in weights.items())
    assert 0 < scale.different_below < scale.same_from < 1


_WORDS = st.sampled_from("Yes no not the tap Berlin 12 14 mm `ls -a` AB-12 open close. \n 1. - | {} ?".split(" "))
_TEXTS = st.lists(_WORDS, min_size=1, max_size=12).map(" ".join) | st.text(min_size=1, max_size=40)


@given(fresh=_TEXTS, stored=_TEXTS, likeness=st.floats(0, 1))
def test_it_does_not_matter_which_of_two_answers_was_stored(fresh: str, stored: str, likeness: float) -> None:
    one, other = said(fresh, stored, likeness=likeness), said(stored, fresh, likeness=likeness)
    assert type(one) is type(other)


@given(text=_TEXTS)
def test_every_answer_is_the_same_as_itself(text: str) -> None:
    assert isinstance(said(text, text, likeness=UNLIKE), Same)
