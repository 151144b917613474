"""The sample FAQ: complete, and judged rightly by the shipped model where it is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from semcache.decision.threshold import Accepted, CalibratedThreshold
from semcache.embedders.embedder import Embedder
from semcache.embedders.opening import calibration_of, open_embedder
from semcache.entry import Candidate, Entry, Exemplar, Kind, Scope
from semcache.errors import MissingModel
from semcache.message import text_message
from semcache.samples import SampleQuestion, sample_answers, sample_faq, sample_questions

MODEL = "all-MiniLM-L6-v2"
MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    try:
        opened = open_embedder(MODEL, models_dir=MODELS)
    except MissingModel:
        pytest.skip("the model has not been built: semcache models build")
    yield opened
    opened.close()


def test_every_question_names_an_entry_or_none() -> None:
    known = {entry.id for entry in sample_faq()}
    questions = sample_questions()
    assert len(known) == len(sample_faq()) >= 60
    assert len(questions) >= 250
    assert {question.entry for question in questions} - {None} == known
    assert all((question.entry is None) == (question.is_trap or question.kind == "unrelated") for question in questions)


def test_the_answers_know_what_the_faq_knows_and_no_trap() -> None:
    answers = sample_answers()
    assert all(answers[entry.question] == entry.answer for entry in sample_faq())
    assert not [question for question in sample_questions() if question.is_trap and question.question in answers]


@pytest.mark.slow
def test_no_trap_is_answered_and_most_paraphrases_are(embedder: Embedder) -> None:
    served = {question: _served(question, embedder) for question in _judged()}
    wrong = [question for question, entry in served.items() if entry is not None and entry != question.entry]
    paraphrases = [question for question in served if question.kind == "paraphrase"]
    answered = sum(served[question] == question.entry for question in paraphrases)
    assert wrong == []
    assert answered >= 0.7 * len(paraphrases)


def _judged() -> list[SampleQuestion]:
    return [question for question in sample_questions() if question.kind != "exact"]


def _served(question: SampleQuestion, embedder: Embedder) -> str | None:
    """The id of the entry that a filled FAQ would answer with, at the default error budget."""
    calibration = calibration_of(MODEL, models_dir=MODELS)
    assert calibration is not None
    embedding = embedder.embed(question.question)
    candidates = [
        Candidate(stored, exemplar, float(exemplar.embedding.vector @ embedding.vector))
        for stored, exemplar in _filled(embedder)
    ]
    nearest = sorted(candidates, key=lambda each: -each.similarity)[:16]
    verdict = CalibratedThreshold(calibration, error_budget=0.01).judge(question.question, embedding, nearest)
    return verdict.candidate.entry.id if isinstance(verdict, Accepted) else None


_FILLED: list[tuple[Entry, Exemplar]] = []


def _filled(embedder: Embedder) -> list[tuple[Entry, Exemplar]]:
    if not _FILLED:
        faq = sample_faq()
        for row, embedding in zip(faq, embedder.embed_many([row.question for row in faq]), strict=True):
            said = text_message(row.answer, model="", message_id="msg_faq", usage={})
            stored = Entry(
                id=row.id, scope=Scope.faq("default"), key=row.id, kind=Kind.FAQ, question=row.question, message=said,
                requested_model="", served_model="", cost_usd=0.0, created_at=0.0, expires_at=None,
            )  # fmt: skip
            _FILLED.append((stored, Exemplar(row.id, row.question, embedding)))
    return _FILLED
