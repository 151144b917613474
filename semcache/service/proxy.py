"""`POST /v1/messages`: bytes in, an exchange driven, bytes out. It decides nothing about caching."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from starlette.types import Receive, Scope, Send

from semcache.drivers import Live, arun, astream, begin
from semcache.errors import SemcacheError, UpstreamTorn
from semcache.events import Tail
from semcache.exchange import Answer, Call, Exchange
from semcache.request import Headers, Request
from semcache.service.access import refuse_stowaways
from semcache.service.asgi import ClientGone, read_body, send_whole, unless_gone
from semcache.service.ending import Ending, ending_of, failure_of
from semcache.service.service import Service
from semcache.service.streaming import send_end, send_live
from semcache.service.tracing import VisitTrace
from semcache.stopwatch import Stage, Stopwatch
from semcache.wire import answer_body, answer_headers, lower_headers, read_request
from semcache.wire_errors import error_response

logger = logging.getLogger(__name__)

_PARSED_INLINE_BYTES = 32_000  # reading more JSON than this would hold up the event loop


class MessagesEndpoint:
    """A plain ASGI endpoint: no validation and no dependency injection stand on the hot path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = Service.of(scope)
        headers = lower_headers(scope["headers"])
        visit = _Visit(service, receive, send, service.tracing.visit(headers))
        try:
            await visit.answer(await _read(service, scope, receive, headers, visit.stopwatch))
        except ClientGone:
            visit.leave()
        except SemcacheError as error:
            await visit.refuse(error)
        finally:
            visit.trace.give_up()


async def _read(service: Service, scope: Scope, receive: Receive, headers: Headers, stopwatch: Stopwatch) -> Request:
    limit = service.settings.max_request_bytes
    headers = (*headers, *_task_of(scope))
    refuse_stowaways(headers)
    raw = await read_body(scope, receive, max_bytes=limit)
    read = partial(
        read_request,
        raw,
        headers,
        service.parts.tenants,
        query=scope["query_string"].decode("latin-1"),
        max_bytes=limit,
        stopwatch=stopwatch,
    )
    return read() if len(raw) <= _PARSED_INLINE_BYTES and not _is_encoded(headers) else await service.advance(read)


def _task_of(scope: Scope) -> Headers:
    """The task that the base URL names, for clients that cannot send headers of their own."""
    task = scope.get("path_params", {}).get("task")
    return () if task is None else (("x-semcache-task", task),)


class _Visit:
    """One request on its way through the service."""

    def __init__(self, service: Service, receive: Receive, send: Send, trace: VisitTrace) -> None:
        self._service = service
        self._receive = receive
        self._send = send
        self.stopwatch = Stopwatch()
        self.trace = trace

    async def answer(self, request: Request) -> None:
        self.stopwatch.lap(Stage.READ)
        exchange = self._service.parts.forward(request)
        try:
            step = await self._service.advance(partial(_begun, exchange, self.stopwatch))
        except BaseException:
            exchange.close()
            raise
        self._service.metrics.looked_up(self.stopwatch.seconds)
        if isinstance(step, Answer):
            await self._send_answer(request, step)
        elif request.stream:
            await self._stream(request, exchange, step)
        else:
            work = arun(exchange, self._service.flights.carry, self._service.advance, step=step)
            await self._send_answer(request, await unless_gone(work, self._receive))

    async def refuse(self, error: SemcacheError) -> None:
        status, headers, body = error_response(error, upstream=self._service.upstream_name)
        self._fail(error, status, headers)
        await send_whole(self._send, status, headers, body)

    def leave(self) -> None:
        """The client hung up."""
        stages = self.stopwatch.stages()
        self._end(Ending("abandoned", "client-disconnected", self.stopwatch.seconds, status=499, stages=stages))

    async def _stream(self, request: Request, exchange: Exchange, step: Call) -> None:
        live, tail = await unless_gone(self._arriving(exchange, step), self._receive)
        if isinstance(live, Answer):  # a failed call, made good from memory
            await self._send_answer(request, live)
        elif tail is not None:
            if live.answer is not None:
                self._book(request, live.answer, live.head.headers)
            else:
                self._fail(UpstreamTorn("the stream broke off"), 200, live.head.headers)
            await send_end(self._send, tail)

    async def _arriving(self, exchange: Exchange, step: Call) -> tuple[Answer | Live, Tail | None]:
        """Send a live answer as it comes. The end of the stream, if there was one."""
        service = self._service
        live = await astream(exchange, service.flights, service.advance, step=step)
        if isinstance(live, Answer):
            return live, None
        tail = await send_live(
            self._send, live, upstream=service.upstream_name, ping_seconds=service.settings.ping_seconds
        )
        return live, tail

    async def _send_answer(self, request: Request, answer: Answer) -> None:
        headers = answer_headers(request, answer, upstream=self._service.upstream_name, now=self._service.parts.clock())
        body = b"".join(answer_body(request, answer))
        self._book(request, answer, headers)
        await send_whole(self._send, 200, headers, body)

    def _book(self, request: Request, answer: Answer, headers: Headers) -> None:
        self.stopwatch.lap(Stage.REPLY)
        ending = ending_of(request, answer, headers, seconds=self.stopwatch.seconds)
        if texts := self._service.texts(request, answer):
            ending = replace(ending, texts=texts)
        self._service.metrics.answered(answer)
        self._end(ending)
        self._service.record(request, answer, seconds=ending.seconds)

    def _fail(self, error: SemcacheError, status: int, headers: Headers) -> None:
        stages = self.stopwatch.stages()
        ending = failure_of(error, status=status, headers=headers, seconds=self.stopwatch.seconds, stages=stages)
        self._service.metrics.failed(error, ending.reason)
        self._end(ending)

    def _end(self, ending: Ending) -> None:
        """Counted, traced, and the one line that a request leaves in the log."""
        self._service.metrics.ended(ending)
        self.trace.end(ending, self.stopwatch)
        logger.info(ending)


def _begun(exchange: Exchange, stopwatch: Stopwatch) -> Call | Answer:
    stopwatch.lap(Stage.QUEUE)
    step = begin(exchange)
    if isinstance(step, Call):
        stopwatch.lap(Stage.SHAPE)
    return step


def _is_encoded(headers: Headers) -> bool:
    return any(name == "content-encoding" for name, _ in headers)
