"""Long sentences in parts: nothing is lost, and nothing is parted that would say something else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.strategies.compression.clauses import clauses_of
from semcache.strategies.compression.sentences import Form, Sentence, sentences_of

WORDS = (
    "Can you please confirm that ",
    "I want to ",
    "rent a car",
    ", which ",
    "leaves at 7",
    " and ",
    "ends; ",
    "if ",
)


def parts(text: str) -> list[str]:
    return [part.text for part in clauses_of(Sentence(text))]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=14).map("".join)))
def test_the_clauses_are_the_sentence(text: str) -> None:
    for sentence in sentences_of(text):
        found = clauses_of(sentence)
        assert "".join(each.text for each in found) == sentence.text
        assert all(each.text.strip() for each in found) or not sentence.text.strip()


def test_what_opens_a_request_is_apart_from_what_is_asked() -> None:
    text = "Can you please confirm that you pick up the car in Concord at 10 am, and keep it till March 7th?"
    assert parts(text) == [
        "Can you please confirm that ",
        "you pick up the car in Concord at 10 am, ",
        "and keep it till March 7th?",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "If the price is above 100 dollars, ask me before you book anything at all.",
        "You must always answer in French, and mention the price of every ticket.",
        "I do not want the early train, which leaves before the sun has risen over it.",
        "Take the late train rather than the early one, because it stops everywhere.",
        "It leaves at seven, and it is on time.",
    ],
)
def test_what_binds_or_is_short_stays_whole(text: str) -> None:
    assert parts(text) == [text]


def test_code_stays_whole() -> None:
    code = Sentence("```\nfirst = one, and_then = two, because = three, which = four\n```\n", Form.WHOLE)
    assert clauses_of(code) == [code]
