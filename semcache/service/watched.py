"""An upstream that is watched: how long each call took to its first byte and to its end, and how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge

from semcache.errors import UpstreamError
from semcache.service.durations import REQUEST_SECONDS, Durations
from semcache.service.tracing import CallTrace, Tracing
from semcache.upstream.upstream import Upstream, UpstreamRequest, UpstreamResponse


class CallMetrics:
    """What is counted of calls, audits and comparisons included."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.first_byte = Durations(
            "semcache_upstream_first_byte_seconds", "Until the first byte of an upstream answer", REQUEST_SECONDS
        )
        self.whole = Durations(
            "semcache_upstream_seconds", "Until the last byte of an upstream answer", REQUEST_SECONDS
        )
        registry.register(self.first_byte)
        registry.register(self.whole)
        self.in_flight = Gauge("semcache_upstream_in_flight", "Calls under way", registry=registry)
        self.calls = Counter(
            "semcache_upstream_calls",
            "Messages calls by how they ended: a status, or timeout, unreachable, torn, abandoned",
            ["result"],
            registry=registry,
        )
        self.calls.labels("200")


class WatchedUpstream:
    """Keeps to `upstream.Upstream`; of the Messages calls that go through it, nothing is missed."""

    def __init__(self, upstream: Upstream, metrics: CallMetrics, tracing: Tracing) -> None:
        self.name = upstream.name
        self._upstream = upstream
        self._metrics = metrics
        self._tracing = tracing

    async def open(self, request: UpstreamRequest) -> UpstreamResponse:
        request, trace = self._tracing.call(request)
        watch = _Watch(self._metrics, trace)
        try:
            response = await self._upstream.open(request)
        except UpstreamError as error:
            watch.end(_word(error))
            raise
        except BaseException:
            watch.end("abandoned")
            raise
        return _WatchedResponse(response, watch)

    async def aclose(self) -> None:
        await self._upstream.aclose()


class _Watch:
    def __init__(self, metrics: CallMetrics, trace: CallTrace) -> None:
        self._metrics = metrics
        self._trace = trace
        self._began = perf_counter()
        self._has_begun = self._is_over = False
        metrics.in_flight.inc()

    def byte(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._metrics.first_byte.observe(perf_counter() - self._began)
            self._trace.first_byte()

    def end(self, result: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._metrics.in_flight.dec()
        self._metrics.calls.labels(result).inc()
        if result.isdigit():
            self._metrics.whole.observe(perf_counter() - self._began)
        self._trace.end(result)


class _WatchedResponse:
    def __init__(self, response: UpstreamResponse, watch: _Watch) -> None:
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._watch = watch

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async with aclosing(self._response.chunks()) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    self._watch.byte()
                    yield chunk
        except UpstreamError as error:
            self._watch.end(_word(error))
            raise
        self._watch.end(str(self.status))

    async def aclose(self) -> None:
        self._watch.end("abandoned")  # unless it has ended otherwise
        await self._response.aclose()


def _word(error: UpstreamError) -> str:
    return type(error).__name__.removeprefix("Upstream").lower()
