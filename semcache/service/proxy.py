"""`POST /v1/messages`: bytes in, an exchange driven, bytes out. It decides nothing about caching."""

from __future__ import annotations

import logging
from functools import partial
from time import perf_counter

from starlette.types import Receive, Scope, Send

from semcache.drivers import arun, astream, begin
from semcache.errors import SemcacheError, UpstreamTorn
from semcache.events import Tail
from semcache.exchange import Answer, Call, Exchange
from semcache.request import Headers, Request
from semcache.service.access import refuse_stowaways
from semcache.service.asgi import ClientGone, read_body, send_whole, unless_gone
from semcache.service.service import Service
from semcache.service.streaming import send_end, send_live
from semcache.wire import answer_body, answer_headers, lower_headers, read_request
from semcache.wire_errors import error_response

logger = logging.getLogger(__name__)

_PARSED_INLINE_BYTES = 32_000  # reading more JSON than this would hold up the event loop


class MessagesEndpoint:
    """A plain ASGI endpoint: no validation and no dependency injection stand on the hot path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = Service.of(scope)
        visit = _Visit(service, receive, send)
        try:
            await visit.answer(await _read(service, scope, receive))
        except ClientGone:
            visit.note(service.metrics.ended("abandoned", "client-disconnected", visit.seconds))
        except SemcacheError as error:
            await visit.refuse(error)


async def _read(service: Service, scope: Scope, receive: Receive) -> Request:
    limit = service.settings.max_request_bytes
    headers = (*lower_headers(scope["headers"]), *_task_of(scope))
    refuse_stowaways(headers)
    raw = await read_body(scope, receive, max_bytes=limit)
    read = partial(
        read_request,
        raw,
        headers,
        service.parts.tenants,
        query=scope["query_string"].decode("latin-1"),
        max_bytes=limit,
    )
    return read() if len(raw) <= _PARSED_INLINE_BYTES and not _is_encoded(headers) else await service.advance(read)


def _task_of(scope: Scope) -> Headers:
    """The task that the base URL names, for clients that cannot send headers of their own."""
    task = scope.get("path_params", {}).get("task")
    return () if task is None else (("x-semcache-task", task),)


class _Visit:
    """One request on its way through the service."""

    def __init__(self, service: Service, receive: Receive, send: Send) -> None:
        self._service = service
        self._receive = receive
        self._send = send
        self._began = perf_counter()

    @property
    def seconds(self) -> float:
        return perf_counter() - self._began

    async def answer(self, request: Request) -> None:
        exchange = self._service.parts.forward(request)
        try:
            step = await self._service.advance(partial(begin, exchange))
        except BaseException:
            exchange.close()
            raise
        self._service.metrics.looked_up(self.seconds)
        if isinstance(step, Answer):
            await self._send_answer(request, step)
        elif request.stream:
            await self._stream(request, exchange, step)
        else:
            work = arun(exchange, self._service.flights.carry, self._service.advance, step=step)
            await self._send_answer(request, await unless_gone(work, self._receive))

    async def refuse(self, error: SemcacheError) -> None:
        status, headers, body = error_response(error, upstream=self._service.upstream_name)
        self.note(self._service.metrics.failed(error, self.seconds), status)
        await send_whole(self._send, status, headers, body)

    async def _stream(self, request: Request, exchange: Exchange, step: Call) -> None:
        answer, tail = await unless_gone(self._arriving(exchange, step), self._receive)
        if tail is None and answer is not None:  # a failed call, made good from memory
            await self._send_answer(request, answer)
        elif tail is not None:
            self._book(request, answer)
            await send_end(self._send, tail)

    async def _arriving(self, exchange: Exchange, step: Call) -> tuple[Answer | None, Tail | None]:
        """Send a live answer as it comes. The answer, if it was whole; the end of the stream, if there was one."""
        service = self._service
        live = await astream(exchange, service.flights, service.advance, step=step)
        if isinstance(live, Answer):
            return live, None
        tail = await send_live(
            self._send, live, upstream=service.upstream_name, ping_seconds=service.settings.ping_seconds
        )
        return live.answer, tail

    async def _send_answer(self, request: Request, answer: Answer) -> None:
        headers = answer_headers(request, answer, upstream=self._service.upstream_name, now=self._service.parts.clock())
        body = b"".join(answer_body(request, answer))
        self._book(request, answer)
        await send_whole(self._send, 200, headers, body)

    def _book(self, request: Request, answer: Answer | None) -> None:
        metrics = self._service.metrics
        if answer is not None:
            self.note(metrics.answered(answer, self.seconds))
            self._service.record(request, answer, seconds=self.seconds)
        else:
            self.note(metrics.failed(UpstreamTorn("the stream broke off"), self.seconds))

    def note(self, outcome: str, status: int = 200) -> None:
        """The one line a request leaves in the log."""
        logger.info("request outcome=%s status=%d ms=%.1f", outcome, status, self.seconds * 1000)


def _is_encoded(headers: Headers) -> bool:
    return any(name == "content-encoding" for name, _ in headers)
