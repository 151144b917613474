"""Questions that mean the same on paper fold to one form, and no others do."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.faq import fold_question


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("How do I pay?", "how do i PAY", id="case and mark"),
        pytest.param(" How  do\tI\npay ?", "How do I pay?", id="spacing"),
        pytest.param("How do I pay?!...", "How do I pay…", id="many marks"),
        pytest.param("Straße?", "STRASSE", id="sharp s"),
        pytest.param("Cafe\u0301?", "Café", id="combining accent"),
        pytest.param("\uff28\uff4f\uff57\uff1f", "How?", id="full width"),
        pytest.param("How\u00a0so?", "how so", id="no-break space"),
        pytest.param("何ですか。", "何ですか", id="Japanese full stop"),
    ],
)
def test_the_same_question_folds_to_one_form(one, other):
    assert fold_question(one) == fold_question(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("What is C#?", "What is C?", id="C#"),
        pytest.param("What is C++?", "What is C?", id="C++"),
        pytest.param("Is it 50%?", "Is it 50?", id="percent"),
        pytest.param("Can I pay?", "Can't I pay?", id="negation"),
        pytest.param("v1.2?", "v12?", id="inner point"),
        pytest.param("?", "!", id="nothing but marks"),
    ],
)
def test_different_questions_stay_different(one, other):
    assert fold_question(one) != fold_question(other)


@given(text=st.text(st.characters(codec="utf-8")))
def test_folding_twice_changes_nothing(text):
    assert fold_question(fold_question(text)) == fold_question(text)


def test_folding_every_character_twice_changes_nothing():
    for code in range(sys.maxunicode + 1):
        folded = fold_question(f"a{chr(code)}\u0345b?")
        assert fold_question(folded) == folded
