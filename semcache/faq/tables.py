"""FAQ rows from CSV: a header that names the columns, and one record for each row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from semcache.faq.lines import Lines
from semcache.faq.rows import FaqError, FaqRow, fields_of, missing_field, split_tags

_DELIMITERS = (",", ";", "\t")
_MAX_HEADER_CHARS = 10_000
_QUOTING = "put fields that hold quotes, delimiters or line ends in double quotes, and double the quotes inside"


@dataclass(frozen=True)
class _Header:
    delimiter: str
    width: int
    fields: dict[str, list[int]]


def read_csv(lines: Lines) -> Iterator[FaqRow | FaqError]:
    """Rows of a table whose delimiter is a comma, a semicolon or a tab, whichever fits the header."""
    source = _Rewindable(lines())
    for first in source:
        if first.strip():
            break
    else:
        return
    header = _header_of(first)
    if absent := [field for field in ("question", "answer") if field not in header.fields]:
        yield FaqError(source.number, missing_field(absent[0], what="column"))
        return
    for line, cells in _records(source, header.delimiter):
        if isinstance(cells, str):
            yield FaqError(line, cells)
        elif any(cell.strip() for cell in cells):
            yield _row_of(cells, header, line)


def is_header(line: str) -> bool:
    """Whether the columns that a FAQ needs are named here."""
    return {"question", "answer"} <= _header_of(line).fields.keys()


def _header_of(line: str) -> _Header:
    headers = []
    for delimiter in _DELIMITERS:
        names = next(csv.reader([line[:_MAX_HEADER_CHARS]], delimiter=delimiter, skipinitialspace=True), [])
        headers.append(_Header(delimiter, len(names), fields_of(names)))
    return max(headers, key=lambda header: len(header.fields))


def _row_of(cells: list[str], header: _Header, line: int) -> FaqRow | FaqError:
    if any(cell.strip() for cell in cells[header.width :]):
        return FaqError(line, f"row: {len(cells)} fields where the header names {header.width}; {_QUOTING}")
    filled = cells + [""] * (header.width - len(cells))
    values = {field: [filled[place] for place in places] for field, places in header.fields.items()}
    return FaqRow(
        question=values["question"][0],
        answer=values["answer"][0],
        tags=tuple(tag for cell in values.get("tags", ()) for tag in split_tags(cell)),
        id=values.get("id", [None])[0],
        variants=tuple(part for cell in values.get("variants", ()) for part in cell.replace("\n", "|").split("|")),
        line=line,
    )


def _records(source: _Rewindable, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each record, or what is wrong with it, with the line where it begins.

    A quote that is never closed swallows the rows after it. So the first line of a broken record is
    given up, and reading goes on at its second; what then still holds half a quotation is broken too.
    """
    broken = False
    while True:
        source.mark()
        line = source.number + 1
        try:
            cells = next(csv.reader(source, delimiter=delimiter, skipinitialspace=True, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            source.rewind()
            broken = True
            yield line, f"row: broken quotes or an endless field ({error}); {_QUOTING}"
            continue
        broken = broken and source.quotes() % 2 == 1
        yield line, f"row: the rest of a broken row; {_QUOTING}" if broken else cells


class _Rewindable:
    """Lines, counted, of which those since the mark can be read again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.number = 0
        self._lines = lines
        self._again: deque[str] = deque()
        self._taken: list[str] = []

    def __iter__(self) -> _Rewindable:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.number += 1
        self._taken.append(line)
        return line

    def mark(self) -> None:
        self._taken = []

    def rewind(self) -> None:
        """Back to the second line after the mark."""
        self._again.extendleft(reversed(self._taken[1:]))
        self.number -= len(self._taken) - 1

    def quotes(self) -> int:
        """Quotes since the mark."""
        return sum(line.count('"') for line in self._taken)
