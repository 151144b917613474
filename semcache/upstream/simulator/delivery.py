"""How an outcome travels back: headers, body or events, and the fault that spoils them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from typing import assert_never

from semcache.message import Usage
from semcache.request import Headers, Json, encode_json
from semcache.upstream.simulator.conduct import Conduct
from semcache.upstream.simulator.faults import Fault, FaultKind
from semcache.upstream.simulator.prompt_cache import Reckoning
from semcache.upstream.simulator.responses import (
    JSON_TYPE,
    LINES_TYPE,
    STREAM_TYPE,
    Pace,
    Problem,
    SimulatedResponse,
    problem_response,
    standard_headers,
)
from semcache.upstream.simulator.streaming import error_event, stream_events


@dataclass(frozen=True)
class Page:
    """A JSON answer that costs nothing."""

    body: Json


@dataclass(frozen=True)
class Spoken:
    """A message, and what becomes of the prompt cache once it begins."""

    message: Json
    usage: Usage
    cost_usd: Decimal
    reckoning: Reckoning
    is_stream: bool


@dataclass(frozen=True)
class Lines:
    """JSON lines that cost nothing, many to a chunk or one by one."""

    chunks: Callable[[], Iterable[bytes]]
    each: Callable[[], Iterable[bytes]]


Outcome = Problem | Page | Spoken | Lines


@dataclass(frozen=True)
class Delivery:
    """One response on its way."""

    conduct: Conduct
    request_id: str
    now: float
    fault: Fault | None
    with_body: bool = True

    def response(self, outcome: Outcome) -> SimulatedResponse:
        match outcome:
            case Problem():
                return problem_response(outcome, self.request_id, now=self.now, with_body=self.with_body)
            case Page(body):
                parts = _broken_json(encode_json(body), self.fault)
                return SimulatedResponse(200, self._headers(JSON_TYPE), parts, pace=self._pace())
            case Lines():
                lines = _broken_lines(outcome, self.fault)
                return SimulatedResponse(200, self._headers(LINES_TYPE), lines, pace=self._pace())
            case Spoken() if outcome.is_stream:
                headers: Headers = (*self._headers(STREAM_TYPE, outcome.usage), ("cache-control", "no-cache"))
                events = stream_events(outcome.message, chunk_characters=self.conduct.chunk_characters)
                return SimulatedResponse(200, headers, _broken_stream(events, self.fault), pace=self._pace())
            case Spoken():
                body_parts = _broken_json(encode_json(outcome.message), self.fault)
                return SimulatedResponse(200, self._headers(JSON_TYPE, outcome.usage), body_parts, pace=self._pace())
            case _:
                assert_never(outcome)

    def _headers(self, content_type: str, usage: Usage | None = None) -> Headers:
        """Cache reads do not count against the input limit."""
        taken = (0, 0) if usage is None else (usage.prompt_tokens - usage.cache_read_tokens, usage.output_tokens)
        return (("content-type", content_type), *standard_headers(self.request_id, now=self.now, tokens=taken))

    def _pace(self) -> Pace:
        fault, seconds = self.fault, self.conduct.chunk_delay_seconds
        if fault is not None and fault.kind is FaultKind.SLOW:
            seconds = max(seconds, fault.seconds)
        return Pace(seconds, is_torn=fault is not None and fault.kind is FaultKind.TORN)


def _broken_stream(events: Iterable[bytes], fault: Fault | None) -> Iterable[bytes]:
    if fault is None:
        return events
    match fault.kind:
        case FaultKind.MID_STREAM_ERROR:
            return chain(islice(events, fault.after_events), [error_event("overloaded_error", "Overloaded")])
        case FaultKind.TRUNCATED | FaultKind.TORN:
            return islice(events, fault.after_events)
        case _:
            return events


def _broken_lines(lines: Lines, fault: Fault | None) -> Iterable[bytes]:
    """Breaks off in the middle of a line."""
    if fault is None:
        return lines.chunks()
    match fault.kind:
        case FaultKind.TRUNCATED | FaultKind.TORN:
            each = iter(lines.each())
            return chain(islice(each, fault.after_events), (line[: len(line) // 2] for line in islice(each, 1)))
        case FaultKind.SLOW:
            return lines.each()
        case _:
            return lines.chunks()


def _broken_json(body: bytes, fault: Fault | None) -> list[bytes]:
    if fault is None:
        return [body]
    half = len(body) // 2
    match fault.kind:
        case FaultKind.TRUNCATED | FaultKind.TORN:
            return [body[:half]]
        case FaultKind.SLOW:
            return [body[:half], body[half:]]
        case _:
            return [body]
