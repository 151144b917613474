"""The end of a stream that has gone out: was it whole, and what to say where it was not."""

from __future__ import annotations

import re

from semcache.events.framing import encode_event

_TAIL_BYTES = 4096
_CLOSING_EVENT = re.compile(rb"[\r\n]event: ?(?:message_stop|error)[\r\n]")
_BOUNDARIES = (b"\n\n", b"\r\r", b"\n\r\n")
# A client library takes a stream that merely stops for a whole message (Claude API §3), so we say it is not.
BROKEN_OFF = encode_event(
    "error",
    {
        "type": "error",
        "error": {"type": "api_error", "message": "semcache: the upstream's answer broke off; try again"},
    },
)


class Tail:
    """The last bytes of what has gone out on a stream."""

    def __init__(self) -> None:
        self._bytes = b"\n\n"

    def feed(self, chunk: bytes) -> None:
        self._bytes = (self._bytes + chunk)[-_TAIL_BYTES:]

    @property
    def is_at_boundary(self) -> bool:
        return self._bytes.endswith(_BOUNDARIES)

    @property
    def is_closed(self) -> bool:
        """Whether the last words were `message_stop`, or an error: after either a client knows where it stands."""
        return self.is_at_boundary and _CLOSING_EVENT.search(self._bytes) is not None
