"""The surface of a request is read the same each time, and tells questions of different kinds apart."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.routing.surface import shape_of, surface_names, surface_of

CHOICES = "Which river is the longest?\nA. the Narrow\nB. the Broad\nC. the Old\nAnswer:"


def value(text: str, name: str) -> float:
    return surface_of(text)[surface_names().index(name)]


def test_choices_are_told_from_the_question() -> None:
    shape = shape_of(CHOICES)
    assert shape.stem == "Which river is the longest?\n"
    assert shape.options == ("the Narrow", "the Broad", "the Old")


def test_numbered_choices_after_a_lettered_list_are_the_choices() -> None:
    text = "Notes:\nA. warm\nB. cold\nWhat now?\n1) open it\n2) close it\n3) wait"
    assert shape_of(text).options == ("open it", "close it", "wait")


def test_what_a_text_without_choices_says_of_choices_is_nothing() -> None:
    assert math.isnan(value("Tell me about lighthouses.", "option_overlap"))


@pytest.mark.parametrize(
    ("name", "more", "less"),
    [
        pytest.param("numbers", "What is 12 times 40 plus 3?", "What is a lagoon?", id="figures"),
        pytest.param("symbols", "Simplify x^2 + 3*x = 0", "Simplify the plan", id="mathematics"),
        pytest.param("code", "def run():\n    return f() == 2", "Tell me how to run", id="code"),
        pytest.param("constraints", "Write exactly two lines without adverbs", "Write two lines", id="constraints"),
        pytest.param("denial", "Which of these is not, or never, green?", "Which of these is green?", id="denial"),
        pytest.param("asks_how", "How do tides come about?", "Name the tides.", id="kind of question"),
        pytest.param("working_out", "How many tiles cover the floor?", "Name the tiles.", id="phrases"),
        pytest.param("parts", "Statement 1 | Tin melts. Statement 2 | Ice melts.", "Tin and ice melt.", id="parts"),
        pytest.param(
            "option_overlap",
            "Both?\nA. True, True\nB. True, False\nC. False, True",
            "Which?\nA. an oak tree\nB. some birch\nC. the willow",
            id="composed choices",
        ),
    ],
)
def test_a_feature_tells_two_texts_apart(name: str, more: str, less: str) -> None:
    assert value(more, name) > value(less, name)


@given(st.text(max_size=400))
def test_every_text_has_a_surface_of_finite_or_absent_values(text: str) -> None:
    surface = surface_of(text)
    assert len(surface) == len(surface_names()) == len(set(surface_names()))
    assert all(math.isnan(each) or -100 < each < 1000 for each in surface)
    assert str(surface) == str(surface_of(text))


def test_a_very_long_text_is_read_from_its_ends() -> None:
    filler = "The keeper counted boats. " * 20_000
    text = f"{filler}\nHow many?\nA. two\nB. three"
    assert shape_of(text).options == ("two", "three")
    assert value(text, "length") < math.log1p(2000)
