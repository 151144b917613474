"""Requests of a batch from a file: JSON lines as Claude's, or prompts in JSON lines or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from semcache.batching.requests import BatchRequest, custom_id_problem
from semcache.errors import InvalidRequest
from semcache.request import Json

STANDARD_INPUT = Path("-")
_TEXT_COLUMNS = ("prompt", "question", "text")
_ID_COLUMNS = ("custom_id", "id")
_OPTIONS = ("model", "system", "max_tokens")


def read_requests(path: Path, defaults: Json) -> Iterator[BatchRequest]:
    """The requests of a `.jsonl` or `.csv` file, line by line; `-` is standard input, as JSON lines.

    A line is `{"custom_id", "params"}` as in Claude's API, or holds a prompt: a string, an object or row with
    `prompt`, and perhaps `custom_id`, `model`, `system`, `max_tokens`; `defaults` are params for what it leaves out.
    Raises `InvalidRequest`, which names the line.
    """
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path)
    seen: set[str] = set()
    for number, row in rows:
        request = _request(path, number, row, defaults)
        if problem := custom_id_problem(request.custom_id):
            raise InvalidRequest(f"{path}: line {number}: custom_id: {problem}")
        if request.custom_id in seen:
            raise InvalidRequest(f"{path}: line {number}: `{request.custom_id}` occurs before; each custom_id once")
        seen.add(request.custom_id)
        yield request


def _request(path: Path, number: int, row: Any, defaults: Json) -> BatchRequest:
    match row:
        case {"custom_id": str(custom_id), "params": dict(params)}:
            return BatchRequest(custom_id, {**defaults, **params})
        case str():
            row = {"prompt": row}
        case dict():
            pass
        case _:
            raise _unclear(path, number)
    prompt: Any = next((row[name] for name in _TEXT_COLUMNS if row.get(name)), None)
    if not isinstance(prompt, str):
        raise _unclear(path, number)
    custom_id = next((str(row[name]) for name in _ID_COLUMNS if row.get(name)), f"line-{number}")
    given = {name: row[name] for name in _OPTIONS if row.get(name)}
    try:
        given |= {"max_tokens": int(given["max_tokens"])} if "max_tokens" in given else {}
    except (TypeError, ValueError):
        raise InvalidRequest(f"{path}: line {number}: max_tokens: expected a whole number") from None
    return BatchRequest(custom_id, {**defaults, **given, "messages": [{"role": "user", "content": prompt}]})


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                raise InvalidRequest(f"{path}: line {number}: not valid JSON") from None


def _csv_rows(path: Path) -> Iterator[tuple[int, Any]]:
    with _opened(path) as file:
        rows = csv.DictReader(file)
        names = [(name or "").strip().lower() for name in rows.fieldnames or ()]
        if not set(names) & set(_TEXT_COLUMNS):
            raise InvalidRequest(f"{path}: no column named prompt; name one prompt, question or text")
        rows.fieldnames = names
        try:
            for row in rows:
                yield rows.line_num, row
        except csv.Error as error:
            raise InvalidRequest(f"{path}: line {rows.line_num}: not valid CSV: {error}") from None


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path == STANDARD_INPUT:
        yield sys.stdin
        return
    newline = "" if path.suffix.lower() == ".csv" else "\n"  # JSON texts may hold other separators as they are
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            yield file
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path}: not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise InvalidRequest(f"{path}: cannot be read: {error.strerror}") from None


def _unclear(path: Path, number: int) -> InvalidRequest:
    return InvalidRequest(f'{path}: line {number}: expected {{"custom_id": "…", "params": {{…}}}}, or a prompt')
