"""What in a question leans on the turns before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.leaning import leaning

BEFORE = ["How do I grow tomatoes in pots?"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("And the second one?", "reply", id="and"),
        pytest.param("Yes, cancel it", "reply", id="yes"),
        pytest.param("What about peppers?", "reply", id="what about"),
        pytest.param("Tell me more about peppers", "reply", id="more"),
        pytest.param("Translate to French", "reply", id="request without its object"),
        pytest.param("Is it safe for children?", "reference", id="it"),
        pytest.param("What are its symptoms?", "reference", id="its"),
        pytest.param("Does she have children?", "reference", id="she"),
        pytest.param("Which of those is cheaper?", "reference", id="those"),
        pytest.param("Can I get a refund if it breaks?", "reference", id="it after a noun that it need not mean"),
        pytest.param("Is that common?", "reference", id="that as a subject"),
        pytest.param("How is this different from soil?", "reference", id="this"),
        pytest.param("the blue one", "reference", id="one"),
        pytest.param("Canon printers", "fragment", id="bare noun"),
        pytest.param("A small balcony on the north side", "fragment", id="answer to a question"),
        pytest.param("How often?", "bare", id="how often"),
        pytest.param("Why?", "bare", id="why"),
        pytest.param("What are the symptoms?", "bare", id="symptoms of what"),
        pytest.param("What role do bumble bees play?", "choice", id="what role"),
        pytest.param("Which fertilizer gives tomatoes colour?", "choice", id="which of a set"),
        pytest.param("How much is owed after tax season?", "amount", id="how much of what"),
        pytest.param("Are there any related to jazz concerts?", "amount", id="any of what"),
        pytest.param("How does ordinary garden soil compare?", "comparison", id="with what"),
        pytest.param("Who is the richest tomato farmer?", "comparison", id="superlative without a field"),
        pytest.param("Does the price cover postage stamps?", "definite", id="the price"),
        pytest.param("What is the impact on singing garden birds?", "relation", id="impact of what"),
        pytest.param("What type is best for potted balcony herbs?", "relation", id="type of what"),
        pytest.param("What is the role of bumble bees?", "relation", id="role in what"),
        pytest.param("What are popular balcony climbing plants?", "place", id="popular where"),
    ],
)
def test_a_follow_up_leans_and_says_by_what(text: str, reason: str) -> None:
    assert leaning(text, BEFORE) == reason


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset my router password?",
        "Is it possible to freeze tomato sauce?",
        "What is the capital of Peru?",
        "What is photosynthesis?",
        "What is taurine and why is it added to drinks?",
        "Who wrote The Brothers Karamazov?",
        "How do I delete my account?",
        "Explain how vaccines produce immunity.",
        "Which planet in the solar system has the most moons?",
        "What are the symptoms of iron deficiency?",
        "What is the difference between a virus and a bacterium?",
        "How do tomatoes get blossom end rot?",
        "Is Iceland part of the European Union?",
        "Do most scientists believe that birds descend from dinosaurs?",
        "I would like to renew my passport in Lisbon",
        "In which year did an earthquake destroy Lisbon?",
    ],
)
def test_a_complete_question_stands_alone_anywhere(text: str) -> None:
    assert leaning(text, BEFORE) is None


@pytest.mark.parametrize(
    ("text", "before"),
    [
        pytest.param("How do I store solar for cloudy winter nights?", "How does solar power work?", id="compound"),
        pytest.param("What causes CCD in Europe?", "Why does colony collapse disorder happen?", id="initials"),
        pytest.param("What is the role of levels in sleep?", "How do melatonin levels change?", id="head"),
    ],
)
def test_a_shortened_name_leans_on_the_long_one(text: str, before: str) -> None:
    assert leaning(text, [before]) is not None
    assert leaning(text, []) is None


def test_an_offer_is_that_of_a_place_named_before() -> None:
    hotel = ["What can you tell me about the Hotel Seeblick?"]
    assert leaning("Is parking available for large camper vans?", BEFORE) == "party"
    assert leaning("Do you serve breakfast to hiking groups?", hotel) == "party"
    assert leaning("May I bring my dog into breakfast rooms?", hotel) == "party"
    assert leaning("May I bring my dog into breakfast rooms?", BEFORE) is None


@pytest.mark.parametrize("text", ["Explain step 2", "Which of option B and option C is safer?", "What is item 3?"])
def test_numbers_and_letters_name_nothing_by_themselves(text: str) -> None:
    assert leaning(text, BEFORE) is not None


def test_naming_the_topic_again_is_enough_to_stand() -> None:
    assert leaning("What do sharks eat?", ["Are sharks fish?"]) is None
    assert leaning("What do sharks eat?", BEFORE) == "bare"


def test_with_nothing_said_before_only_what_points_outright_leans() -> None:
    assert leaning("What are the symptoms?", []) is None
    assert leaning("Yes, cancel it", []) == "reply"


@given(st.text(max_size=200), st.lists(st.text(max_size=60), max_size=3))
def test_any_text_can_be_read(text: str, earlier: list[str]) -> None:
    assert leaning(text, earlier) is None or isinstance(leaning(text, earlier), str)


@given(st.sampled_from(["How often?", "What are its symptoms?", "And the second one?"]), st.text(max_size=60))
def test_what_points_at_something_leans_whatever_was_said(text: str, before: str) -> None:
    assert leaning(text, [before]) is not None
