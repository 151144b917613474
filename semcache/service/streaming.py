"""A live answer on its way to the client, and how it ends when the upstream breaks off."""

from __future__ import annotations

from contextlib import aclosing

from starlette.types import Send

from semcache.drivers import Live
from semcache.events import BROKEN_OFF, Tail
from semcache.request import Headers
from semcache.service.asgi import send_chunk, send_head
from semcache.wire import live_headers


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
        await send_chunk(send, BROKEN_OFF, is_last=True)


def _headers(live: Live, upstream: str) -> Headers:
    headers = live_headers(live.call, live.head.headers, upstream=upstream, is_coalesced=live.coalesced)
    if any(name == "cache-control" for name, _ in headers):
        return headers
    return (*headers, ("cache-control", "no-cache"))
