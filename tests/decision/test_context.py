"""Where a question of a conversation stands, what two contexts must agree on, and answers that point back."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import body, request
from hypothesis import given
from hypothesis import strategies as st

from semcache.canonical import identify
from semcache.decision.context import (
    Leans,
    Standing,
    StandsAlone,
    Tied,
    context_objection,
    refers_back,
    standing_of,
)
from semcache.request import Json, Request

ASKED = "What is the treatment for sunburn?"
SAID = "Cool the skin and drink enough."
COMPLETE = "How do I reset my router password?"
FOLLOW_UP = "Is it painful for adults?"


def conversation(*turns: Any, **fields: Any) -> Request:
    """User and assistant in turn, the question last."""
    roles = ("user", "assistant") * len(turns)
    spoken: list[Json] = [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]
    return Request(body(messages=spoken, **fields))


def standing(*turns: Any) -> Standing:
    identity = identify(conversation(*turns))
    assert identity.question is not None
    return standing_of(identity, identity.question)


def test_a_single_question_stands_alone_where_it_always_stood() -> None:
    identity = identify(request("Yes, cancel it"))
    found = standing_of(identity, "Yes, cancel it")
    assert isinstance(found, StandsAlone)
    assert (found.place.scope_digest, found.place.key) == (identity.scope_digest, identity.key)


def test_a_complete_question_stands_where_it_would_stand_without_its_history() -> None:
    alone, after = standing(COMPLETE), standing(ASKED, SAID, COMPLETE)
    assert isinstance(after, StandsAlone)
    assert after == alone
    assert standing("Hi", "Hello!", COMPLETE) == alone


def test_a_follow_up_leans_on_what_the_user_said() -> None:
    found = standing(ASKED, SAID, FOLLOW_UP)
    assert isinstance(found, Leans)
    assert found.place.text == f"{ASKED}\n{FOLLOW_UP}"
    assert found.reason == "reference"


def test_greetings_are_no_context() -> None:
    greeted, plain = standing("Hello!", "Hi.", ASKED, SAID, FOLLOW_UP), standing(ASKED, SAID, FOLLOW_UP)
    assert greeted.place.text == plain.place.text


def test_a_follow_up_never_meets_a_question_that_stands_alone() -> None:
    leaning, alone = standing(ASKED, SAID, FOLLOW_UP), standing(FOLLOW_UP)
    assert leaning.place.scope_digest != alone.place.scope_digest


def test_a_follow_up_that_can_only_mean_the_users_words_does_not_depend_on_the_answer() -> None:
    one, other = (standing("What is sunburn?", said, FOLLOW_UP) for said in (SAID, "Red and sore skin."))
    assert isinstance(one, Leans)
    assert one.place.scope_digest == other.place.scope_digest


@pytest.mark.parametrize(
    ("asked", "follow_up"),
    [
        pytest.param("Which plants keep cats away?", "Is it poisonous to dogs?", id="it was named by the assistant"),
        pytest.param("Recommend a novel about the sea", "Who wrote it?", id="recommended by the assistant"),
        pytest.param(ASKED, "And the second one?", id="ordinal"),
        pytest.param(ASKED, "Yes, please", id="yes"),
        pytest.param(ASKED, "Is that one expensive?", id="that one"),
        pytest.param(ASKED, "Make it shorter", id="about the answer"),
        pytest.param(ASKED, "Why?", id="why"),
        pytest.param(ASKED, "Aloe gel", id="no question"),
    ],
)
def test_a_follow_up_that_may_mean_the_answer_depends_on_it(asked: str, follow_up: str) -> None:
    one, other = (standing(asked, said, follow_up) for said in (SAID, "Stay in the shade."))
    assert isinstance(one, Leans)
    assert one.place.scope_digest != other.place.scope_digest
    assert standing(asked, SAID, follow_up) == one


@pytest.mark.parametrize(
    "said",
    [
        "Answer in French from now on.",
        "You are a pirate.",
        "Pretend to be a teacher, ok?",
        "Can you reply in one sentence?",
        "Please use metric units",
        "I have a peanut allergy",
        "I'm seven years old",
        "My daughter is allergic to nuts, what may she eat?",
        "As a beginner, how do I start running?",
        "Only recommend vegan food",
        "Keep your answers short",
        "What are the planets? Explain it step by step",
        "Let's say you were a king. What would you do?",
        "Don't use emojis",
        "Call me Ishmael",
        "Assume the budget is small. What should one buy?",
    ],
)
def test_terms_that_the_user_laid_down_tie_every_later_question(said: str) -> None:
    found = standing(said, "Understood.", COMPLETE)
    assert isinstance(found, Tied)
    assert found.reason in ("context-terms", "context-statement")
    assert isinstance(standing(said, "Understood.", ASKED, SAID, COMPLETE), Tied)


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        pytest.param(["The parcel came broken.", "Sorry!", COMPLETE], "context-statement", id="statement"),
        pytest.param(["word " * 100, "Long.", COMPLETE], "context-material", id="long turn"),
        pytest.param(["What does `x = 1` do?", "It assigns.", COMPLETE], "context-material", id="code"),
        pytest.param(["Wie ist das Wetter und die Luft?", "Gut.", COMPLETE], "context-language", id="German"),
        pytest.param([ASKED, "La peau est rouge et les bains sont froids.", COMPLETE], "context-language", id="French"),
        pytest.param([*[ASKED, SAID] * 5, FOLLOW_UP], "context-length", id="many turns"),
        pytest.param(["Hi", "Hello!", "And the second one?"], "context-length", id="nothing to lean on"),
        pytest.param([[{"type": "image"}], SAID, COMPLETE], "context-not-text", id="image"),
        pytest.param([[{"type": "hologram"}], SAID, COMPLETE], "context-not-text", id="unknown block"),
        pytest.param([ASKED, [{"type": "tool_use", "name": "t"}], COMPLETE], "context-not-text", id="tool"),
        pytest.param([ASKED, [{"type": "text", "text": "a", "new": 1}], COMPLETE], "context-not-text", id="new field"),
        pytest.param([ASKED, SAID, [{"type": "image"}, {"type": "text", "text": COMPLETE}]], "context-not-text",
                     id="image beside the question"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_ties(turns: list[Any], reason: str) -> None:
    found = standing(*turns)
    identity = identify(conversation(*turns))
    assert isinstance(found, Tied)
    assert found.reason == reason
    assert (found.place.scope_digest, found.place.key) == (identity.scope_digest, identity.key)


def test_two_user_turns_in_a_row_are_one_question_that_was_split() -> None:
    turns = [{"role": "user", "content": text} for text in (ASKED, COMPLETE)]
    identity = identify(Request(body(messages=turns)))
    assert isinstance(standing_of(identity, COMPLETE), Tied)


def test_a_system_turn_in_the_conversation_ties() -> None:
    turns = [{"role": "system", "content": "Be a pirate."}, {"role": "user", "content": COMPLETE}]
    identity = identify(Request(body(messages=turns)))
    assert isinstance(standing_of(identity, COMPLETE), Tied)


def test_where_the_assistant_has_asked_a_request_is_taken_for_the_reply() -> None:
    asked, told = "For which router?", "That depends on the router."
    reply = "Show me the manual of the Archer C7"
    assert isinstance(standing("How do I open ports?", asked, reply), Leans)
    assert isinstance(standing("How do I open ports?", told, reply), StandsAlone)


def test_thinking_in_the_history_is_passed_over() -> None:
    thought = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": SAID}]
    aloud, silent = standing(ASKED, thought, FOLLOW_UP).place, standing(ASKED, SAID, FOLLOW_UP).place
    assert (aloud.scope_digest, aloud.text) == (silent.scope_digest, silent.text)


@pytest.mark.parametrize(
    ("asked", "stored", "objection"),
    [
        pytest.param("A?\nHow often?", "A?\nHow often?", None, id="equal"),
        pytest.param(
            "How do I care for an orchid?\nAnd how often should I water it?",
            "How should I care for an orchid?\nHow often should I water it?",
            None,
            id="reworded",
        ),
        pytest.param(
            "How do I care for an orchid?\nHow often should I water it?",
            "How do I care for a cactus?\nHow often should I water it?",
            "context-topic",
            id="other topic in the same words",
        ),
        pytest.param(
            "What is sunburn?\nIs it painful?", "How does a diesel engine start?\nIs it painful?", "context-topic",
            id="another topic",
        ),
        pytest.param(
            "When was Fort Alder built?\nWho built it?", "When was Fort Birch built?\nWho built it?", "context-names",
            id="other name",
        ),
        pytest.param(
            "Is order 17 paid?\nIs it shipped?", "Is order 18 paid?\nIs it shipped?", "context-numbers", id="number"
        ),
        pytest.param(
            "Is order 17 paid?\nAnd order 18?", "Is order 18 paid?\nAnd order 17?", "follow-up", id="numbers swapped"
        ),
        pytest.param(
            "How do I enable roaming?\nWhat does it cost?", "How do I disable roaming?\nWhat does it cost?",
            "context-opposites", id="opposite",
        ),
        pytest.param("Can I fry fish?\nIs it healthy?", "Can I fry fish?\nIs it expensive?", "follow-up", id="asked"),
        pytest.param("A?\nthe first one", "A?\nthe second one", "follow-up", id="ordinal"),
        pytest.param("A?\nIs it safe for him?", "A?\nIs it safe for her?", "follow-up", id="pronoun"),
        pytest.param("A?\nWhen was it built?", "A?\nWhy was it built?", "follow-up", id="question word"),
    ],
)  # fmt: skip
def test_contexts_share_an_answer_only_where_they_agree(asked: str, stored: str, objection: str | None) -> None:
    assert context_objection(asked, stored) == objection
    assert (context_objection(stored, asked) is None) == (objection is None)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_two_contexts_can_be_compared(asked: str, stored: str) -> None:
    assert context_objection(asked, asked) is None
    assert (context_objection(asked, stored) is None) == (context_objection(stored, asked) is None)


@pytest.mark.parametrize(
    "answer",
    [
        "As I mentioned above, wait for two days.",
        "As mentioned earlier, use cold water.",
        "You asked about ports before; here is the password.",
        "In my previous answer the steps are listed.",
        "Again, hold the button for ten seconds.",
        "Unlike the first option, this one is free.",
        "Given your allergy, avoid it.",
        "Going back to your question about routers: hold the button.",
    ],
)
def test_an_answer_that_points_back_belongs_to_its_conversation(answer: str) -> None:
    assert refers_back(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Hold the button for ten seconds, then type a new password.",
        "The capital of Peru is Lima. It lies on the coast.",
        "First open the settings. Then choose a network.",
    ],
)
def test_an_answer_that_speaks_of_its_subject_only_may_be_shared(answer: str) -> None:
    assert not refers_back(answer)
