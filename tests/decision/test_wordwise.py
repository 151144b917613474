"""Word against word: what the words of two questions, and of the stored answer, say."""

from __future__ import annotations

import numpy as np
import pytest
from evidence_samples import EMBEDDER
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.profile import Profile
from semcache.decision.wordwise import WORDWISE, Reading, wordwise

NAMES = tuple(WORDWISE)
ASKED = "How do I reset the password of my account?"
_WORDS = "how do I reset the password of my account not order 17 to Norway from Peru please ? cancel".split()
texts = st.lists(st.sampled_from(_WORDS), max_size=9).map(" ".join) | st.text(max_size=30)


def compared(asked: str, stored: str, answer: str = "") -> dict[str, float]:
    readings = [Reading.of(text, EMBEDDER.words) for text in (asked, stored)]
    values = wordwise(readings[0], readings[1], tuple(Profile.of(answer).words.stems))
    return dict(zip(NAMES, values, strict=True))


@pytest.mark.parametrize("text", [ASKED, "Cancel order 17", "refund"])
def test_a_text_is_wholly_like_itself(text: str) -> None:
    said = compared(text, text)
    alike = ("overlap", "asked_overlap", "stored_overlap", "asked_alignment", "stored_alignment", "same_content")
    unlike = ("asked_leftover", "stored_leftover", "substitution", "length", "answer_dispute")
    assert [said[name] for name in alike] == pytest.approx([1.0] * len(alike), abs=1e-5)
    assert [said[name] for name in unlike] == pytest.approx([0.0] * len(unlike), abs=1e-5)
    assert not any(value for name, value in said.items() if name.endswith("_conflict"))


def test_small_words_are_hardly_left_over() -> None:
    small, large = compared(ASKED, "How I reset password of account?"), compared(ASKED, "How do I reset the of my?")
    assert small["asked_leftover"] < 0.1 < large["asked_leftover"]
    assert small["stored_leftover"] == pytest.approx(0, abs=1e-5)


def test_one_word_in_anothers_place_stands_out() -> None:
    swapped = compared("How do I feed my hamster?", "How do I feed my tortoise?")
    reworded = compared("How do I feed my hamster?", "What does a tortoise eat in winter when it is cold outside?")
    assert swapped["substitution"] > 0.3 > reworded["substitution"]


def test_what_only_one_text_says_is_left_over_there_only() -> None:
    said = compared("How do I reset my password on the balcony?", "How do I reset my password?")
    assert said["asked_leftover"] > 0.1
    assert said["stored_leftover"] == pytest.approx(0, abs=1e-5)
    assert said["asked_weakest"] < said["stored_weakest"]


def test_words_in_another_order_are_told_from_the_same_order() -> None:
    assert compared("from Peru to Norway", "from Peru to Norway")["order"] == 1
    assert compared("from Peru to Norway", "to Norway from Peru")["order"] < 1


def test_the_answer_may_speak_of_what_only_one_of_the_questions_mentions() -> None:
    asked, stored = "Do you ship to Norway?", "Do you ship to Iceland?"
    assert compared(asked, stored, "We ship to Norway.")["answer_support"] == 1
    assert compared(asked, stored, "We ship to Iceland.")["answer_support"] == 0
    assert compared(asked, stored, "We ship to Iceland.")["answer_dispute"] == 1
    assert compared(asked, stored, "Yes.")["answer_dispute"] == 0


def test_nothing_is_like_no_words() -> None:
    said = compared("", ASKED)
    assert said["asked_alignment"] == said["stored_alignment"] == said["overlap"] == 0
    assert said["asked_leftover"] == said["stored_leftover"] == said["length"] == 1


@given(asked=texts, stored=texts)
def test_every_value_is_finite_and_within_its_range(asked: str, stored: str) -> None:
    said = compared(asked, stored, "Any answer will do.")
    assert np.isfinite(list(said.values())).all()
    assert all(-1 - 1e-5 <= value <= 1 + 1e-5 for name, value in said.items() if name != "substitution"), said
    assert said["substitution"] >= -1e-5


@given(asked=texts, stored=texts)
def test_what_is_said_of_the_one_is_said_of_the_other_when_they_change_places(asked: str, stored: str) -> None:
    here, there = compared(asked, stored), compared(stored, asked)
    for mine, yours in (("asked_overlap", "stored_overlap"), ("asked_alignment", "stored_alignment"),
                        ("asked_weakest", "stored_weakest"), ("asked_leftover", "stored_leftover")):  # fmt: skip
        assert here[mine] == pytest.approx(there[yours], abs=1e-5)
    for name in ("overlap", "length", "substitution", "same_content"):
        assert here[name] == pytest.approx(there[name], abs=1e-5)
    conflicts = [name for name in NAMES if name.endswith("_conflict")]
    assert [here[name] for name in conflicts] == [there[name] for name in conflicts]
