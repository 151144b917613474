"""Plain wordings: two questions that differ in courtesy, or in the way they are put, are one; no others are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.plain import plain_wording
from semcache.decision.profile import Profile


def plain(text: str) -> str:
    return Profile.of(text).plain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "Hi there, how can I reset my password please?"),
        ("How do I reset my password?", "Could you please tell me how to reset my password? Thanks!"),
        ("How do I reset my password?", "I'd like to know how I can reset my password."),
        ("What's the opening time?", "what is the opening time"),
        ("Is it possible to pay by card?", "Can I pay by card?"),
        ("What is the best way to clean a kettle?", "how do you clean a kettle"),
    ],
)
def test_courtesies_and_frames_do_not_count(one: str, other: str) -> None:
    assert plain(one) == plain(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("How do I reset my password?", "Why do I reset my password?", id="another question"),
        pytest.param("How do I reset my password?", "How do I not reset my password?", id="negation"),
        pytest.param("Can I pay by card?", "How can I pay by card?", id="whether, and how"),
        pytest.param("How do I open it?", "How should I open it?", id="advice"),
        pytest.param("Thanks", "Please", id="nothing but courtesy"),
        pytest.param("How do I write a thank you note?", "How do I write a note?", id="courtesy that is asked about"),
    ],
)
def test_what_is_asked_counts(one: str, other: str) -> None:
    assert plain(one) != plain(other)


@given(st.text())
def test_a_wording_is_empty_only_where_there_is_nothing_but_marks(text: str) -> None:
    folded = " ".join(text.casefold().split())
    assert bool(plain_wording(folded)) or not folded.strip(" .,;:!?…")


@given(st.text(alphabet="abc ?.,'", max_size=60))
def test_a_plain_wording_is_as_plain_as_it_gets(text: str) -> None:
    once = plain_wording(" ".join(text.split()))
    assert plain_wording(once) == once
