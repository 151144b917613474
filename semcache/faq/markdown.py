"""FAQ rows from Markdown: a heading is a question, the text below it the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from semcache.faq.lines import Lines
from semcache.faq.rows import MAX_ANSWER_CHARS, FaqError, FaqRow, split_tags

_HEADING = re.compile(r" {0,3}(#{1,6})(?=\s|$)")
_EMPHASIS = re.compile(r"(\*\*|__|\*|_)(.+)\1")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
_TAGS = re.compile(r"\s*\**tags?\**\s*:\**\s*(.*)", re.IGNORECASE)
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")  # ASCII, full width, Arabic
_MAX_REPAIRS = 100  # of fences that never close; each costs a pass over the file


@dataclass(frozen=True)
class _Heading:
    level: int
    text: str
    id: str | None


@dataclass
class _Section:
    """A question and what has been read of its answer."""

    heading: _Heading
    line: int
    answer: list[str] = field(default_factory=list)
    chars: int = 0
    open_fence: int | None = None

    def add(self, text: str) -> None:
        self.chars += len(text)
        if self.chars <= 2 * MAX_ANSWER_CHARS:  # beyond, it only has to be seen to be too long
            self.answer.append(text)

    def row(self) -> FaqRow | FaqError:
        if self.open_fence is not None:
            return FaqError(self.open_fence, "answer: a code fence begins here and never ends; close it")
        lines = "".join(self.answer).strip().splitlines(keepends=True)
        tags: tuple[str, ...] = ()
        for place in (0, -1):
            if lines and (found := _TAGS.fullmatch(lines[place].strip())):
                tags += split_tags(found[1])
                del lines[place]
        return FaqRow(self.heading.text, "".join(lines), tags=tags, id=self.heading.id, line=self.line)


@dataclass(frozen=True)
class _Outline:
    """What a first pass tells: which headings are questions, and which fences never close."""

    has_questions: bool
    deepest: int
    open_fences: frozenset[int]

    def asks(self, heading: _Heading) -> bool:
        return _is_question(heading) if self.has_questions else heading.level == self.deepest


def read_markdown(lines: Lines) -> Iterator[FaqRow | FaqError]:
    """Every heading that ends in a question mark, or, where none does, every heading of the deepest level.

    An answer goes on through headings of a deeper level that are not questions themselves.
    """
    outline = _outline_of(lines)
    if outline.deepest == 0:
        yield FaqError(1, "file: no heading; write each question as a heading, such as '## How do I begin?'")
        return
    section: _Section | None = None
    for number, text, heading in _Scanner(lines(), outline.open_fences):
        if heading is None or (section and heading.level > section.heading.level and not outline.asks(heading)):
            if section:
                section.add(text)
                section.open_fence = number if number in outline.open_fences else section.open_fence
            continue
        if section:
            yield section.row()
        section = _Section(heading, number) if outline.asks(heading) else None
    if section:
        yield section.row()


def is_heading(line: str) -> bool:
    return _heading_of(line) is not None


def _outline_of(lines: Lines) -> _Outline:
    open_fences: frozenset[int] = frozenset()
    while True:
        has_questions, deepest = False, 0
        scanner = _Scanner(lines(), open_fences)
        for _, _, heading in scanner:
            if heading is not None:
                has_questions = has_questions or _is_question(heading)
                deepest = max(deepest, heading.level)
        if scanner.fence_line is None or len(open_fences) == _MAX_REPAIRS:
            return _Outline(has_questions, deepest, open_fences)
        # One end is missing, so later ends were taken for beginnings: the first odd fence is to blame.
        open_fences |= {scanner.suspect_line or scanner.fence_line}


class _Scanner:
    """Numbered lines, each with the heading it is, if any; inside a code fence none is."""

    def __init__(self, lines: Iterator[str], open_fences: frozenset[int]) -> None:
        self.fence_line: int | None = None  # where the fence began that we are in
        self.suspect_line: int | None = None  # where the first fence began that hides a question
        self._fence = ""
        self._lines = lines
        self._open_fences = open_fences  # lines to read as text, or the rest of the file would be code

    def __iter__(self) -> Iterator[tuple[int, str, _Heading | None]]:
        for number, text in enumerate(self._lines, start=1):
            heading = _heading_of(text)
            if not self._is_code(number, text):
                yield number, text, heading
                continue
            if self.suspect_line is None and heading is not None and _is_question(heading):
                self.suspect_line = self.fence_line
            yield number, text, None

    def _is_code(self, number: int, text: str) -> bool:
        found = _FENCE.match(text.rstrip("\r\n"))
        if self.fence_line is not None:
            if found and found[1].startswith(self._fence) and not found[2].strip():
                self.fence_line = None
            return True
        if found and number not in self._open_fences:
            self.fence_line, self._fence = number, found[1]
            return True
        return False


def _heading_of(line: str) -> _Heading | None:
    found = _HEADING.match(line)
    if found is None:
        return None
    text, anchor = line[found.end() :].strip(), None
    if text.endswith("}") and "{#" in text:
        text, _, anchor = text[:-1].rpartition("{#")
    unclosed = text.rstrip().rstrip("#")
    if not unclosed or unclosed[-1].isspace():  # "C#" keeps its mark, "Title ##" does not
        text = unclosed
    emphasised = _EMPHASIS.fullmatch(text.strip())
    return _Heading(len(found[1]), (emphasised[2] if emphasised else text).strip(), anchor)


def _is_question(heading: _Heading) -> bool:
    return heading.text.endswith(_QUESTION_MARKS)
