"""A live answer on its way to the client, and how it ends when the upstream breaks off."""

from __future__ import annotations

import re
from contextlib import aclosing

from starlette.types import Send

from semcache.drivers import Live
from semcache.events import encode_event
from semcache.request import Headers
from semcache.service.asgi import send_chunk, send_head
from semcache.wire import event_error, live_headers

_TAIL_BYTES = 4096
_CLOSING_EVENT = re.compile(rb"[\r\n]event: ?(?:message_stop|error)[\r\n]")
_BOUNDARIES = (b"\n\n", b"\r\r", b"\n\r\n")
_BROKEN_OFF = encode_event("error", event_error("api_error", "semcache: the upstream's answer broke off; try again"))


class Tail:
    """The end of what has gone out on a stream, to know whether it was whole."""

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


async def send_live(send: Send, live: Live, *, upstream: str, ping_seconds: float) -> Tail:
    """Send all but the last part of the response; each chunk as it arrives."""
    tail = Tail()
    try:
        await send_head(send, live.head.status, _headers(live, upstream))
        async with aclosing(live.chunks(ping_seconds=ping_seconds)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                tail.feed(chunk)
                await send_chunk(send, chunk)
    finally:
        await live.aclose()
    return tail


async def send_end(send: Send, tail: Tail) -> None:
    """The last part. A client library takes a stream that merely stops for a whole message, so we say it is not.

    In the middle of an event nothing can be said any more: leaving the response unfinished makes
    the server cut the connection, and the client library raise.
    """
    if tail.is_closed:
        await send_chunk(send, b"", is_last=True)
    elif tail.is_at_boundary:
        await send_chunk(send, _BROKEN_OFF, is_last=True)


def _headers(live: Live, upstream: str) -> Headers:
    headers = live_headers(live.call, live.head.headers, upstream=upstream, is_coalesced=live.coalesced)
    if any(name == "cache-control" for name, _ in headers):
        return headers
    return (*headers, ("cache-control", "no-cache"))
