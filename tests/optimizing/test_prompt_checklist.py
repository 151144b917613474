"""What a prompt asks for, what a shorter version must keep to the letter, and what it has lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimizing.workshops import CARELESS, FORGETFUL, GOOD, ORIGINAL

from semcache.optimizing.checklist import Kind, instructions_in, lost_in
from semcache.optimizing.protected import missing_in
from semcache.strategies.compression.sentences import sentences_of


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        pytest.param("Never mention the price.", Kind.CONSTRAINT, id="a denial"),
        pytest.param("Answer politely.", Kind.ACTION, id="an imperative"),
        pytest.param("Please greet the reader.", Kind.ACTION, id="a polite one"),
        pytest.param("If it rains, then first of all cancel the trip.", Kind.CONDITION, id="a condition"),
        pytest.param("Write a list of bullet points.", Kind.FORMAT, id="a format"),
        pytest.param("Give an example of each tool.", Kind.EXAMPLE, id="an example"),
        pytest.param("- REFUND: money back", Kind.ITEM, id="an item of a list"),
    ],
)
def test_an_instruction_is_known_by_its_words(sentence: str, kind: Kind) -> None:
    assert [each.kind for each in instructions_in(sentence)] == [kind]


@pytest.mark.parametrize(
    "sentence",
    ["The shop was founded long ago.", "They do not know SQL.", "There are some actions that cannot be undone."],
)
def test_what_is_only_told_is_no_instruction(sentence: str) -> None:
    assert instructions_in(sentence) == ()


@pytest.mark.parametrize(
    ("original", "version"),
    [
        pytest.param("You should please always make sure that you respond politely to customers.",
                     "Respond politely to customers.", id="without filler"),
        pytest.param("The summary should not be longer than 80 words.", "At most 80 words.", id="a limit"),
        pytest.param("Please write at most two sentences.", "Write at most 2 sentences.", id="a number said otherwise"),
        pytest.param("Never guess the age, because we have had complaints.", "Never guess the age.", id="a reason"),
    ],
)  # fmt: skip
def test_other_words_for_it_give_an_instruction(original: str, version: str) -> None:
    assert lost_in(version, original) == ()
    assert missing_in(version.replace("2", "two"), original) == {}


@pytest.mark.parametrize(
    ("original", "version"),
    [
        pytest.param("Never reveal the discount code.", "Reveal the discount code.", id="its denial"),
        pytest.param("Write at most 80 words.", "Write few words.", id="its number"),
        pytest.param("Greet the customer. Verify the order number.", "Greet the customer.", id="all of it"),
    ],
)
def test_an_instruction_is_lost_without(original: str, version: str) -> None:
    assert len(lost_in(version, original)) == 1


def test_a_good_version_loses_nothing_and_a_forgetful_one_what_it_forgot() -> None:
    assert lost_in(GOOD, ORIGINAL) == ()
    assert missing_in(GOOD, ORIGINAL) == {}
    assert ["value of a painting" in each.text for each in lost_in(FORGETFUL, ORIGINAL)] == [True]
    assert missing_in(CARELESS, ORIGINAL) == {"address": ("tours@museum.example",)}


@given(st.lists(st.integers(0, 9), max_size=6))
def test_no_prompt_loses_anything_against_itself_or_by_saying_more(places: list[int]) -> None:
    sentences = [sentence.text for sentence in sentences_of(ORIGINAL)]
    prompt = "".join(sentences[place % len(sentences)] for place in places)
    assert lost_in(prompt, prompt) == ()
    assert missing_in(prompt, prompt) == {}
    assert missing_in(f"{prompt}\n{ORIGINAL}", prompt) == {}


@pytest.mark.parametrize(
    ("original", "version", "kind"),
    [
        pytest.param("Begin with {{first_name}}.", "Begin with the name.", "placeholder", id="double braces"),
        pytest.param("Use ${REGION} here.", "Use the region here.", "placeholder", id="dollar and braces"),
        pytest.param("Fill in [CUSTOMER_NAME].", "Fill in the name.", "placeholder", id="brackets"),
        pytest.param("It stands in <notes>.", "It stands below.", "tag", id="a tag"),
        pytest.param("Call `refund_order`.", "Refund the order.", "identifier", id="a name of code"),
        pytest.param("See https://a.example/b for it.", "See the page.", "address", id="a URL"),
        pytest.param("Refuse after 30 days.", "Refuse after a month.", "number", id="a number"),
        pytest.param("Codes look like AB-12.", "Codes are short.", "id", id="an id"),
        pytest.param('Say "I do not know." then.', "Say so then.", "quotation", id="a quotation"),
        pytest.param("Reply so:\n```\n{x: 1}\n```", "Reply so: {x: 1", "code", id="code"),
    ],
)
def test_what_must_stay_to_the_letter_is_missed(original: str, version: str, kind: str) -> None:
    assert kind in missing_in(version, original)


def test_tools_count_where_the_prompt_speaks_of_them() -> None:
    assert missing_in("Look first.", "Use search first.", names=["search", "send"]) == {"tool": ("search",)}


def test_numbers_of_list_items_do_not_count() -> None:
    assert missing_in("- Greet.\n- Ask.", "1. Greet.\n2. Ask.") == {}
