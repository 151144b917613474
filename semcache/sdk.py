"""A drop-in for anthropic.Anthropic and AsyncAnthropic: the real SDK over a transport that is the cache."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import anthropic
import httpx2

from semcache.client import AsyncSemanticCache, SemanticCache
from semcache.drivers import Live, arun, astream, begin, run
from semcache.errors import SemcacheError
from semcache.events import BROKEN_OFF, Tail
from semcache.exchange import Answer
from semcache.request import Headers, Request
from semcache.upstream.upstream import UpstreamRequest, UpstreamResponse
from semcache.wire import (
    RequestTooLarge,
    answer_body,
    answer_headers,
    forwarded_headers,
    live_headers,
    lower_headers,
    read_request,
    relayed,
)
from semcache.wire_errors import error_response

MESSAGES_PATH = "/v1/messages"


class Anthropic(anthropic.Anthropic):
    """`anthropic.Anthropic`, answered from memory where that is known to be right.

    Takes the SDK's arguments and `cache`; without one, a `SemanticCache` with the settings in force.
    """

    def __init__(self, *, cache: SemanticCache | None = None, **options: Any) -> None:
        self.cache = cache or SemanticCache()
        super().__init__(http_client=httpx2.Client(transport=CacheTransport(self.cache)), **options)


class AsyncAnthropic(anthropic.AsyncAnthropic):
    """`anthropic.AsyncAnthropic`, answered from memory where that is known to be right."""

    def __init__(self, *, cache: AsyncSemanticCache | None = None, **options: Any) -> None:
        self.cache = cache or AsyncSemanticCache()
        super().__init__(http_client=httpx2.AsyncClient(transport=AsyncCacheTransport(self.cache)), **options)


class CacheTransport(httpx2.BaseTransport):
    """Answers the SDK's HTTP requests in this process; what is no message goes to the upstream."""

    def __init__(self, cache: SemanticCache) -> None:
        self._cache = cache
        self._converter = _Converter(cache)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        raw = request.read()
        try:
            if not _is_message(request):
                response = self._cache.portal.call(self._cache.parts.upstream.open(self._converter.passed_on(request)))
                chunks = self._cache.portal.iterate(_all_of(response))
                return httpx2.Response(response.status, headers=list(relayed(response.headers)), stream=_Chunks(chunks))
            return self._answered(self._converter.message_request(request, raw))
        except SemcacheError as error:
            return self._converter.failure(error)

    def _answered(self, request: Request) -> httpx2.Response:
        cache, exchange = self._cache, self._cache.parts.assembly.forward(request)
        step = begin(exchange)
        if isinstance(step, Answer) or not request.stream:
            answer = run(exchange, lambda call: cache.portal.enter(cache.flights.carry(call)), step=step)
            return self._converter.whole(request, answer)
        live = cache.portal.call(astream(exchange, cache.flights, cache.advance, step=step))
        if isinstance(live, Answer):
            return self._converter.whole(request, live)
        return self._converter.begun(live, _Chunks(cache.portal.iterate(_to_the_end(live))))


class AsyncCacheTransport(httpx2.AsyncBaseTransport):
    """The same for the async SDK."""

    def __init__(self, cache: AsyncSemanticCache) -> None:
        self._cache = cache
        self._converter = _Converter(cache)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raw = await request.aread()
        try:
            if not _is_message(request):
                response = await self._cache.parts.upstream.open(self._converter.passed_on(request))
                return httpx2.Response(
                    response.status, headers=list(relayed(response.headers)), stream=_AsyncChunks(_all_of(response))
                )
            return await self._answered(self._converter.message_request(request, raw))
        except SemcacheError as error:
            return self._converter.failure(error)

    async def _answered(self, request: Request) -> httpx2.Response:
        cache, exchange = self._cache, self._cache.parts.assembly.forward(request)
        cache.parts.learn_in_this_loop(cache.flights)
        if not request.stream:
            return self._converter.whole(request, await arun(exchange, cache.flights.carry, cache.advance))
        live = await astream(exchange, cache.flights, cache.advance)
        if isinstance(live, Answer):
            return self._converter.whole(request, live)
        return self._converter.begun(live, _AsyncChunks(_to_the_end(live)))


class _Converter:
    """Between the SDK's HTTP objects and ours."""

    def __init__(self, cache: SemanticCache | AsyncSemanticCache) -> None:
        self._parts = cache.parts
        self._tenants = cache.parts.assembly.tenants.for_library()
        self._upstream_name = cache.parts.upstream.name

    def message_request(self, request: httpx2.Request, raw: bytes) -> Request:
        limit = self._parts.settings.max_request_bytes
        if len(raw) > limit:
            raise RequestTooLarge(limit)
        query = request.url.query.decode("ascii")
        return read_request(raw, _headers_of(request), self._tenants, query=query, max_bytes=limit)

    def passed_on(self, request: httpx2.Request) -> UpstreamRequest:
        headers = forwarded_headers(_headers_of(request), self._tenants)
        query = request.url.query.decode("ascii")
        return UpstreamRequest(request.method, request.url.path, query, headers, request.content)

    def whole(self, request: Request, answer: Answer) -> httpx2.Response:
        headers = answer_headers(request, answer, upstream=self._upstream_name, now=self._parts.assembly.cache.now())
        return httpx2.Response(200, headers=list(headers), content=b"".join(answer_body(request, answer)))

    def begun(self, live: Live, stream: httpx2.SyncByteStream | httpx2.AsyncByteStream) -> httpx2.Response:
        headers = live_headers(live.call, live.head.headers, upstream=self._upstream_name, is_coalesced=live.coalesced)
        return httpx2.Response(live.head.status, headers=list(headers), stream=stream)

    def failure(self, error: SemcacheError) -> httpx2.Response:
        status, headers, body = error_response(error, upstream=self._upstream_name)
        return httpx2.Response(status, headers=list(headers), content=body)


class _Chunks(httpx2.SyncByteStream):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


class _AsyncChunks(httpx2.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()


def _is_message(request: httpx2.Request) -> bool:
    return request.method == "POST" and request.url.path.rstrip("/").endswith(MESSAGES_PATH)


def _headers_of(request: httpx2.Request) -> Headers:
    return lower_headers(request.headers.raw)


async def _to_the_end(live: Live) -> AsyncIterator[bytes]:
    """The stream; where it breaks off, an error event or a broken connection, so that the SDK raises."""
    tail = Tail()
    async with aclosing(live.chunks()) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            tail.feed(chunk)
            yield chunk
    if tail.is_closed:
        return
    if not tail.is_at_boundary:
        raise httpx2.ReadError("the upstream's answer broke off")
    yield BROKEN_OFF


async def _all_of(response: UpstreamResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.chunks():
            yield chunk
    finally:
        await response.aclose()
