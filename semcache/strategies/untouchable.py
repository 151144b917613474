"""Which lines of a text must stay to the letter: code, quotations, JSON, elements of markup, tables.

Errs on the side of touching less: where an opening has no clear end, everything from the first to the last such line
belongs to it. Every line by which that is decided is itself untouchable, so tidying the others changes nothing here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

_FENCE = re.compile(r" *(?:> ?)*(`{3,}|~{3,})")
_INDENTED = re.compile(r"(?: {4}|\t)\s*\S")
_TAG = re.compile(r"<(/?)([A-Za-z][\w:.-]*)(?:\s[^<>]*)?/?>")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_RULE = re.compile(r"[ :|+=-]{4,}\Z")
_CODE_END = ("{", "}", ";")
_CODE = re.compile(
    r"\s*(?:def|class|import|from|return|func|fn|public|private|static|const|let|var|package|using|SELECT|INSERT"
    r"|UPDATE|CREATE|@\w+|#include|#!/|diff --git|@@|\+\+\+|---)\b.*[\w(){}:;=,@'\">]\s*\Z|(?:\$|>>>|\.\.\.) "
)
_OPENED_SINGLE = re.compile(r"(?<!\w)'(?=\S)")
_CLOSED_SINGLE = re.compile(r"(?<=\S)'(?!\w)")
_PAIRS = (("\u201c", "\u201d"), ("\u00ab", "\u00bb"), ("\u201e", "\u201c"))

Span = tuple[int, int]  # lines, the last one included


def untouchable_lines(lines: Sequence[str]) -> list[str | None]:
    """For each line why it must stay: `code` or `whole`; None: it need not."""
    kinds: list[str | None] = [None] * len(lines)
    fences = list(_fences(lines))
    for kind, spans in (
        ("whole", [*_single_lines(lines), *_quotations(lines), *_brackets(lines), *_elements(lines), *fences]),
        ("code", [*_indented(lines), *_loose_code(lines, fences)]),
    ):
        for start, end in spans:
            kinds[start : end + 1] = [kind] * (end + 1 - start)
    return kinds


def _single_lines(lines: Sequence[str]) -> Iterator[Span]:
    for at, line in enumerate(lines):
        if line.strip() and (line.count("|") > 1 or "\t" in line or _RULE.match(line) or _opens_quotation(line)):
            yield at, at


def _opens_quotation(line: str) -> bool:
    return line.lstrip().startswith((">", "|"))


def _fences(lines: Sequence[str]) -> Iterator[Span]:
    """Fenced code; without an end it goes to the end of the text."""
    opened: tuple[int, str] | None = None
    for at, line in enumerate(lines):
        found = _FENCE.match(line)
        if found is None:
            continue
        if opened is None:
            opened = at, found[1]
        elif found[1].startswith(opened[1]) and not line[found.end() :].strip():
            yield opened[0], at
            opened = None
    if opened is not None:
        yield opened[0], len(lines) - 1


def _indented(lines: Sequence[str]) -> Iterator[Span]:
    """Indented lines, with the blank ones between two of them."""
    last: int | None = None
    for at, line in enumerate(lines):
        if _INDENTED.match(line):
            yield (at if last is None else last), at
            last = at
        elif line.strip():
            last = None


def _loose_code(lines: Sequence[str], fences: Sequence[Span]) -> Iterator[Span]:
    """Code that nobody has fenced: two lines that look like it, and all between them."""
    fenced = {at for start, end in fences for at in range(start, end + 1)}
    found = [at for at, line in enumerate(lines) if at not in fenced and _is_code(line)]
    if len(found) > 1:
        yield found[0], found[-1]
    yield from ((at, at) for at in found)


def _is_code(line: str) -> bool:
    return line.rstrip().endswith(_CODE_END) or _CODE.match(line) is not None


def _quotations(lines: Sequence[str]) -> Iterator[Span]:
    """Quotations and code in backquotes that go over several lines."""
    for mark in ('"', "`", "'''"):
        odd = [at for at, line in enumerate(lines) if line.count(mark) % 2]
        if odd:
            yield odd[0], odd[-1]
    for opening, closing in _PAIRS:
        uneven = [at for at, line in enumerate(lines) if line.count(opening) != line.count(closing)]
        if uneven:
            yield uneven[0], uneven[-1]
    if not any("'" in line for line in lines):
        return
    balance = [len(_OPENED_SINGLE.findall(line)) - len(_CLOSED_SINGLE.findall(line)) for line in lines]
    opened = [at for at, excess in enumerate(balance) if excess > 0]
    if opened:
        closed = [at for at, excess in enumerate(balance) if excess < 0 and at > opened[0]]
        yield opened[0], max([opened[-1], *closed])


def _brackets(lines: Sequence[str]) -> Iterator[Span]:
    """From a line that leaves a brace or bracket open to the one that closes it; JSON, whether it is valid or not."""
    depth, start = 0, 0
    for at, line in enumerate(lines):
        change = line.count("{") + line.count("[") - line.count("}") - line.count("]")
        if depth == 0 and change:
            start = at
        if depth == 0 and change < 0:
            yield at, at
            continue
        depth = max(0, depth + change)
        if depth == 0 and change:
            yield start, at
        elif depth == 0 and line.lstrip().startswith(("{", "[")):
            yield at, at
    if depth:
        yield start, len(lines) - 1


def _elements(lines: Sequence[str]) -> Iterator[Span]:
    """From the first opening to the last closing tag of each name; a tag alone is its own line."""
    text = "\n".join(lines)
    if "<" not in text:
        return
    starts: list[int] = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    reach: dict[str, list[int]] = {}
    spans = [match.span() for match in _COMMENT.finditer(text)]
    for match in _TAG.finditer(text):
        spans.append(match.span())
        if match[1]:
            if match[2] in reach:
                reach[match[2]][1] = match.end()
        else:
            reach.setdefault(match[2], [match.start(), match.end()])
    for start, end in [*spans, *map(tuple, reach.values())]:
        yield _line_of(starts, start), _line_of(starts, end - 1)


def _line_of(starts: Sequence[int], offset: int) -> int:
    return bisect_right(starts, offset) - 1
