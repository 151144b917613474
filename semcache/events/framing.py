"""Server-sent events as bytes: an incremental reader, and the encoder of a single event."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, NoReturn

from semcache.errors import UpstreamTorn
from semcache.request import Json, encode_json

MAX_FRAME_BYTES = 16 * 1024 * 1024  # tool results arrive whole in one event; nothing known comes near this
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# JSON leaves these raw, yet clients that split lines the Unicode way take them for line ends.
_SEPARATORS = {"\u0085": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class Event(NamedTuple):
    """One event. `name` is empty without an `event:` line, `data` is None unless a JSON object."""

    name: str
    data: Json | None


class FrameReader:
    """Cuts a byte stream into events, however the network cut it into chunks."""

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._tail: list[bytes] = []  # pieces of a line whose end has not arrived
        self._name = b""
        self._data: list[bytes] = []
        self._frame_bytes = 0  # held for the event under way
        self._after_cr = False  # a line feed that comes next belongs to the line end already seen
        self._at_start = True

    @property
    def at_boundary(self) -> bool:
        """Whether no event is under way, so that one of ours may be put in between."""
        return not (self._tail or self._data or self._name)

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. Raises `UpstreamTorn` when one outgrows the bound."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return []
        if b"\n" not in chunk and b"\r" not in chunk:
            self._keep(chunk)
            return []
        lines = b"".join((*self._tail, chunk)).splitlines()  # of bytes: at LF, CR and CRLF only
        self._frame_bytes -= sum(map(len, self._tail))
        self._tail = []
        self._after_cr = chunk.endswith(b"\r")
        unfinished = b"" if chunk.endswith((b"\n", b"\r")) else lines.pop()
        events = [event for line in lines if (event := self._read_line(line)) is not None]
        if unfinished:
            self._keep(unfinished)
        return events

    def _read_line(self, line: bytes) -> Event | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._grow(len(value) + 1)
        elif field == b"event":
            self._name = value
        return None  # comments, ids, retry times and unknown fields say nothing about the message

    def _dispatch(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data, self._frame_bytes = b"", [], 0
        if not data:
            return None
        return Event(name.decode("utf-8", "replace"), _decode_object(b"\n".join(data)))

    def _keep(self, piece: bytes) -> None:
        self._tail.append(piece)
        self._grow(len(piece))

    def _grow(self, size: int) -> None:
        self._frame_bytes += size
        if self._frame_bytes > self._max_frame_bytes:
            raise UpstreamTorn(f"upstream sent an event of more than {self._max_frame_bytes} bytes")


def encode_event(name: str, data: Json) -> bytes:
    """One event, ready to send."""
    try:
        text = _ENCODER.encode(data)
        if not text.isascii():
            for separator, escaped in _SEPARATORS.items():
                text = text.replace(separator, escaped)
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        encoded = encode_json(data)
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encoded)


def decode_json(text: str) -> Any:
    """JSON as the standard has it; raises `ValueError`, for `NaN` and too deep nesting too."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _decode_object(encoded: bytes) -> Json | None:
    try:
        value = decode_json(encoded.decode("utf-8"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# `json.dumps` and `json.loads` with options build a new coder at every call; these stay.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
PING = encode_event("ping", {"type": "ping"})
