"""Result lines: what became of each request of a batch, read from a stream and written to one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from semcache.errors import UpstreamTorn
from semcache.request import Json, encode_json


@dataclass(frozen=True, slots=True)
class SucceededResult:
    """Claude's message."""

    message: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class ErroredResult:
    """An error body in Claude's shape, request id and all."""

    error: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class CanceledResult:
    """The batch was canceled before this request's turn came."""


@dataclass(frozen=True, slots=True)
class ExpiredResult:
    """The batch expired before this request's turn came."""


Result = SucceededResult | ErroredResult | CanceledResult | ExpiredResult


@dataclass(frozen=True, slots=True)
class ResultLine:
    """What became of one request."""

    custom_id: str
    result: Result

    def under(self, custom_id: str) -> ResultLine:
        """The same result by another name: ours upstream, the caller's own here."""
        return replace(self, custom_id=custom_id)

    def content(self) -> bytes:
        """The line, with its line end."""
        return encode_json({"custom_id": self.custom_id, "result": _spelled(self.result)}) + b"\n"


def errored(kind: str, message: str, *, request_id: str | None = None) -> ErroredResult:
    """An error of our own; `kind` is one of Claude's, such as `api_error`."""
    return ErroredResult({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id})


class ResultsReader:
    """Reads JSON lines in chunks of any size, and knows a torn stream from a whole one.

    What came before the tear is good: lines are handed out as they are complete. `expected` is the number of
    requests, where it is known: a stream that was cut at the end of a line shows no other way.
    """

    def __init__(self, *, expected: int | None = None) -> None:
        self._expected = expected
        self._pieces: list[bytes] = []
        self._count = 0

    @property
    def count(self) -> int:
        """How many lines have been read."""
        return self._count

    def feed(self, chunk: bytes) -> list[ResultLine]:
        """The lines that are complete with this chunk."""
        first, *others = chunk.split(b"\n")
        self._pieces.append(first)
        found = []
        for piece in others:
            found += self._parsed(b"".join(self._pieces))
            self._pieces = [piece]
        return found

    def finish(self) -> list[ResultLine]:
        """The last line, where no line end follows it. Raises `UpstreamTorn` where lines are missing."""
        left, self._pieces = b"".join(self._pieces), []
        found = self._parsed(left)
        if self._expected is not None and self._count < self._expected:
            raise UpstreamTorn(f"the results ended after {self._count} of {self._expected} lines")
        return found

    def _parsed(self, raw: bytes) -> list[ResultLine]:
        if not raw.strip():
            return []
        try:
            line = _read_line(json.loads(raw))
        except (ValueError, RecursionError, KeyError, TypeError):
            raise UpstreamTorn(f"the results broke off in line {self._count + 1}") from None
        self._count += 1
        return [line]


def _read_line(line: Any) -> ResultLine:
    custom_id = line["custom_id"]
    if not isinstance(custom_id, str):
        raise TypeError
    return ResultLine(custom_id, _read_result(line["result"]))


def _read_result(result: Any) -> Result:
    match result["type"]:
        case "succeeded":
            return SucceededResult(_object(result["message"]))
        case "errored":
            return ErroredResult(_object(result["error"]))
        case "canceled":
            return CanceledResult()
        case "expired":
            return ExpiredResult()
        case unknown:  # whole, but newer than we are: the request must still end
            return errored("api_error", f"the upstream ended this request in an unknown way: {str(unknown)[:40]}")


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _spelled(result: Result) -> Json:
    match result:
        case SucceededResult(message):
            return {"type": "succeeded", "message": message}
        case ErroredResult(error):
            return {"type": "errored", "error": error}
        case CanceledResult():
            return {"type": "canceled"}
        case ExpiredResult():
            return {"type": "expired"}
        case _:
            assert_never(result)
