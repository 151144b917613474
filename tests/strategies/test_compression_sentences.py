"""Texts in sentences: nothing is lost, code and JSON stay whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.strategies.compression.facts import Fact, Kind, facts_of, names_in
from semcache.strategies.compression.sentences import Form, sentences_of

PIECES = (
    "One. ",
    "Two? ",
    "e.g. this ",
    "\n\n",
    "```\na = 1\n\nb\n```\n",
    '{"a": [1]}\n',
    "| a | b |\n| 1 | 2 |\n",
    "    x\n    y\n",
    " ",
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)))
def test_the_sentences_are_the_text(text):
    sentences = sentences_of(text)
    assert "".join(sentence.text for sentence in sentences) == text
    assert len(sentences) <= 1 or all(sentence.text.strip() for sentence in sentences)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("It leaves at 7. We take it.", 2, id="two"),
        pytest.param("Dr. Amari waits at St. Olaf. Go.", 2, id="abbreviations"),
        pytest.param("It costs 4.50 euros at kiosk.example today", 1, id="points inside"),
        pytest.param("- one\n- two\n- three", 3, id="list"),
        pytest.param("\u3053\u3093\u306b\u3061\u306f\u3002\u5143\u6c17\uff1f", 2, id="Japanese"),
    ],
)
def test_where_sentences_end(text, count):
    assert len(sentences_of(text)) == count


@pytest.mark.parametrize(
    "whole",
    [
        "```sql\nSELECT 1;\n\nSELECT 2.\n```\n",
        "~~~\nnever closed\n\nat all",
        '{"a": "One. Two.",\n\n "b": [1, 2]}',
        "| stop | time |\n|---|---|\n| Graz | 7:15. Maybe. |\n",
        "    first line. Second.\n    more of it\n",
    ],
)
def test_what_makes_sense_only_as_a_whole_is_one_sentence(whole):
    found = [each for each in sentences_of(f"Look at this.\n{whole}") if each.form is Form.WHOLE]
    assert [each.text.strip() for each in found] == [whole.strip()]


def test_facts_are_runs_of_figures_dates_and_names():
    text = "We meet in Old Harbour on the 4th of May at 7 pm, order A-7731."
    facts = facts_of(text, names_in([text]))
    assert Fact(Kind.NAME, "old harbour") in facts
    assert Fact(Kind.DATE, "4th of may at 7 pm") in facts
    assert Fact(Kind.PART, "a-7731") in facts
    assert Fact(Kind.WORD, "meet") in facts
