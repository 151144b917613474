"""FAQ rows from JSON lines: one object for each row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from semcache.faq.lines import MAX_LINE_CHARS, Lines
from semcache.faq.rows import FaqError, FaqRow, fields_of, missing_field, split_tags


def read_jsonl(lines: Lines) -> Iterator[FaqRow | FaqError]:
    """Rows with string fields; `tags` and `variants` may be lists of strings. Null means not given."""
    for number, line in enumerate(lines(), start=1):
        if not line.strip():
            continue
        try:
            yield _row_of(line, number)
        except _Wrong as wrong:
            yield FaqError(number, str(wrong))
            if wrong.is_final:
                return


class _Wrong(Exception):
    """A line that is no row; `is_final` where no line of the file can be one."""

    def __init__(self, problem: str, *, is_final: bool = False) -> None:
        super().__init__(problem)
        self.is_final = is_final


def _row_of(line: str, number: int) -> FaqRow:
    entry = _object(line, number)
    names = list(entry)
    values = {field: [entry[names[place]] for place in places] for field, places in fields_of(names).items()}
    for field in ("question", "answer"):
        if field not in values:
            raise _Wrong(missing_field(field, what="field"))
    return FaqRow(
        question=_text("question", values["question"][0]),
        answer=_text("answer", values["answer"][0]),
        tags=tuple(tag for value in values.get("tags", ()) for tag in _texts("tags", value)),
        id=_id(values.get("id", [None])[0]),
        variants=tuple(variant for value in values.get("variants", ()) for variant in _texts("variants", value)),
        line=number,
    )


def _object(line: str, number: int) -> dict[str, Any]:
    if len(line) >= MAX_LINE_CHARS:
        raise _Wrong(f"row: a line of more than {MAX_LINE_CHARS:,} characters; write one short object per line")
    if number == 1 and line.startswith("["):
        raise _Wrong("file: a JSON array; write one object per line, without brackets around them", is_final=True)
    try:
        entry = json.loads(line.rstrip("\r\n"))
    except json.JSONDecodeError as error:
        raise _Wrong(f"row: not valid JSON at column {error.colno}; write one object per line") from None
    except (RecursionError, ValueError):
        raise _Wrong("row: JSON is nested too deeply, or a number is too long; write plain strings") from None
    if not isinstance(entry, dict):
        raise _Wrong('row: not an object; write one like {"question": "…", "answer": "…"} per line')
    return entry


def _text(field: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Wrong(f"{field}: expected a string; put the value in double quotes")
    return value


def _texts(field: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(value)
    if value is not None and not isinstance(value, str):
        raise _Wrong(f'{field}: expected a string or a list of strings, such as ["one", "two"]')
    return split_tags(_text(field, value)) if field == "tags" else (_text(field, value),)


def _id(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise _Wrong("id: expected a string or a whole number")
    return None if value is None else str(value)
