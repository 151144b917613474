"""The simulator as a plain ASGI app, for any HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from semcache.upstream.simulator.simulator import Simulator
from semcache.upstream.upstream import UpstreamRequest

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def simulator_app(simulator: Simulator) -> App:
    """An ASGI 3 app that answers every path as the simulator does."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await _serve(simulator, scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case kind:
                raise ValueError(f"the simulator speaks http, not {kind}")

    return app


async def _serve(simulator: Simulator, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, and stop as soon as the client has hung up."""
    body = await _read(receive, simulator.conduct.body_limit_bytes(scope["path"]))
    if body is None:
        return
    request = UpstreamRequest(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
    )
    answering = asyncio.ensure_future(_answer(simulator, request, send))
    watching = asyncio.ensure_future(_hung_up(receive))
    try:
        await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        for task in (answering, watching):
            task.cancel()
        await asyncio.gather(answering, watching, return_exceptions=True)


async def _answer(simulator: Simulator, request: UpstreamRequest, send: Send) -> None:
    response = await simulator.open(request)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    try:
        async for chunk in response.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        await response.aclose()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read(receive: Receive, max_bytes: int) -> bytes | None:
    """The body, as far as the limit and one byte beyond; None: the client hung up before its end."""
    parts, size = [], 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        part = event.get("body", b"")[: max(0, max_bytes + 1 - size)]
        parts.append(part)
        size += len(part)
        if not event.get("more_body", False):
            return b"".join(parts)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _live(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
