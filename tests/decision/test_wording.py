"""Time-bound and personal."""

from __future__ import annotations

import pytest

from semcache.decision.wording import is_personal, is_time_bound


@pytest.mark.parametrize(
    "text",
    ["What is on TV tonight?", "WHAT'S NEW?", "Is the bakery still available this week?", "What is the price of gold?",
     "What is the current exchange rate?", "Tell me the weather", "Is it down?", "order status please"],
)  # fmt: skip
def test_the_answer_changes_with_the_day(text: str) -> None:
    assert is_time_bound(text)


@pytest.mark.parametrize(
    "text",
    [
        "How do I open a current account?",
        "I lost my keys, what do I do now?",
        "How do I bake bread?",
        "Do snowdrops know winter?",
    ],
)
def test_the_answer_is_the_same_on_any_day(text: str) -> None:
    assert not is_time_bound(text)


def test_the_state_of_an_account_is_personal_but_how_to_find_it_is_not() -> None:
    assert is_personal("What is my balance?")
    assert not is_personal("Where can I look up a balance?")
