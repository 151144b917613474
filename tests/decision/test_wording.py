"""Time-bound, personal, and standing alone."""

from __future__ import annotations

import pytest

from semcache.decision.wording import is_personal, is_time_bound, stands_alone


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


@pytest.mark.parametrize(
    "text",
    ["Yes, cancel it", "And the second?", "What about roses?", "Why?", "Does she have children?", "What is the impact?",
     "Which of those is cheaper?", "Tell me more about tulips", "How often?"],
)  # fmt: skip
def test_a_follow_up_that_leans_on_its_history_does_not_stand_alone(text: str) -> None:
    assert not stands_alone(text, history_turns=2)


@pytest.mark.parametrize(
    "text",
    ["How do I reset my router password?", "Is it possible to freeze tomato sauce?", "What is the capital of Peru?"],
)
def test_a_complete_question_stands_alone_anywhere(text: str) -> None:
    assert stands_alone(text, history_turns=2)


def test_without_history_everything_stands_alone() -> None:
    assert stands_alone("Yes, cancel it", history_turns=0)
