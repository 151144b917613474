"""The teacher: what is written down after an answer was judged, and what never is."""

from __future__ import annotations

import pytest
from schools import FORGOT, PARCEL, RESET, SETTINGS, SHOP, TRACKING, School, asked, considered

from semcache.decision.beliefs import LEAST_LABELS
from semcache.entry import Entry, Exemplar, Kind, Label, Origin
from semcache.learning.teacher import MOST_WORDINGS, WRONGS_TO_EXACT_ONLY, Finding
from semcache.stores.store import Selection


def finding(entry: Entry, *, same: bool) -> Finding:
    return Finding(considered(entry), entry, same)


def add(school: School, entry: Entry, text: str, *, label: Label, origin: Origin) -> None:
    school.store.add_exemplar(Exemplar(entry.id, text, asked(text).embedding, label, origin))


def question(number: int) -> str:
    return f"How do I {'-'.join('abcdefghij'[int(digit)] * 3 for digit in str(number))} the {number * 7919}?"


def test_the_same_answer_makes_one_entry_of_two_under_both_questions(school: School) -> None:
    first, second = school.stored(RESET, SETTINGS), school.stored(FORGOT, SETTINGS)
    school.teacher.after_miss(asked(FORGOT), second, [finding(first, same=True)])
    assert school.store.get(second.id) is None
    assert school.texts(first, Label.POSITIVE) == [RESET, FORGOT]
    found = school.store.get_exact(first.scope, asked(FORGOT).key)
    assert found is not None
    assert found.id == first.id


def test_a_question_whose_answer_was_not_stored_becomes_an_alias(school: School) -> None:
    first = school.stored(RESET, SETTINGS)
    school.teacher.after_miss(asked(FORGOT), None, [finding(first, same=True)])
    assert (FORGOT, Label.POSITIVE, Origin.MISS) in school.exemplars(first)
    found = school.store.get_exact(first.scope, asked(FORGOT).key)
    assert found is not None
    assert found.id == first.id


def test_another_answer_is_told_from_the_likeliest_candidate_only(school: School) -> None:
    first, second = school.stored(RESET, SETTINGS), school.stored(FORGOT, SETTINGS)
    fresh = school.stored(PARCEL, TRACKING)
    school.teacher.after_miss(asked(PARCEL), fresh, [finding(first, same=False), finding(second, same=False)])
    assert (PARCEL, Label.NEGATIVE, Origin.MISS) in school.exemplars(first)
    assert school.texts(second, Label.NEGATIVE) == []
    assert school.store.get(fresh.id) is not None


def test_answers_that_are_the_same_as_a_third_become_one(school: School) -> None:
    first, second = school.stored(RESET, SETTINGS), school.stored(FORGOT, SETTINGS)
    third = school.stored("Password lost!", SETTINGS)
    found = [finding(first, same=True), finding(second, same=True)]
    school.teacher.after_miss(asked("Password lost!"), third, found)
    assert [entry.id for entry in school.store.page(Selection()).entries] == [first.id]
    assert set(school.texts(first, Label.POSITIVE)) == {RESET, FORGOT, "Password lost!"}


def test_without_a_finding_nothing_is_written(school: School) -> None:
    first, second = school.stored(RESET, SETTINGS), school.stored(FORGOT, SETTINGS)
    before = school.exemplars(first), school.exemplars(second)
    school.teacher.after_miss(asked(FORGOT), second, [])
    assert (school.exemplars(first), school.exemplars(second)) == before


def test_a_curated_answer_is_never_refuted_by_a_miss(school: School) -> None:
    faq = school.stored(RESET, "Ask your administrator.", kind=Kind.FAQ, origin=Origin.IMPORT)
    school.teacher.after_miss(asked(FORGOT), None, [finding(faq, same=False)])
    assert school.texts(faq, Label.NEGATIVE) == []


def test_an_entry_is_quarantined_after_repeated_audited_wrongs(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    for number in range(WRONGS_TO_EXACT_ONLY):
        assert not school.teacher.quarantine(entry)
        assert school.texts(entry, Label.POSITIVE)
        school.teacher.refute(asked(f"Where is parcel {number}?"), entry, Origin.AUDIT)
    assert school.teacher.quarantine(entry)
    assert school.texts(entry, Label.POSITIVE) == []
    assert school.store.get_exact(entry.scope, entry.key) is not None


@pytest.mark.parametrize(
    ("kind", "origin"),
    [
        pytest.param(Kind.FAQ, Origin.AUDIT, id="a curated answer"),
        pytest.param(Kind.LEARNED, Origin.MISS, id="what misses taught"),
    ],
)
def test_other_wrongs_quarantine_nothing(school: School, kind: Kind, origin: Origin) -> None:
    entry = school.stored(RESET, SETTINGS, kind=kind)
    for number in range(WRONGS_TO_EXACT_ONLY + 1):
        school.teacher.refute(asked(f"Where is parcel {number}?"), entry, origin)
    assert not school.teacher.quarantine(entry)
    assert school.texts(entry, Label.POSITIVE) == [RESET]


def test_what_an_answer_is_not_for_stays_few_and_keeps_what_people_said(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    add(school, entry, PARCEL, label=Label.NEGATIVE, origin=Origin.FEEDBACK)
    for number in range(MOST_WORDINGS + 20):
        school.teacher.refute(asked(question(number)), entry, Origin.MISS)
    refuted = school.texts(entry, Label.NEGATIVE)
    assert len(refuted) == MOST_WORDINGS + 1
    assert PARCEL in refuted


@pytest.mark.parametrize("origin", [Origin.MISS, Origin.AUDIT])
def test_the_wordings_of_an_answer_stay_few(school: School, origin: Origin) -> None:
    entry = school.stored(RESET, SETTINGS)
    for number in range(MOST_WORDINGS + 20):
        if origin is Origin.MISS:
            school.teacher.after_miss(asked(question(number)), None, [finding(entry, same=True)])
        else:
            school.teacher.confirm(asked(question(number)), entry, Origin.AUDIT)
    assert len(school.texts(entry, Label.POSITIVE)) == MOST_WORDINGS


def test_two_answers_of_many_wordings_stay_few_as_one(school: School) -> None:
    first, second = school.stored(RESET, SETTINGS), school.stored(FORGOT, SETTINGS)
    for number in range(MOST_WORDINGS - 1):
        school.teacher.confirm(asked(question(number)), first, Origin.MISS)
        school.teacher.confirm(asked(question(number + 100)), second, Origin.MISS)
    school.teacher.after_miss(asked(FORGOT), second, [finding(first, same=True)])
    assert len(school.texts(first, Label.POSITIVE)) == MOST_WORDINGS


def test_of_many_wordings_the_one_most_like_another_goes(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    for number in range(MOST_WORDINGS - 2):
        school.teacher.confirm(asked(question(number)), entry, Origin.MISS)
    school.teacher.confirm(asked("Where do penguins sleep?"), entry, Origin.MISS)
    school.teacher.after_miss(asked("Where do  penguins sleep ?"), None, [finding(entry, same=True)])
    kept = school.texts(entry, Label.POSITIVE)
    assert len(kept) == MOST_WORDINGS
    assert sum("penguins" in text for text in kept) == 1


def test_what_people_reported_is_not_confirmed_again(school: School) -> None:
    entry = school.stored(RESET, SETTINGS)
    add(school, entry, FORGOT, label=Label.NEGATIVE, origin=Origin.FEEDBACK)
    school.teacher.confirm(asked(FORGOT), entry, Origin.AUDIT)
    assert school.texts(entry, Label.POSITIVE) == [RESET]


def test_a_reported_answer_is_not_merged_away(school: School) -> None:
    first, second = school.stored(RESET, SETTINGS), school.stored(FORGOT, SETTINGS)
    add(school, second, PARCEL, label=Label.NEGATIVE, origin=Origin.FEEDBACK)
    found = [finding(first, same=True), finding(second, same=True)]
    school.teacher.after_miss(asked("Password lost!"), None, found)
    assert school.store.get(second.id) is not None


@pytest.mark.parametrize(
    ("objections", "labels"),
    [
        pytest.param((), 1, id="accepted"),
        pytest.param(("below-threshold",), 1, id="not likely enough"),
        pytest.param(("guard:numbers",), 0, id="vetoed"),
        pytest.param(("negative-exemplar",), 0, id="refuted"),
    ],
)
def test_only_what_was_weighed_is_a_case(school: School, objections: tuple[str, ...], labels: int) -> None:
    entry = school.stored(RESET, SETTINGS)
    school.teacher.learn_case(SHOP, considered(entry, objections=objections), True)
    assert school.book.of(SHOP).labels == labels
    assert len(school.store.observations("label", limit=10)) == labels


@pytest.mark.parametrize("same", [True, False])
def test_many_cases_move_the_weights(school: School, same: bool) -> None:
    entry = school.stored(RESET, SETTINGS)
    before = school.book.of(SHOP).now().scorer
    for _ in range(LEAST_LABELS * 2):
        school.teacher.learn_case(SHOP, considered(entry), same)
    after = school.book.of(SHOP).now().scorer
    assert after is not before
    assert len(school.store.observations("label", limit=1000)) == LEAST_LABELS * 2
