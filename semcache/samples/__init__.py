"""A sample FAQ of a company that does not exist, with questions to ask it: for the demo, tests and benchmarks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class SampleEntry:
    """One curated answer."""

    id: str
    question: str
    answer: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class SampleQuestion:
    """One question. `entry` is the id of the answer it should get; None: no answer of the FAQ is right.

    `kind` is exact, paraphrase, paraphrase-loose, unrelated, or trap-… for what sets it apart from the entry that it
    resembles.
    """

    question: str
    entry: str | None
    kind: str

    @property
    def is_trap(self) -> bool:
        return self.kind.startswith("trap-")


def sample_faq() -> list[SampleEntry]:
    """The FAQ of Fernhill, which sells garden sensors and a subscription."""
    return [SampleEntry(row["id"], row["question"], row["answer"], tuple(row["tags"])) for row in _rows("faq.jsonl")]


def sample_questions() -> list[SampleQuestion]:
    """What people might ask Fernhill, traps included."""
    return [SampleQuestion(**row) for row in _rows("questions.jsonl")]


def sample_answers() -> dict[str, str]:
    """What an upstream that knows the FAQ would say to each question that the FAQ answers."""
    answers = {entry.id: entry.answer for entry in sample_faq()}
    asked = {question.question: answers[question.entry] for question in sample_questions() if question.entry}
    return {entry.question: entry.answer for entry in sample_faq()} | asked


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with files("semcache.samples").joinpath(name).open("r", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)
