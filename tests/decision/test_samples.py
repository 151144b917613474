"""The sample FAQ: complete, and judged rightly by the shipped model where it is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from semcache import Hit, SemanticCache, Settings
from semcache.curation import Narrowing, import_faq
from semcache.faq import FaqRow
from semcache.samples import SampleQuestion, sample_answers, sample_faq, sample_questions

MODEL = "all-MiniLM-L6-v2"
MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture
def filled() -> Iterator[SemanticCache]:
    """A cache on the real model that knows the sample FAQ and nothing else."""
    if not (MODELS / MODEL / "built.json").is_file():
        pytest.skip("the model has not been built: semcache models build")
    settings = Settings(store="memory:", models_dir=MODELS, upstream="simulator")
    with SemanticCache(settings) as cache:
        rows = [FaqRow(each.question, each.answer, (), each.id, (), line) for line, each in enumerate(sample_faq(), 1)]
        import_faq(cache.parts.assembly.cache, rows, into=Narrowing())
        yield cache


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
def test_no_trap_is_answered_and_most_paraphrases_are(filled: SemanticCache) -> None:
    answers = {each.id: each.answer for each in sample_faq()}
    served = {question: _served(question, filled) for question in sample_questions() if question.kind != "exact"}
    wrong = [each for each, text in served.items() if text is not None and text != answers.get(each.entry or "")]
    paraphrases = [question for question in served if question.kind == "paraphrase"]
    answered = sum(served[question] is not None for question in paraphrases)
    assert wrong == []
    assert answered >= 0.45 * len(paraphrases)  # of a cache that has learned nothing yet


def _served(question: SampleQuestion, cache: SemanticCache) -> str | None:
    lookup = cache.lookup(question.question)
    return lookup.entry.message.text if isinstance(lookup, Hit) else None
