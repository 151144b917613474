"""A text as the pieces that are kept or left out: sentences, and code, JSON and tables whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*(?:\n|\Z)|\Z)", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?:^[ \t]*\|[^\n]*(?:\n|\Z)){2,}", re.MULTILINE)
_INDENTED = re.compile(r"(?:^(?: {4}|\t)[ \t]*\S[^\n]*(?:\n|\Z)(?:[ \t]*\n)*){2,}", re.MULTILINE)
_JSON = re.compile(r"^[ \t]*[\[{]", re.MULTILINE)
# A sentence ends at its mark before white space and what can open another, or at the end of a line.
_END = re.compile(
    r"(?<=[.!?\u3002\uff01\uff1f])[\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c(\[]*[^\W_])|\n\s*|(?<=[\u3002\uff01\uff1f])"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Ave|Blvd|Rd|No|Nr|vs|etc|approx|e\.g|i\.e|cf|Inc|Ltd|Co|Fig|pp?)\.$"
)

_LONGEST_WITH_JSON = 200_000  # characters: beyond it, looking for JSON at every line would take long


class Form(Enum):
    """Prose may be parted; a whole is kept or left out as it stands."""

    PROSE = "prose"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of a text, with the white space after it: joined, the sentences are the text."""

    text: str
    form: Form = Form.PROSE

    @property
    def asks(self) -> bool:
        return self.form is Form.PROSE and self.text.rstrip().rstrip("\"'\u201d)").endswith(("?", "\uff1f"))


def sentences_of(text: str) -> list[Sentence]:
    """In order; `"".join` of their texts gives the text back."""
    found: list[Sentence] = []
    place = 0
    for start, end in _wholes(text):
        found += _prose(text[place:start])
        found.append(Sentence(text[start:end], Form.WHOLE))
        place = end
    return _without_blanks(found + _prose(text[place:]))


def _wholes(text: str) -> Iterator[tuple[int, int]]:
    """Stretches that make sense only as a whole, without overlap."""
    place = 0
    spans = [match.span() for pattern in (_FENCE, _TABLE, _INDENTED) for match in pattern.finditer(text)]
    spans += _json_spans(text)
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= place:
            yield start, end
            place = end


def _json_spans(text: str) -> Iterator[tuple[int, int]]:
    """JSON objects and lists that open a line."""
    place = 0
    if len(text) > _LONGEST_WITH_JSON:
        return
    for match in _JSON.finditer(text):
        if match.start() < place:
            continue
        start = match.end() - 1
        try:
            value, place = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if value:
            yield start, place


def _prose(text: str) -> list[Sentence]:
    found: list[Sentence] = []
    start = 0
    for end in _END.finditer(text):
        if end.end() == start or ("\n" not in end.group() and _ABBREVIATION.search(text[start : end.start()])):
            continue
        found.append(Sentence(text[start : end.end()]))
        start = end.end()
    if start < len(text):
        found.append(Sentence(text[start:]))
    return found


def _without_blanks(sentences: list[Sentence]) -> list[Sentence]:
    """White space alone is no sentence: it goes with the one before, or else with the one after."""
    found: list[Sentence] = []
    opening = ""
    for sentence in sentences:
        if sentence.text.strip():
            found.append(Sentence(opening + sentence.text, sentence.form))
            opening = ""
        elif found:
            found[-1] = Sentence(found[-1].text + sentence.text, found[-1].form)
        else:
            opening += sentence.text
    return found if found or not opening else [Sentence(opening)]
