"""The lines of a FAQ file: decoded without ever failing, and of bounded length."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from semcache.errors import InvalidRequest

Lines = Callable[[], Iterator[str]]  # from the beginning at every call; line ends are kept
MAX_LINE_CHARS = 4_000_000  # no row within the limits needs more, however it is escaped
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def lines_of(source: Path | str) -> Iterator[str]:
    """The lines of a file, or of the text itself. What is beyond `MAX_LINE_CHARS` of a line is dropped.

    Bytes that are not UTF-8 come as lone surrogates, so that only the row that holds them is lost.
    """
    with _opened(source) as handle:
        while line := handle.readline(MAX_LINE_CHARS):
            rest = line
            while len(rest) == MAX_LINE_CHARS and not rest.endswith(("\n", "\r")):
                rest = handle.readline(MAX_LINE_CHARS)
            yield line


def is_utf16(source: Path | str) -> bool:
    """Whether the file says that it is UTF-16. Raises `InvalidRequest` where it cannot be read."""
    if isinstance(source, str):
        return False
    try:
        with source.open("rb") as handle:
            return handle.read(2) in _UTF16_MARKS
    except OSError as error:
        raise InvalidRequest(f"file: cannot read {source}: {error.strerror}") from error


def _opened(source: Path | str) -> TextIO:
    if isinstance(source, str):
        return io.StringIO(source.removeprefix("\ufeff"), newline="")
    return source.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
