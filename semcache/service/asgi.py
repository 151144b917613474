"""The few ASGI moves that the hot path needs: read a bounded body, send an answer, notice who hung up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.types import Receive, Scope, Send

from semcache.errors import SemcacheError
from semcache.request import Headers
from semcache.wire import RequestTooLarge

T = TypeVar("T")
# A model name or a header of an upstream may hold anything; a header line may not (RFC 9110 §5.5).
_PRINTABLE = bytes(32 if code < 32 or code == 127 else code for code in range(256))


class ClientGone(SemcacheError):
    """The client hung up before its answer was complete."""


async def read_body(scope: Scope, receive: Receive, *, max_bytes: int) -> bytes:
    """The request body. A body that is too large is refused at the first sign of it, and not kept."""
    if _declared_length(scope) > max_bytes:
        raise RequestTooLarge(max_bytes)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up while it was sending")
        part = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            raise RequestTooLarge(max_bytes)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def unless_gone(work: Coroutine[None, None, T], receive: Receive) -> T:
    """The result of `work`, which is cancelled when the client hangs up; then raises `ClientGone`.

    The work must not send the last part of the response: after that part the server reports a
    disconnect to everybody.
    """
    task, watch = asyncio.ensure_future(work), asyncio.ensure_future(_hung_up(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone("the client hung up while it was waiting")
    finally:
        watch.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
            _ = task.cancelled() or task.exception()  # seen: nobody waits for it any more


async def send_head(send: Send, status: int, headers: Headers) -> None:
    """Status and headers; the body follows."""
    await send({"type": "http.response.start", "status": status, "headers": encoded_headers(headers)})


async def send_chunk(send: Send, chunk: bytes, *, is_last: bool = False) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": not is_last})


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A response that is complete."""
    await send_head(send, status, (*headers, ("content-length", str(len(body)))))
    await send_chunk(send, body, is_last=True)


def encoded_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as bytes that any server accepts."""
    return [
        (name.encode("latin-1"), value.encode("latin-1", "replace").translate(_PRINTABLE)) for name, value in headers
    ]


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
