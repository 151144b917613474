"""One request that has been, with what is known of it, and how files of them are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from semcache.errors import InvalidRequest
from semcache.message import Message
from semcache.request import Json, encode_json

_ABOUT = ("namespace", "task", "tags", "can_wait", "no_store", "truth")


@dataclass(frozen=True)
class Recorded:
    """A Messages request; the rest is None, empty or False where nobody knows it.

    `truth` names what a right answer is, where the file says so: two requests with one truth may share an answer.
    """

    params: Json = field(repr=False)
    at: float | None = None  # seconds since the epoch
    response: Message | None = field(default=None, repr=False)
    namespace: str = "default"
    task: str = ""
    tags: tuple[str, ...] = ()
    can_wait: bool = False
    no_store: bool = False  # the caller asked that nothing is kept of it
    truth: str | None = field(default=None, repr=False)

    def content(self) -> bytes:
        """A line of a traffic file, with its line end."""
        known: Json = {"request": self.params}
        if self.response is not None:
            known["response"] = self.response.body
        if self.at is not None:
            known["at"] = self.at
        about = {name: getattr(self, name) for name in _ABOUT}
        known |= {name: value for name, value in about.items() if value and (name, value) != ("namespace", "default")}
        return encode_json(known) + b"\n"


def read_traffic(path: Path, defaults: Json) -> Iterator[Recorded]:
    """The requests of a file in its order; `defaults` are params for what a line leaves out.

    A line is `{"request", "response", "at", …}` as `semcache serve --record` writes it, `{"params"}` as in a batch, a
    Messages body, `{"prompt"}`, or a JSON string; in a `.txt` file it is a prompt. Raises `InvalidRequest`, which
    names the line.
    """
    is_text = path.suffix.lower() == ".txt"
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    where = f"{path}: line {number}"
                    yield _read(line.strip() if is_text else _parsed(line, where), where, defaults)
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path}: not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise InvalidRequest(f"{path}: cannot be read: {error.strerror}") from None


def _parsed(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidRequest(f"{where}: not valid JSON") from None


def _read(row: Any, where: str, defaults: Json) -> Recorded:
    match row:
        case str(prompt):
            return Recorded({**defaults, "messages": [{"role": "user", "content": prompt}]})
        case {"request": dict(params)} | {"params": dict(params)}:
            return _known(params, row, where, defaults)
        case {"messages": list()}:
            return Recorded({**defaults, **row})
        case {"prompt": str(prompt)}:
            return _known({"messages": [{"role": "user", "content": prompt}]}, row, where, defaults)
        case _:
            raise InvalidRequest(f'{where}: expected {{"request": {{…}}}}, a Messages body, or a prompt')


def _known(params: Json, row: Json, where: str, defaults: Json) -> Recorded:
    tags, response = row.get("tags", ()), row.get("response")
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidRequest(f"{where}: tags: expected a list of strings")
    if response is not None and not isinstance(response, dict):
        raise InvalidRequest(f"{where}: response: expected a Messages response object")
    truth = row.get("truth")
    return Recorded(
        {**defaults, **params},
        _time(row.get("at", row.get("timestamp")), where),
        None if response is None else Message(response),
        str(row.get("namespace") or "default"),
        str(row.get("task") or ""),
        tuple(tags),
        row.get("can_wait") is True,
        row.get("no_store") is True,
        None if truth is None else str(truth),
    )


def _time(value: Any, where: str) -> float | None:
    match value:
        case None:
            return None
        case bool():
            pass
        case int() | float():
            return float(value)
        case str():
            try:
                return datetime.fromisoformat(value).timestamp()
            except ValueError:
                pass
    raise InvalidRequest(f"{where}: at: expected seconds since 1970, or a time like 2026-11-23T12:00:00Z")
