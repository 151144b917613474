"""The body of a batch creation, read one request at a time into packed form; its params are not judged here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from semcache.request import Json
from semcache.upstream.simulator.packing import PackedLines, PackedRequests
from semcache.upstream.simulator.responses import Problem
from semcache.upstream.simulator.shape import EXTRA

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_JSON = "The request body is not valid JSON"
_BLANK = re.compile(r"[ \t\n\r]*")
_LINE_ENDS = str.maketrans("\r\n", "  ")


class _Refused(Exception):
    """The body is no batch; says why."""


def read_requests(raw: bytes, *, max_requests: int) -> Json | Problem:
    """The body with its `requests` packed."""
    try:
        requests = _Reading(raw.decode("utf-8"), max_requests).requests()
    except UnicodeDecodeError:
        return Problem(400, "The request body is not valid UTF-8")
    except (json.JSONDecodeError, RecursionError):
        return Problem(400, _NOT_JSON)
    except _Refused as refused:
        return Problem(400, str(refused))
    return {"requests": requests}


class _Reading:
    """One pass over the text of a body."""

    def __init__(self, text: str, max_requests: int) -> None:
        self._text = text
        self._max_requests = max_requests
        self._at = 0
        self._decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode
        self._seen: set[str] = set()

    def requests(self) -> PackedRequests:
        found: PackedRequests | None = None
        if self._peek() != "{":
            raise _Refused("The request body is not valid: expected a JSON object")
        for _ in self._items("}"):
            name = self._value()
            if self._peek() != ":" or not isinstance(name, str):
                raise _Refused(_NOT_JSON)
            self._at += 1
            if name != "requests":
                raise _Refused(f"{name[:100]}: {EXTRA}")
            found = self._packed()
        if self._peek():
            raise _Refused(_NOT_JSON)
        if found is None:
            raise _Refused("requests: Field required")
        return found

    def _packed(self) -> PackedRequests:
        if self._peek() != "[":
            raise _Refused("requests: Input should be a valid list")
        lines, count = PackedLines(), 0
        for place in self._items("]"):
            self._peek()
            start, request = self._at, self._value()
            count += 1
            if count > self._max_requests:
                continue  # counted on, for the complaint
            self._check(place, request)
            spelled = self._text[start : self._at]  # line ends stand between tokens only, or it had not been valid
            lines.append(spelled.translate(_LINE_ENDS).encode("utf-8"))
        if count > self._max_requests:
            raise _Refused(
                f"requests: List should have at most {self._max_requests} items after validation, not {count}"
            )
        if count == 0:
            raise _Refused("requests: List should have at least 1 item after validation, not 0")
        return PackedRequests(lines)

    def _check(self, place: int, request: Any) -> None:
        where = f"requests.{place}"
        if not isinstance(request, dict):
            raise _Refused(f"{where}: Input should be a valid dictionary")
        for name in ("custom_id", "params"):
            if name not in request:
                raise _Refused(f"{where}.{name}: Field required")
        for name in request.keys() - {"custom_id", "params"}:
            raise _Refused(f"{where}.{name[:100]}: {EXTRA}")
        self._check_id(f"{where}.custom_id", request["custom_id"])
        if not isinstance(request["params"], dict):
            raise _Refused(f"{where}.params: Input should be a valid dictionary")

    def _check_id(self, where: str, custom_id: Any) -> None:
        if not isinstance(custom_id, str):
            raise _Refused(f"{where}: Input should be a valid string")
        if not _CUSTOM_ID.fullmatch(custom_id):
            raise _Refused(f"{where}: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if custom_id in self._seen:
            raise _Refused(f"{where}: `{custom_id}` is not unique; each custom_id may occur once in a batch")
        self._seen.add(custom_id)

    def _items(self, closing: str) -> Iterator[int]:
        """Steps from item to item of what opens here; the caller reads each."""
        self._at += 1
        if self._peek() == closing:
            self._at += 1
            return
        place = 0
        while True:
            self._peek()
            yield place
            place += 1
            found = self._peek()
            self._at += 1
            if found == closing:
                return
            if found != ",":
                raise _Refused(_NOT_JSON)

    def _value(self) -> Any:
        self._peek()
        value, self._at = self._decode(self._text, self._at)
        return value

    def _peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank is not None else self._at
        return self._text[self._at : self._at + 1]


def _no_constant(constant: str) -> NoReturn:
    raise _Refused(f"The request body is not valid: {constant} is not JSON")
