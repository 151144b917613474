"""A row of an FAQ file, what may be in it, and what is said when it is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

MAX_QUESTION_CHARS = 8_000
MAX_ANSWER_CHARS = 100_000
_LIST_MARKS = re.compile(r"[,;|\n]")
# The names a field goes by, the best first.
_NAMES = {
    "question": ("question", "q", "prompt", "query", "title"),
    "answer": ("answer", "a", "response", "reply", "completion"),
    "id": ("id", "faq_id", "key"),
    "tags": ("tags", "tag", "categories", "category", "topics", "topic", "labels", "label"),
    "variants": ("variants", "variant", "alternatives", "alternative", "paraphrases", "paraphrase"),
}
_MANY = frozenset({"tags", "variants"})  # fields that may be spread over several columns, numbered or not


class FaqFormat(Enum):
    """How a FAQ file is written."""

    CSV = "csv"
    JSONL = "jsonl"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class FaqRow:
    """A curated answer. `variants` are other wordings of the question; `line` is where the row begins."""

    question: str
    answer: str
    tags: tuple[str, ...] = ()
    id: str | None = None
    variants: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class FaqError:
    """A row that cannot be imported: which field, why, and the remedy. Never quotes the file."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class Unanswered(FaqError):
    """A row with a question and no answer: nothing to import, but something to ask."""

    question: str = field(default="", repr=False)
    tags: tuple[str, ...] = ()


def fields_of(names: Sequence[str]) -> dict[str, list[int]]:
    """Which of these column names stand for which field; positions, best name first."""
    plain = [re.sub(r"[\W_]+", "_", name.casefold()).strip("_") for name in names]
    fields = {}
    for name, known in _NAMES.items():
        places = [place for wanted in known for place, given in enumerate(plain) if given == wanted]
        if name in _MANY:
            places = [place for place, given in enumerate(plain) if re.sub(r"_?\d+$", "", given) in known]
        if places:
            fields[name] = places
    return fields


def missing_field(name: str, *, what: str) -> str:
    """The problem of a file or row in which no field has this name, or another one for it."""
    return f"{name}: no such {what}; name it {' or '.join(_NAMES[name])}"


def split_tags(text: str) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in _LIST_MARKS.split(text))


def checked(row: FaqRow) -> FaqRow | FaqError:
    """The row in its final form, or the first thing that is wrong with it."""
    row = replace(
        row,
        question=row.question.strip(),
        answer=row.answer.strip(),
        tags=tuple(dict.fromkeys(tag for tag in map(str.strip, row.tags) if tag)),
        id=(row.id or "").strip() or None,
        variants=tuple(variant for variant in map(str.strip, row.variants) if variant),
    )
    for name, texts, limit in (
        ("question", (row.question,), MAX_QUESTION_CHARS),
        ("answer", (row.answer,), MAX_ANSWER_CHARS),
        ("variants", row.variants, MAX_QUESTION_CHARS),
        ("tags", row.tags, MAX_QUESTION_CHARS),
        ("id", (row.id,) if row.id else (), MAX_QUESTION_CHARS),
    ):
        if problem := next((found for text in texts if (found := _problem_of(text, limit))), None):
            if name == "answer" and not row.answer:
                return Unanswered(row.line, f"{name}: {problem}", row.question, row.tags)
            return FaqError(row.line, f"{name}: {problem}")
    return row


def _problem_of(text: str, limit: int) -> str | None:
    if not text:
        return "empty; fill it in or remove the row"
    if len(text) > limit:
        return f"{len(text):,} characters, at most {limit:,} are allowed; shorten it"
    if not text.isascii() and not _is_unicode(text):
        return "holds bytes that are not UTF-8; save the file as UTF-8"
    return None


def _is_unicode(text: str) -> bool:
    """False where a byte could not be decoded, or half a surrogate pair was written as an escape."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
