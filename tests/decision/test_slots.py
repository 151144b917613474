"""Numbers, times, dates, units and ids: one value in many spellings, and values that only look alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.guards import conflicts, vetoed_by
from semcache.decision.profile import Profile

SAME_VALUE = [
    ("Do I need 21 chairs?", "Do I need twenty-one chairs?"),
    ("Who sat in seat 118?", "Who sat in seat one hundred and eighteen?"),
    ("Order 24 eggs", "Order two dozen eggs"),
    ("Order 6 eggs", "Order half a dozen eggs"),
    ("A town of 500,000", "A town of half a million"),
    ("A prize of 1.5 million", "A prize of 1,500,000"),
    ("Was it built in 1965?", "Was it built in nineteen sixty five?"),
    ("The 2nd edition of the atlas", "The second edition of the atlas"),
    ("Is the 24th a holiday?", "Is the twenty-fourth a holiday?"),
    ("Read chapter 4", "Read chapter IV"),
    ("Is 3.5 enough?", "Is three point five enough?"),
    ("Is 3.5 enough?", "Is three and a half enough?"),
    ("Add 2½ cups", "Add 2.5 cups"),
    ("Add 2 1/2 cups", "Add two and a half cups"),
    ("Why was I charged 2 times?", "Why was I charged twice?"),
    ("A walk of 5km", "A walk of five kilometers"),
    ("A walk of 5 km", "A walk of 5000 metres"),
    ("Is 10 km/h slow?", "Is ten kilometres per hour slow?"),
    ("My 8in tin", "My 8 inch tin"),
    ("A pill of 500mg", "A pill of half a gram"),
    ("It takes 30 minutes", "It takes half an hour"),
    ("It takes 90 minutes", "It takes an hour and a half"),
    ("It takes 45 min", "It takes three quarters of an hour"),
    ("A trip of 14 days", "A trip of two weeks"),
    ("A trip of 7 days", "A trip of a week"),
    ("My 12 month old son", "My one-year-old son"),
    ("May a 10-year-old ski?", "May a child aged ten ski?"),
    ("Four pills in 24 hours", "Four pills per day"),
    ("It costs $5", "It costs 5 dollars"),
    ("It costs $5", "It costs USD 5"),
    ("It costs 5€", "It costs EUR 5"),
    ("A budget of $2m", "A budget of two million dollars"),
    ("A flat for rs1000", "A flat for 1000 rupees"),
    ("A tip of 15%", "A tip of fifteen per cent"),
    ("Bake at 200 °C", "Bake at two hundred degrees Celsius"),
    ("Bake at 200 degrees", "Bake at 200°C"),
    ("Only 18+", "Only 18"),
    ("Songs of the 1990's", "Songs of the 1990s"),
    ("Item no. 7", "Item number seven"),
    ("Where is order #4711?", "Where is order number 4711?"),
    ("Is LH 438 late?", "Is lh438 late?"),
    ("Is LH-438 late?", "Is LH 438 late?"),
    ("Does v2 work?", "Does version 2 work?"),
    ("Open at 3pm?", "Open at 15:00?"),
    ("Open at 3 p.m.?", "Open at three in the afternoon?"),
    ("Open at 3pm?", "Open at 3 o'clock in the afternoon?"),
    ("Open at half past two?", "Open at 2:30?"),
    ("Open at ten past five?", "Open at 5:10?"),
    ("A line of 100 Mbit/s", "A line of 100 megabits"),
    ("Open at quarter to nine?", "Open at 8:45?"),
    ("Open at noon?", "Open at 12 o'clock?"),
    ("Open at 5.30 pm?", "Open at 17:30?"),
    ("Open at 8?", "Open at 8am?"),
    ("Due on May 3rd 2024", "Due on 2024-05-03"),
    ("Due on 3 May 2024", "Due on the third of May '24"),
    ("Due on 14/05/2024", "Due on May 14, 2024"),
    ("Sales in Q2", "Sales in the second quarter"),
    ("Turn on 2FA", "Turn on two-factor"),
    ("A line open 24/7", "A line always open"),
    ("Rules for covid-19", "Rules for covid"),
]

OTHER_VALUE = [
    ("numbers", "Do I need 21 chairs?", "Do I need twenty chairs?"),
    ("numbers", "The first edition", "The second edition"),
    ("numbers", "Half of the 2 litres", "Half of the 3 litres"),
    ("numbers", "A tank that is half full", "A tank that is a quarter full"),
    ("numbers", "What is x squared?", "What is x cubed?"),
    ("numbers", "Music of the eighties", "Music of the nineties"),
    ("numbers", "Who sang in Moonrise II?", "Who sang in Moonrise III?"),
    ("numbers", "My two sisters", "My three sisters"),
    ("numbers", "One ticket please", "Two tickets please"),
    ("numbers", "A tip of a quarter of it", "A tip of a third of it"),
    ("numbers", "Can it stand -5 degrees?", "Can it stand 5 degrees?"),
    ("numbers", "Can it stand minus 5 degrees?", "Can it stand 5 degrees?"),
    ("numbers", "Earn millions of points", "Earn billions of points"),
    ("numbers", "Open at 3pm?", "Open at 3am?"),
    ("numbers", "Open at half past two?", "Open at half past three?"),
    ("numbers", "Book 3 adults and 2 children", "Book 2 adults and 3 children"),
    ("numbers", "Carry two 5 kg bags", "Carry five 2 kg bags"),
    ("numbers", "Solve x + 3 = 8", "Solve x + 8 = 3"),
    ("numbers", "Divide 144 by 12", "Divide 12 by 144"),
    ("numbers", "The price of chapter IV", "The price of chapter VI"),
    ("numbers", "Is my iPhone 12 slow?", "Is my iPhone 13 slow?"),
    ("numbers", "Does Python 3.9 have it?", "Does Python 3.10 have it?"),
    ("direction", "A scale from 5 to 10", "A scale from 10 to 5"),
    ("ids", "Is LH 438 late? LH439?", "Is LH 438 late? OS439X?"),
    ("ids", "Which lake has the code AX?", "Which lake has the code AZ?"),
    ("ids", "Which gate has ab-12c?", "Which gate has ab-12d?"),
    ("units", "A dose of 5 ml", "A dose of 5 mg"),
    ("units", "A dose of 5 tablespoons", "A dose of 5 teaspoons"),
    ("units", "How tall is the tower in metres?", "How tall is the tower in feet?"),
    ("units", "How many gigabytes is it?", "How many gigabits is it?"),
    ("units", "Is 50 mph fast?", "Is 50 km/h fast?"),
    ("versions", "Is v2 stable?", "Is v3 stable?"),
    ("dates", "Due on 3 May", "Due on 3 June"),
    ("dates", "Due this Friday", "Due next Friday"),
]

BEYOND_WORDS = "\u0663 + \u00bd \u2460 \u4e09 5\u6708 \u200b -- 1/0 9/9/9 99:99 1.2.3.4 $ $$5 5$% v v. #"


@pytest.mark.parametrize(("asked", "stored"), SAME_VALUE, ids=lambda value: value[:40])
def test_one_value_in_another_spelling_is_no_veto(asked: str, stored: str) -> None:
    assert vetoed_by(Profile.of(asked), Profile.of(stored)) is None
    assert vetoed_by(Profile.of(stored), Profile.of(asked)) is None


@pytest.mark.parametrize(("guard", "asked", "stored"), OTHER_VALUE, ids=lambda value: value[:40])
def test_another_value_is_a_conflict(guard: str, asked: str, stored: str) -> None:
    assert guard in {conflict.guard for conflict in conflicts(asked, stored)}
    assert guard in {conflict.guard for conflict in conflicts(stored, asked)}


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        pytest.param("Does it need my two keys?", "Does it need my keys?", id="how many there are anyway"),
        pytest.param("Which one of the lamps is best?", "Which lamp is best?", id="one as a pronoun"),
        pytest.param("A cup of rice weighs what?", "1 cup of rice weighs what?", id="an article"),
        pytest.param("What comes first, salt or oil?", "What comes before, salt or oil?", id="first"),
    ],
)
def test_a_number_that_only_describes_may_be_left_out(asked: str, stored: str) -> None:
    assert vetoed_by(Profile.of(asked), Profile.of(stored)) is None


@pytest.mark.parametrize("text", BEYOND_WORDS.split())
def test_odd_characters_are_read_without_complaint(text: str) -> None:
    assert conflicts(f"what is {text} here", f"what is {text} here!") == ()


numbers = st.integers(2, 9_999)
WORDY = ("How do I carry {} boxes?", "Is {} right?", "Ship item number {} today", "At most {} of them")


@given(st.sampled_from(WORDY), numbers, numbers)
def test_two_numbers_in_one_sentence_are_always_a_veto(sentence: str, one: int, other: int) -> None:
    verdict = vetoed_by(Profile.of(sentence.format(one)), Profile.of(sentence.format(other)))
    assert (verdict is None) == (one == other)


@given(st.sampled_from(WORDY), numbers, numbers, st.text(st.characters(categories=["Ll", "Lu", "Zs"]), max_size=60))
def test_words_appended_lift_no_veto_of_numbers(sentence: str, one: int, other: int, appended: str) -> None:
    if one != other:
        asked = Profile.of(f"{sentence.format(one)}. Well, {appended}")
        assert vetoed_by(asked, Profile.of(sentence.format(other))) is not None


@given(st.integers(0, 999_999), st.integers(0, 999_999), st.text(st.characters(categories=["Ll", "Zs"]), max_size=60))
def test_words_appended_lift_no_veto_of_ids(one: int, other: int, appended: str) -> None:
    if one != other:
        asked = Profile.of(f"Where is parcel qx{one:06}z? {appended}")
        assert vetoed_by(asked, Profile.of(f"Where is parcel qx{other:06}z?")) is not None
