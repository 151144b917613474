"""Reads a FAQ file row by row: finds its format, checks each row, and weeds out repeats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from semcache.faq.folding import fold_question
from semcache.faq.jsonl import read_jsonl
from semcache.faq.lines import Lines, is_utf16, lines_of
from semcache.faq.markdown import is_heading, read_markdown
from semcache.faq.rows import FaqError, FaqFormat, FaqRow, checked
from semcache.faq.tables import is_header, read_csv

Reader = Callable[[Lines], Iterator[FaqRow | FaqError]]

_READERS: dict[FaqFormat, Reader] = {
    FaqFormat.CSV: read_csv,
    FaqFormat.JSONL: read_jsonl,
    FaqFormat.MARKDOWN: read_markdown,
}
_SUFFIXES = {
    ".csv": FaqFormat.CSV,
    ".tsv": FaqFormat.CSV,
    ".jsonl": FaqFormat.JSONL,
    ".ndjson": FaqFormat.JSONL,
    ".json": FaqFormat.JSONL,
    ".md": FaqFormat.MARKDOWN,
    ".markdown": FaqFormat.MARKDOWN,
}
_LINES_LOOKED_AT = 200


def read_faq(source: Path | str, *, format: FaqFormat | None = None) -> Iterator[FaqRow | FaqError]:
    """The rows of a file, or of the text itself where a string is given, in order.

    A question that comes again with all the same is passed over; with another answer it is an
    error. Raises `InvalidRequest` at once where the file cannot be read.
    """
    if is_utf16(source):
        return iter([FaqError(1, "file: written as UTF-16; save it as UTF-8")])
    reader = _READERS[detect_format(source) if format is None else format]
    return _accepted(reader(partial(lines_of, source)))


def detect_format(source: Path | str) -> FaqFormat:
    """The format by the file's suffix, else by its first lines."""
    if isinstance(source, Path) and (named := _SUFFIXES.get(source.suffix.casefold())):
        return named
    first = [line for line in islice(lines_of(source), _LINES_LOOKED_AT) if line.strip()]
    opening = first[0].lstrip() if first else ""
    if opening.startswith(("{", "[{")) or opening.strip() == "[":
        return FaqFormat.JSONL
    if opening and is_header(opening):
        return FaqFormat.CSV
    return FaqFormat.MARKDOWN if any(map(is_heading, first)) else FaqFormat.CSV


def _accepted(rows: Iterator[FaqRow | FaqError]) -> Iterator[FaqRow | FaqError]:
    repeats, is_empty = _Repeats(), True
    for row in rows:
        is_empty = False
        final = checked(row) if isinstance(row, FaqRow) else row
        if isinstance(final, FaqRow):
            yield from repeats.weed(final)
        else:
            yield final
    if is_empty:
        yield FaqError(1, "file: no rows; write at least one question with its answer")


class _Repeats:
    """Which questions have been seen, with which answer, as digests: a few bytes for each row."""

    def __init__(self) -> None:
        self._seen: dict[bytes, bytes] = {}  # question -> answer, whole row, line: 8 bytes each

    def weed(self, row: FaqRow) -> Iterator[FaqRow | FaqError]:
        """The row without wordings that are taken, and an error for what contradicts an earlier row."""
        answer, content = _digest(row.answer), _digest(repr((row.answer, row.tags, row.id, row.variants)))
        record = answer + content + row.line.to_bytes(8)
        earlier = self._seen.setdefault(_digest(fold_question(row.question)), record)
        if earlier is not record:
            yield from _repeated(row, record, earlier)
            return
        variants = {}
        for variant in row.variants:
            taken = self._seen.setdefault(_digest(fold_question(variant)), record)
            if taken is record:
                variants[fold_question(variant)] = variant
            elif not taken.startswith(answer):
                yield FaqError(row.line, f"variants: one is also on line {_line(taken)}, with another answer; keep one")
        variants.pop(fold_question(row.question), None)
        yield FaqRow(row.question, row.answer, row.tags, row.id, tuple(variants.values()), row.line)


def _repeated(row: FaqRow, record: bytes, earlier: bytes) -> Iterator[FaqError]:
    if record[:16] == earlier[:16]:
        return
    line = _line(earlier)
    if record[:8] == earlier[:8]:
        yield FaqError(row.line, f"question: also on line {line}, with other tags, id or variants; merge the two rows")
    else:
        yield FaqError(row.line, f"question: also on line {line}, with another answer; keep one of the two")


def _line(record: bytes) -> int:
    return int.from_bytes(record[16:])


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
