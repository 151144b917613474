"""The guards: what must agree, what may differ, and what they may cost."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.guards import conflicts, vetoed_by
from semcache.decision.profile import Profile

CONFLICTING = [
    ("numbers", "How do I book 2 tickets?", "How do I book 3 tickets?"),
    ("numbers", "How do I book two tickets?", "How do I book twelve tickets?"),
    ("numbers", "Can I get a loan of 5k?", "Can I get a loan of 50,000?"),
    ("numbers", "Why was I charged twice?", "Why was I charged?"),
    ("numbers", "Where is order #40718?", "Where is order #40719?"),
    ("numbers", "Is 3.1 supported?", "Is 3.10 supported?"),
    (
        "numbers",
        "Track 1234567890123456789012345678901234567890",
        "Track 1234567890123456789012345678901234567891",
    ),
    ("ids", "Where is parcel AB12X9?", "Where is parcel AB12X8?"),
    ("ids", "Delete 3f2a-11bc", "Delete 3f2a-11bd"),
    ("dates", "What happens on 2026-11-23?", "What happens on 2026-11-24?"),
    ("dates", "Are you open on Monday?", "Are you open on Friday?"),
    ("dates", "What did we sell in March?", "What did we sell in April?"),
    ("dates", "Can I come tomorrow?", "Can I come?"),
    ("dates", "Is the train at 5 pm full?", "Is the train at 6 pm full?"),
    ("units", "Is 5 kg too heavy?", "Is 5 lb too heavy?"),
    ("units", "What can I buy for $20?", "What can I buy for 20 euros?"),
    ("units", "How warm is it in celsius?", "How warm is it in fahrenheit?"),
    ("versions", "Does it run on v2.1.3?", "Does it run on v2.1.4?"),
    ("quotes", 'What does "bite the bullet" mean?', 'What does "spill the beans" mean?'),
    ("code", "What does os.path.join do?", "What does os.path.split do?"),
    ("code", "What is at https://example.org/a?", "What is at https://example.org/b?"),
    ("code", "Write to ann@example.org", "Write to bob@example.org"),
    ("code", "How do I pass --force?", "How do I pass --quiet?"),
    ("code", "What is 7-3?", "What is 3-7?"),
    ("negation", "Which plants need shade?", "Which plants do not need shade?"),
    ("negation", "Why can't I send pictures?", "Why can I send pictures?"),
    ("negation", "How do I cook rice without a lid?", "How do I cook rice?"),
    ("negation", "Should I water cacti?", "Should I never water cacti?"),
    ("opposites", "How do I enable backups?", "How do I disable backups?"),
    ("opposites", "How do I turn my alarm on?", "How do I turn my alarm off?"),
    ("opposites", "Should I eat before a run?", "Should I eat after a run?"),
    ("opposites", "How do I zip a folder?", "How do I unzip a folder?"),
    ("opposites", "What is the maximum speed?", "What is the minimum speed?"),
    ("opposites", "Is it cheaper with a card?", "Is it cheaper without a card?"),
    ("opposites", "Can I switch to weekly delivery?", "Can I switch to monthly delivery?"),
    ("opposites", "Is it legal to fish here?", "Is it illegal to fish here?"),
    ("opposites", "How do I register a boat?", "How do I deregister a boat?"),
    ("opposites", "Is the spray harmful to bees?", "Is the spray harmless to bees?"),
    ("opposites", "Which lens is the widest?", "Which lens is the narrowest?"),
    ("opposites", "Lift at most six of them", "Lift at least six of them"),
    ("opposites", "Hikes for people older than my son", "Hikes for people younger than my son"),
    ("opposites", "Can a parrot eat grapes?", "Can a parrot eat figs?"),
    ("opposites", "What is the voltage used in Peru?", "what is the voltage used in chile?"),
    ("negation", "Are these labels magnetic?", "Are these labels non-magnetic?"),
    ("direction", "How do I get from Rome to Pisa?", "How do I get from Pisa to Rome?"),
    ("direction", "Convert a text file into a spreadsheet", "Convert a spreadsheet into a text file"),
    ("direction", "Copy files server->laptop", "Copy files laptop->server"),
    ("order", "May a guest invite a member?", "May a member invite a guest?"),
    ("order", "Can the old oven heat my water tank?", "Can my water tank heat the old oven?"),
    ("order", "Swap rice with beans in the stew", "Swap beans with rice in the stew"),
    ("direction", "How do I convert pounds to stones?", "How do I convert stones to pounds?"),
    ("direction", "Is tea better than coffee?", "Is coffee better than tea?"),
    ("direction", "Should I use butter instead of oil?", "Should I use oil instead of butter?"),
    ("direction", "Can I move money from savings?", "Can I move money to savings?"),
    ("order", "Why do cats chase dogs?", "Why do dogs chase cats?"),
    ("language", "Say good night in French", "Say good night in German"),
    ("language", "Sort a list in Python", "Sort a list in Ruby"),
    ("language", "How do I bake bread?", "How do I bake bread? Answer in Italian."),
    ("language", "Wie kann ich mein Brot backen?", "How can I bake my bread?"),
    ("language", "Как мне испечь хлеб?", "How can I bake my bread?"),
    ("format", "List the planets as JSON", "List the planets as CSV"),
    ("format", "Explain tides briefly", "Explain tides in detail"),
    ("format", "Write a poem about rain", "Write an essay about rain"),
    ("quantifier", "Do all birds fly?", "Do only birds fly?"),
    ("format", "Name the moons in one sentence", "Name the moons as bullet points"),
    ("format", "Write the rules in braille", "Write the rules in large print"),
    ("quantifier", "Wash all plates", "Wash some plates"),
    ("quantifier", "Which fruits float except apples?", "Which fruits float?"),
    ("names", "How far is the beach from Lisbon?", "How far is the beach from Porto?"),
    ("names", "Rosehill Guest House: is there parking?", "Oakfield Guest House: is there parking?"),
    ("question", "When was the bridge built?", "Where was the bridge built?"),
    ("question", "Who opened the bridge?", "Why was the bridge opened?"),
]

AGREEING = [
    ("How do I reset my password?", "How can I reset the password?"),
    ("Say good night in French", "What is the French for good night?"),
    ("Sort a list in JavaScript", "js: sort a list"),
    ("sort rows in postgres", "Sort rows in PostgreSQL"),
    ("Translate 'good night' to French", "Translate good night to French"),
    ("List the planets as JSON", "List the planets in JSON format"),
    ("Name the moons as a bulleted list", "Name the moons in bullet points"),
    ("Explain tides in plain English", "Explain tides in simple words"),
    ("Name the moons in one sentence", "A single sentence that names the moons"),
    ("What is the duty on tea, Kenya->Norway?", "What is the duty on tea from Kenya to Norway?"),
    ("Are cups and bowls alike?", "Are bowls and cups alike?"),
    ("In Ruby, how do I sort a list?", "How do I sort a list in Ruby?"),
    ("How do I inform my bank?", "How do I form a note to inform my bank?"),
    ("Wie backe ich Brot?", "Wie kann ich Brot backen?"),
    ("パンの焼き方は?", "パンはどう焼きますか?"),
    ("Book 2 tickets", "Book two tickets"),
    ("Send 1,000 letters", "Send 1000 letters"),
    ("Can I borrow 5k?", "Can I borrow 5000?"),
    ("A loan of $5 million", "A loan of 5 million dollars"),
    ("Is 20% normal?", "Is 20 percent normal?"),
    ("Are you open on 23 November 2026?", "Are you open on November 23, 2026?"),
    ("Meet at 5pm", "Meet at 17:00"),
    ("My printer isn't working", "My printer is broken"),
    ("Why hasn't my new lamp arrived?", "Why is my lamp still not here?"),
    ("I can't log in", "I cannot log in"),
    ("How do I enable backups?", "How do I turn on backups?"),
    ("How do I turn off the alarm?", "How do I turn the alarm off?"),
    ("How do I get from Rome to Pisa?", "How can I travel from Rome to Pisa?"),
    ('What does "bite the bullet" mean?', "What is the meaning of bite the bullet?"),
    ("Which is better, tea or coffee?", "Which is better, coffee or tea?"),
    ("How long does it take?", "How many days does it take?"),
    ("HOW DO I RESET MY PASSWORD?", "How do I reset my password?"),
    ("How far is the beach from Lisbon?", "how far is the beach from lisbon"),
]

texts = st.text(max_size=80) | st.sampled_from([pair[1] for pair in CONFLICTING])


@pytest.mark.parametrize(("guard", "asked", "stored"), CONFLICTING, ids=lambda value: value[:40])
def test_a_decisive_difference_is_a_conflict_both_ways(guard: str, asked: str, stored: str) -> None:
    assert guard in {conflict.guard for conflict in conflicts(asked, stored)}
    assert guard in {conflict.guard for conflict in conflicts(stored, asked)}


@pytest.mark.parametrize(("asked", "stored"), AGREEING, ids=lambda value: value[:40])
def test_another_wording_of_the_same_is_none(asked: str, stored: str) -> None:
    assert conflicts(asked, stored) == ()


@given(texts)
def test_a_text_never_conflicts_with_itself(text: str) -> None:
    assert conflicts(text, text) == ()
    assert conflicts(text, f"  {text}\n") == ()


@given(texts, texts)
def test_conflicts_are_symmetric(asked: str, stored: str) -> None:
    there = {(each.guard, each.asked, each.stored) for each in conflicts(asked, stored)}
    back = {(each.guard, each.stored, each.asked) for each in conflicts(stored, asked)}
    assert {guard for guard, *_ in there} == {guard for guard, *_ in back}


@pytest.mark.parametrize("text", [stored for _, _, stored in CONFLICTING], ids=lambda value: value[:40])
def test_case_and_spacing_decide_nothing(text: str) -> None:
    assert conflicts(text, "  ".join(text.lower().split())) == ()
    assert conflicts(text, text.upper()) == ()


@given(texts, st.sampled_from([str.upper, str.lower, str.title]), st.sampled_from(["", " ", "?", ".", "!", " ?", "…"]))
def test_case_and_what_ends_a_sentence_decide_nothing_for_plain_words(
    text: str, recase: Callable[[str], str], end: str
) -> None:
    plain = " ".join(re.findall(r"[a-z]+", text.lower()))
    assert vetoed_by(Profile.of(plain), Profile.of(recase(plain) + end)) is None


@pytest.mark.parametrize("text", [stored for _, _, stored in CONFLICTING], ids=lambda value: value[:40])
@pytest.mark.parametrize("end", ["", "?", ".", "!", "  "])
def test_what_ends_a_text_decides_nothing(text: str, end: str) -> None:
    assert conflicts(text, text.rstrip("?.") + end) == ()


def test_the_shipped_opposites_and_families_are_well_formed() -> None:
    folder = files("semcache.decision")
    pairs = tomllib.loads((folder / "opposites.toml").read_text("utf-8"))["pairs"]
    families = tomllib.loads((folder / "families.toml").read_text("utf-8"))
    assert sum(len(left) * len(right) for left, right in pairs) >= 400
    assert all(set(left).isdisjoint(right) for left, right in pairs)
    spellings = {name: "|".join(members).split("|") for name, members in families.items()}
    assert {name: repeated for name, listed in spellings.items() if (repeated := _repeated(listed))} == {}
    assert all(word == word.casefold() for listed in spellings.values() for word in listed)


def _repeated(words: list[str]) -> set[str]:
    return {word for word in words if words.count(word) > 1}


def test_long_texts_must_have_the_same_content_words() -> None:
    body = " ".join(f"word{chr(97 + index % 26)}{chr(97 + index // 26)}" for index in range(200))
    assert conflicts(f"{body} kites", f"{body}  Kites.") == ()
    assert {conflict.guard for conflict in conflicts(f"{body} kites", f"{body} lanterns")} == {"length"}


def test_a_conflict_does_not_show_what_it_holds() -> None:
    conflict = conflicts("where is parcel ab12x9?", "where is parcel ab12x8?")[0]
    assert (conflict.asked, conflict.stored) == ("ab12x9", "ab12x8")
    assert "ab12" not in repr(conflict)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1-",
        "1,",
        '"',
        " '",
        "`a",
        "a@",
        "not ",
        "to the ",
        "-----BEGIN ",
        "Ab ",
        "1.2.3-4/5 ",
        "million ",
        "(1+",
        "٣",
        "x_",
    ],
)
def test_a_hundred_kilobytes_of_anything_are_read_in_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    conflicts(text, text + "x")


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("Larkfield Inn: Do you have a cot?", "Bristow Lodge: Do you have a cot?"),
        ("Does Mill Garden have a terrace?", "Is there a terrace at Curry Palace?"),
        ("Amber House: Are dogs allowed?", "Weir Cottage: Are dogs allowed?"),
        ("Ambergate: Are dogs allowed?", "Weirside: Are dogs allowed?"),
    ],
)
def test_another_named_place_is_a_veto_in_short_questions_too(asked: str, stored: str) -> None:
    assert vetoed_by(Profile.of(asked), Profile.of(stored)) == "names"
    assert vetoed_by(Profile.of(asked), Profile.of(asked.replace("Do you", "do you"))) is None
