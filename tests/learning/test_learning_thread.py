"""The learning thread: notes are taken at once and worked through in the background, whatever happens there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from threading import Event

import pytest
from fakes import message
from schools import (
    FORGOT,
    RESET,
    SCOPE,
    SETTINGS,
    SHOP,
    OpenSchool,
    School,
    asked,
    audit_of,
    book_over,
    considered,
    hit_on,
    missed,
    saying,
)

from semcache.decision.audit_schedule import NO_AUDITS
from semcache.entry import Label, Miss
from semcache.errors import StoreError
from semcache.exchange import Answer, Call
from semcache.learning import lessons
from semcache.learning.learning import MOST_WAITING, Learning
from semcache.learning.lessons import Report
from semcache.message import Message

SECONDS = 20.0  # more than anything here takes


def learning_of(school: School) -> Learning:
    return Learning(school.book, school.working, school.routes, clock=school.clock, randomness=random.Random(1))


@pytest.fixture
def learning(school: School) -> Iterator[Learning]:
    made = learning_of(school)
    yield made
    made.stop()


def test_lessons_wait_until_there_is_a_way_to_ask(school: School, learning: Learning) -> None:
    entry, claude = school.stored(RESET, SETTINGS), saying(SETTINGS)
    hit, audit = hit_on(entry, FORGOT), audit_of(entry, FORGOT)
    assert learning.note_hit(hit, audit.asked, audit.request, audit.keep)
    assert (learning.waiting, learning.settle(0), claude.bodies) == (1, False, [])
    learning.start(claude)
    assert learning.settle(SECONDS)
    assert (learning.waiting, len(claude.bodies)) == (0, 1)
    assert school.texts(entry, Label.POSITIVE) == [RESET, FORGOT]


def test_a_hit_that_is_not_drawn_is_counted_and_leaves_no_lesson(open_school: OpenSchool) -> None:
    school = open_school(schedule=NO_AUDITS)
    learning = learning_of(school)
    entry = school.stored(RESET, SETTINGS)
    audit = audit_of(entry, FORGOT)
    assert not learning.note_hit(audit.hit, audit.asked, audit.request, audit.keep)
    total = learning.beliefs(SHOP).record.total
    assert (learning.waiting, total.hits, total.audited) == (0, 1, 0)
    assert school.texts(entry, Label.POSITIVE) == [RESET]


def test_misses_and_repeats_widen_the_budget(learning: Learning, school: School) -> None:
    learning.note_miss(missed(FORGOT, SETTINGS, considered(school.stored(RESET, SETTINGS))))
    learning.note_repeat(SHOP)
    assert learning.beliefs(SHOP).budget.requests == 2


@pytest.mark.parametrize("error", [ZeroDivisionError(), StoreError("down"), AssertionError()])
def test_a_lesson_that_fails_does_not_end_learning(school: School, learning: Learning, error: Exception) -> None:
    entry = school.stored(RESET, SETTINGS)
    replies = iter([error])

    def send(call: Call) -> Message:
        if (failure := next(replies, None)) is not None:
            raise failure
        return saying(SETTINGS)(call)

    audit = audit_of(entry, FORGOT)
    learning.start(send)
    for _ in range(2):
        learning.note_hit(audit.hit, audit.asked, audit.request, audit.keep)
    assert learning.settle(SECONDS)
    assert learning.beliefs(SHOP).record.total.audited == 1


def test_of_too_many_lessons_the_oldest_is_forgotten(school: School, learning: Learning) -> None:
    entry = school.stored(RESET, SETTINGS)
    for number in range(MOST_WAITING + 5):
        learning.note_report(Report(SHOP, considered(entry, confidence=number / 10_000), True))
    assert learning.waiting == MOST_WAITING
    learning.start(saying(SETTINGS))
    assert learning.settle(SECONDS)
    assert learning.beliefs(SHOP).labels == MOST_WAITING


def test_notes_are_taken_while_a_lesson_is_being_learned(school: School, learning: Learning) -> None:
    entered, release = Event(), Event()

    def send(call: Call) -> Message:
        entered.set()
        assert release.wait(SECONDS)
        return saying(SETTINGS)(call)

    audit = audit_of(school.stored(RESET, SETTINGS), FORGOT)
    learning.start(send)
    learning.note_hit(audit.hit, audit.asked, audit.request, audit.keep)
    assert entered.wait(SECONDS)
    learning.note_hit(audit.hit, audit.asked, audit.request, audit.keep)
    assert (learning.waiting, learning.settle(0)) == (2, False)
    release.set()
    assert learning.settle(SECONDS)


def test_stopping_keeps_what_was_learned_and_takes_no_more_notes(school: School) -> None:
    learning, entry = learning_of(school), school.stored(RESET, SETTINGS)
    learning.start(saying(SETTINGS))
    learning.note_report(Report(SHOP, considered(entry), True))
    learning.note_repeat(SHOP)
    learning.stop()
    learning.stop()
    learning.note_report(Report(SHOP, considered(entry), True))
    assert learning.waiting == 0
    kept = book_over(school.store).of(SHOP)
    assert (kept.labels, kept.budget.requests) == (1, 1)


def test_what_was_learned_is_written_now_and_then(school: School, learning: Learning) -> None:
    learning.start(saying(SETTINGS))
    entry = school.stored(RESET, SETTINGS)
    for _ in range(250):
        learning.note_report(Report(SHOP, considered(entry), True))
    assert learning.settle(SECONDS)
    assert school.store.documents("beliefs/") == [f"beliefs/{SHOP}"]


def test_a_miss_teaches_only_where_something_came_near_and_the_answer_is_its_own(school: School) -> None:
    near = considered(school.stored(RESET, SETTINGS))
    noted = asked(FORGOT)
    miss = Miss(SCOPE, noted.key, "below-threshold", FORGOT, noted.embedding, (near,))
    answer = Answer(message(SETTINGS), miss)
    lesson = lessons.missed(miss, answer)
    assert lesson is not None
    assert (lesson.asked, lesson.namespace, lesson.considered) == (noted, SHOP, (near,))
    assert lessons.missed(replace(miss, considered=()), answer) is None
    assert lessons.missed(replace(miss, question=None, embedding=None), answer) is None
    coalesced = replace(answer, message=replace(answer.message, coalesced=True))
    assert lessons.missed(miss, coalesced) is None
