"""A message from its events, and the proof that none of it is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from semcache.errors import UpstreamTorn
from semcache.events.framing import Event, decode_json
from semcache.message import Message
from semcache.request import Headers, Json

# Deltas that add to a string: where they carry it, and which field of the block it becomes.
_GROWTH = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "input"),
}
_COMPACTED = ("content", "encrypted_content")


def assemble(events: Iterable[Event]) -> Message:
    """The message of a whole stream; raises `UpstreamTorn` where it is not whole."""
    assembler = Assembler()
    for event in events:
        assembler.feed(event)
    return assembler.message()


class Assembler:
    """Grows a message event by event. `feed` never raises; `message` says what was wrong.

    `faithful` turns False when something arrived that may belong to the message but that we do not
    understand: such a message is complete, and still must not be stored. `error` is the data of an
    error event, in the shape of an error body.
    """

    def __init__(self) -> None:
        self.faithful = True
        self.error: Json | None = None
        self._body: Json | None = None
        self._blocks: list[Json] = []
        self._open: _OpenBlock | None = None
        self._ending = False  # a message_delta has been seen
        self._stopped = False
        self._fault: str | None = None

    def feed(self, event: Event) -> None:
        if self._fault is not None or self.error is not None:
            return
        name, data = event
        if data is None:
            self._feed_unreadable(name)
            return
        kind = data.get("type")
        step = _STEPS.get(name or str(kind))
        if step is None:
            self._feed_unknown(name or str(kind))
        elif kind != (name or kind):
            self._fault = f"a {name} event says it is of another type"
        else:
            try:
                step(self, data)
            except _Disorder as disorder:
                self._fault = f"{kind} {disorder}"
            except (KeyError, TypeError, ValueError):  # a field is missing or of the wrong type
                self._fault = f"a malformed {kind} event"

    def message(self, headers: Headers = ()) -> Message:
        """The whole message; raises `UpstreamTorn` where a part is missing, broken or out of order."""
        if self.error is not None:
            raise UpstreamTorn(f"upstream broke off with {_error_type(self.error)}")
        if self._fault is not None:
            raise UpstreamTorn(f"upstream sent a broken event stream: {self._fault}")
        if self._body is None or not self._stopped:
            raise UpstreamTorn("upstream's event stream ended before message_stop")
        return Message(body={**self._body, "content": self._blocks}, headers=headers, faithful=self.faithful)

    def so_far(self) -> Message | None:
        """What has arrived of a message that will never be whole, to count it by; None: not even its beginning."""
        if self._body is None:
            return None
        open_block = [] if self._open is None else [{"type": "text", "text": self._open.said}]
        return Message(body={**self._body, "content": [*self._blocks, *open_block]}, faithful=False)

    def _feed_unreadable(self, name: str) -> None:
        if name == "error":
            self.error = {}
        elif name != "ping" and name in _STEPS:
            self._fault = f"a {name} event without a JSON object"

    def _feed_unknown(self, kind: str) -> None:
        if kind.startswith(("message", "content_block")):
            self.faithful = False

    def _ping(self, data: Json) -> None:
        pass

    def _break_off(self, data: Json) -> None:
        self.error = data

    def _start_message(self, data: Json) -> None:
        _expect(self._body is None, "came twice")
        body = dict(data["message"])
        body["usage"] = dict(body.get("usage") or {})
        if not isinstance(body.get("content"), list):
            raise TypeError("content is not a list")
        self._blocks = list(body["content"])
        self._body = body

    def _start_block(self, data: Json) -> None:
        body = self._started()
        _expect(self._open is None and data["index"] == len(self._blocks), "came out of order")
        block = dict(data["content_block"])
        self._open = _OpenBlock(block, len(self._blocks))
        if block.get("type") == "fallback":  # names the model that answers from here on
            body["model"] = block["to"]["model"]

    def _grow_block(self, data: Json) -> None:
        block = self._open
        if block is None or data["index"] != block.index:
            raise _Disorder("came for a block that is not open")
        if not block.add(data["delta"]):
            self.faithful = False

    def _stop_block(self, data: Json) -> None:
        block = self._open
        if block is None or data["index"] != block.index:
            raise _Disorder("came for a block that is not open")
        self._blocks.append(block.close())
        self._open = None

    def _amend_message(self, data: Json) -> None:
        body = self._started()
        _expect(self._open is None, "came inside a block")
        _overwrite(body, data["delta"])
        _overwrite(body["usage"], data.get("usage") or {})
        _overwrite(body, {name: value for name, value in data.items() if name not in ("type", "delta", "usage")})
        self._ending = True

    def _stop_message(self, data: Json) -> None:
        self._started()
        _expect(self._open is None and self._ending, "came too early")
        self._stopped = True

    def _started(self) -> Json:
        if self._body is None:
            raise _Disorder("came before message_start")
        _expect(not self._stopped, "came after message_stop")
        return self._body


class _OpenBlock:
    """A content block under way."""

    __slots__ = ("_block", "_grows_by", "_parts", "index")

    def __init__(self, block: Json, index: int) -> None:
        self.index = index
        self._block = block
        self._grows_by: str | None = None
        self._parts: list[str] = []

    def add(self, delta: Json) -> bool:
        """Take in a delta; False where we do not know what it means for this block."""
        kind = delta["type"]
        if kind == self._grows_by:
            self._parts.append(delta[_GROWTH[kind][0]])
            return True
        if kind not in _GROWTH:
            return self._amend(kind, delta)
        source, field = _GROWTH[kind]
        if self._grows_by is not None or field not in self._block:
            return False
        self._grows_by = kind
        self._parts.append(delta[source])
        return True

    @property
    def said(self) -> str:
        return _joined(self._parts)

    def close(self) -> Json:
        """The block as it stands in a message."""
        if self._grows_by is None:
            return self._block
        field, grown = _GROWTH[self._grows_by][1], _joined(self._parts)
        if field != "input":
            self._block[field] += grown
        elif grown.strip():
            self._block[field] = decode_json(grown)
        return self._block

    def _amend(self, kind: str, delta: Json) -> bool:
        match kind, self._block.get("type"):
            case "signature_delta", "thinking":
                self._block["signature"] = delta["signature"]
            case "citations_delta", "text":
                self._block["citations"] = [*(self._block.get("citations") or ()), delta["citation"]]
            case "compaction_delta", "compaction":
                self._block.update({name: delta[name] for name in _COMPACTED if name in delta})
            case _:
                return False
        return True


class _Disorder(Exception):
    """An event that may not come here."""


_STEPS: dict[str, Callable[[Assembler, Json], None]] = {
    "message_start": Assembler._start_message,
    "content_block_start": Assembler._start_block,
    "content_block_delta": Assembler._grow_block,
    "content_block_stop": Assembler._stop_block,
    "message_delta": Assembler._amend_message,
    "message_stop": Assembler._stop_message,
    "error": Assembler._break_off,
    "ping": Assembler._ping,
}


def _expect(in_order: bool, otherwise: str) -> None:
    if not in_order:
        raise _Disorder(otherwise)


def _overwrite(target: Json, changes: Json) -> None:
    """Later values are totals and replace earlier ones; null means "as before"."""
    for name, value in changes.items():
        if value is not None or name not in target:
            target[name] = value


def _joined(parts: list[str]) -> str:
    """The pieces as one text; a character that was cut into two escapes becomes whole again."""
    text = "".join(parts)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


def _error_type(error: Json) -> str:
    inner: Any = error.get("error")
    kind = inner.get("type") if isinstance(inner, dict) else None
    return kind[:64] if isinstance(kind, str) else "an error"
