"""The objects of one long JSON array, handed out while its bytes still arrive."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, NoReturn

from semcache.errors import InvalidRequest

_BLANKS = " \t\n\r"
_NAME_CHARACTERS = 100
_LONG_CHARACTERS = 65_536


class _Place(Enum):
    """What must come next."""

    OBJECT = auto()
    NAME = auto()
    COLON = auto()
    ARRAY = auto()
    FIRST_ITEM = auto()
    ITEM = auto()
    AFTER_ITEM = auto()
    AFTER_ARRAY = auto()
    NOTHING = auto()


class _NeedsMore(Exception):
    """The text ends before this part of it does."""


class ArrayReader:
    """Reads `{"<field>": [item, …]}` in chunks of any size; holds no more than one unfinished item.

    Raises `InvalidRequest` as soon as the text cannot become such an object, at `finish` at the latest.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._decode_json = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
        self._waiting: list[str] = []
        self._waiting_size = 0
        self._enough = 1  # new characters before another try: what is long is tried when it has doubled
        self._text = ""
        self._at = 0
        self._place = _Place.OBJECT
        self._has_opened = False
        self._steps: dict[_Place, Callable[[], Any]] = {
            _Place.OBJECT: lambda: self._expect({"{": _Place.NAME}),
            _Place.NAME: self._read_name,
            _Place.COLON: lambda: self._expect({":": _Place.ARRAY}),
            _Place.ARRAY: self._open_array,
            _Place.FIRST_ITEM: lambda: self._expect({"]": _Place.AFTER_ARRAY}, otherwise=_Place.ITEM),
            _Place.AFTER_ITEM: lambda: self._expect({",": _Place.ITEM, "]": _Place.AFTER_ARRAY}),
            _Place.AFTER_ARRAY: lambda: self._expect({",": _Place.NAME, "}": _Place.NOTHING}),
            _Place.NOTHING: lambda: self._expect({}),
        }

    def feed(self, chunk: bytes) -> list[Any]:
        """The items that are complete with this chunk."""
        self._take(self._decoded(chunk, final=False))
        return self._items(final=False) if self._waiting_size >= self._enough else []

    def finish(self) -> list[Any]:
        """The items left when nothing more comes."""
        self._take(self._decoded(b"", final=True))
        found = self._items(final=True)
        if self._place is _Place.OBJECT:
            raise InvalidRequest("body: expected a JSON object, got nothing")
        if self._place is not _Place.NOTHING:
            raise InvalidRequest("body: not valid JSON: it ends too early")
        return found

    def _decoded(self, chunk: bytes, *, final: bool) -> str:
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            raise InvalidRequest("body: not valid UTF-8; send JSON encoded as UTF-8") from None

    def _take(self, text: str) -> None:
        self._waiting.append(text)
        self._waiting_size += len(text)

    def _items(self, *, final: bool) -> list[Any]:
        self._text = "".join([self._text[self._at :], *self._waiting])
        self._at, self._waiting, self._waiting_size = 0, [], 0
        found = []
        try:
            while True:
                if self._place is _Place.ITEM:
                    found.append(self._value(final=final))
                    self._place = _Place.AFTER_ITEM
                else:
                    self._steps[self._place]()
        except _NeedsMore:
            left = len(self._text) - self._at
            self._enough = left if left > _LONG_CHARACTERS else 1
        return found

    def _read_name(self) -> None:
        found = self._peek()
        if found == "}" and not self._has_opened:
            raise InvalidRequest(f"{self._field}: Field required")
        if found != '"':
            raise InvalidRequest("body: not valid JSON: expected a field name in double quotes")
        name = self._value(final=False)
        if name != self._field:
            raise InvalidRequest(f"{name[:_NAME_CHARACTERS]}: Extra inputs are not permitted")
        if self._has_opened:
            raise InvalidRequest(f"{self._field}: given twice; send one list")
        self._has_opened = True
        self._place = _Place.COLON

    def _open_array(self) -> None:
        if self._peek() != "[":
            raise InvalidRequest(f"{self._field}: Input should be a valid list")
        self._at += 1
        self._place = _Place.FIRST_ITEM

    def _expect(self, following: dict[str, _Place], otherwise: _Place | None = None) -> None:
        found = self._peek()
        if found in following:
            self._at += 1
            self._place = following[found]
        elif otherwise is not None:
            self._place = otherwise
        elif self._place is _Place.OBJECT:
            raise InvalidRequest("body: expected a JSON object")
        else:
            wanted = " or ".join(following) or "nothing"
            raise InvalidRequest(f"body: not valid JSON: expected {wanted} after the {self._field} read so far")

    def _value(self, *, final: bool) -> Any:
        self._peek()
        try:
            value, self._at = self._decode_json(self._text, self._at)
        except json.JSONDecodeError:
            if final:
                raise InvalidRequest(f"body: not valid JSON in {self._field}") from None
            raise _NeedsMore from None
        except RecursionError:
            raise InvalidRequest("body: JSON is nested too deeply; send fewer levels") from None
        return value

    def _peek(self) -> str:
        """The next character that is not blank."""
        while self._text[self._at : self._at + 1] in _BLANKS and self._at < len(self._text):
            self._at += 1
        if self._at == len(self._text):
            raise _NeedsMore
        return self._text[self._at]


def _refuse_constant(constant: str) -> NoReturn:
    raise InvalidRequest(f"body: {constant} is not JSON; send a number or null")
