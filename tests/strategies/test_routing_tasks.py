"""Which kind of work a text is: by what it asks for, and by nothing where it asks for none, or for several."""

from __future__ import annotations

import pytest

from semcache.strategies.routing.tasks import inferred_task

KNOWN = {
    "classification": [
        "Classify the following ticket as billing, shipping or other: my parcel is late.",
        "Is this review positive or negative? I would not go there again.",
        "Please label each of these sentences with one of the following categories: news, sport, weather.",
        "Which department should this mail go to? Categorise it.",
        "Determine the sentiment of this comment.",
    ],
    "extraction": [
        "Extract the names and dates from the letter below.",
        "Pull out every amount in this contract.",
        "List all the cities mentioned in this text.",
        "Return the order numbers as JSON.",
        "Could you extract the phone number? Call me at 555 0100.",
    ],
    "summarisation": [
        "Summarise the meeting notes in three bullet points.",
        "Give me a short summary of this article.",
        "TL;DR of the thread below, please.",
        "What are the key takeaways?",
        "Condense the report into one paragraph.",
    ],
    "analysis": [
        "Analyse why churn rose in the second quarter and recommend what to do.",
        "Compare the two vendors and discuss the risks of each.",
        "What are the trade-offs of moving to a monorepo?",
        "Evaluate this business plan in detail.",
        "Review the strategy below and propose an alternative.",
    ],
    "reasoning": [
        "Prove that the square root of two is irrational.",
        "Solve the equation 3x + 4 = 19 and show each step.",
        "How many ways are there to seat five people in a row? Calculate it.",
        "Calculate the probability of two sixes in three throws.",
        "If all swans are white and this bird is black, what is it? Derive the answer step by step.",
    ],
    "code": [
        "Write a Python function that merges two sorted lists.",
        "Fix the bug in this code: ```for i in range(10) print(i)```",
        "Implement an LRU cache in Rust.",
        "Refactor this class so that it can be unit tested.",
        "Why does my SQL query return duplicates?",
    ],
}


@pytest.mark.parametrize(("task", "text"), [pytest.param(t, x, id=x[:40]) for t, many in KNOWN.items() for x in many])
def test_what_is_asked_for_is_known(task: str, text: str) -> None:
    assert inferred_task(text) == task


@pytest.mark.parametrize(
    "text",
    ["What is the capital of Portugal?", "How do I reset my password?", "Hello!", "", "Tell me about your day."],
)
def test_an_ordinary_question_is_no_task(text: str) -> None:
    assert inferred_task(text) is None


def test_the_system_prompt_may_say_it() -> None:
    assert inferred_task("My parcel is late.", system="Classify each message. Reply with only the label.") == (
        "classification"
    )


def test_an_instruction_behind_a_long_text_is_read() -> None:
    assert inferred_task("The harbour was quiet. " * 2_000 + "\nSummarise the text above.") == "summarisation"


def test_a_very_long_text_is_read_in_no_time() -> None:
    assert inferred_task("a " * 2_000_000) is None
