"""A lesson that waits is written down, and is the same when it is read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import message
from service.worlds import settings

from semcache import SemanticCache
from semcache.batches.lesson_notes import LessonNotes
from semcache.decision.audit_schedule import AuditPlan
from semcache.entry import Hit
from semcache.exchange import Call
from semcache.learning.lessons import Asked, Audit, MissLesson, Refresh, RouteLesson, ShadowLesson
from semcache.learning.postponing import Patient, Postponement
from semcache.message import Message

QUESTION, REWORDED = "How do I prune a pear tree?", "how do I prune a pear tree"
PLAN = AuditPlan(0.2, True, True, False)


@pytest.fixture
def cache(tmp_path: Path):
    with SemanticCache(settings(tmp_path, embedder="hashed", upstream="simulator")) as opened:
        opened.put(QUESTION, "In late winter.", api_key="key-of-anna")
        yield opened


def request(cache: SemanticCache):
    return cache.parts.request(REWORDED, api_key="key-of-anna", tags=["garden"])


def audit(cache: SemanticCache) -> Audit:
    hit = cache.lookup(REWORDED, api_key="key-of-anna")
    assert isinstance(hit, Hit)
    assert hit.embedding is not None
    return Audit(Asked(REWORDED, hit.embedding, hit.key), hit, PLAN, request(cache), lambda fresh: None)


def route(cache: SemanticCache) -> RouteLesson:
    return RouteLesson(
        "default", "simple", PLAN, QUESTION, np.array([0.6, 0.8], np.float32), message("So."), request(cache),
        answered_is_weaker=True, was_named=False,
    )  # fmt: skip


def miss(cache: SemanticCache) -> MissLesson:
    of = audit(cache)
    return MissLesson(of.asked, "default", of.hit.considered, message("In late winter."), of.hit.entry)


def shadow(cache: SemanticCache) -> ShadowLesson:
    of = audit(cache)
    hit = replace(of.hit, generation=3)
    return ShadowLesson(of.asked, hit, message("In May."), of.request, lambda fresh, generation: None)


def noted(cache: SemanticCache, lesson: Patient) -> Postponement:
    call = Call(request(cache), name="audit")
    return Postponement(lesson, {"earlier": message("Known already.")}, call)


def written_and_read(cache: SemanticCache, lesson: Patient) -> Postponement | None:
    notes = LessonNotes(cache.parts.assembly.cache)
    return notes.read(notes.write(noted(cache, lesson)))


def test_an_audit_is_the_same_again(cache):
    lesson = audit(cache)
    found = written_and_read(cache, lesson)
    again = found.lesson
    assert (again.asked.text, again.asked.key, again.plan) == (lesson.asked.text, lesson.asked.key, lesson.plan)
    assert (again.hit.entry.id, again.hit.confidence) == (lesson.hit.entry.id, lesson.hit.confidence)
    assert again.hit.considered == lesson.hit.considered
    assert again.request == lesson.request
    assert (found.call.name, found.call.request) == ("audit", request(cache))
    assert found.known["earlier"].text == "Known already."


def test_what_it_keeps_is_stored_for_the_same_caller(cache):
    found = written_and_read(cache, audit(cache))
    body = message("Never.").body
    assert found.lesson.keep(Message({**body, "stop_reason": "end_turn"}), None) is not None
    assert cache.lookup(REWORDED, api_key="key-of-anna").entry.message.text == "Never."


def test_a_comparison_of_models_is_the_same_again(cache):
    lesson, again = route(cache), written_and_read(cache, route(cache)).lesson
    assert np.array_equal(again.vector, lesson.vector)
    names = ("namespace", "category", "plan", "question", "other", "answered_is_weaker", "was_named")
    assert [getattr(again, name) for name in names] == [getattr(lesson, name) for name in names]
    assert again.answered.text == lesson.answered.text


def test_a_refresh_is_the_same_again(cache):
    lesson = Refresh("ent_1", QUESTION, request(cache), lambda fresh: None)
    again = written_and_read(cache, lesson).lesson
    assert (again.entry_id, again.question, again.request) == ("ent_1", QUESTION, lesson.request)


def test_a_miss_is_the_same_again(cache):
    lesson, again = miss(cache), written_and_read(cache, miss(cache)).lesson
    assert (again.asked.text, again.asked.key) == (lesson.asked.text, lesson.asked.key)
    assert np.array_equal(again.asked.embedding.vector, lesson.asked.embedding.vector)
    assert (again.namespace, again.considered, again.entry.id) == ("default", lesson.considered, lesson.entry.id)
    assert again.fresh.text == "In late winter."


def test_a_miss_that_was_not_stored_is_the_same_again(cache):
    assert written_and_read(cache, replace(miss(cache), entry=None)).lesson.entry is None


def test_a_shadow_hit_is_the_same_again(cache):
    lesson, again = shadow(cache), written_and_read(cache, shadow(cache)).lesson
    assert (again.asked.text, again.fresh.text, again.request) == (REWORDED, "In May.", lesson.request)
    assert (again.would_be.entry.id, again.would_be.generation) == (lesson.would_be.entry.id, 3)
    assert (again.would_be.considered, again.would_be.confidence) == (
        lesson.would_be.considered,
        lesson.would_be.confidence,
    )


@pytest.mark.parametrize("lesson", [audit, miss, shadow])
def test_a_lesson_about_an_answer_that_has_gone_is_none(cache, lesson):
    about = lesson(cache)
    cache.purge(namespace="default")
    assert written_and_read(cache, about) is None
