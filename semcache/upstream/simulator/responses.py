"""Responses as Claude's edge sends them: headers, errors, and bodies that come chunk by chunk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from semcache.errors import UpstreamTorn
from semcache.request import Headers, Json, encode_json
from semcache.upstream.simulator.faults import ERROR_TYPES

ORGANIZATION_ID = "00000000-0000-4000-8000-000000000000"
JSON_TYPE = "application/json"
LINES_TYPE = "application/x-jsonl"
STREAM_TYPE = "text/event-stream; charset=utf-8"
_LIMITS = {"requests": 4_000, "tokens": 10_000_000, "input-tokens": 8_000_000, "output-tokens": 2_000_000}


@dataclass(frozen=True)
class Problem:
    """An error in Claude's shape; its type follows from the status."""

    status: int
    message: str
    retry_after_seconds: float | None = None

    @property
    def type(self) -> str:
        return ERROR_TYPES.get(self.status, "invalid_request_error")

    def content(self, request_id: str) -> Json:
        error = {"type": self.type, "message": self.message}
        return {"type": "error", "error": error, "request_id": request_id}

    def body(self, request_id: str) -> bytes:
        return encode_json(self.content(request_id))


class SimulatedResponse:
    """A response whose head has arrived. `is_torn`: the connection breaks after the last chunk."""

    def __init__(self, status: int, headers: Headers, body: Iterable[bytes], *, pace: Pace | None = None) -> None:
        self.status = status
        self.headers = headers
        self._body = body
        self._pace = pace or Pace()
        self._is_closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._body:
            if self._pace.seconds > 0:
                await asyncio.sleep(self._pace.seconds)
            if self._is_closed:
                return
            yield chunk
        if self._pace.is_torn:
            raise UpstreamTorn("the simulated connection broke in the middle of the answer")

    async def aclose(self) -> None:
        self._is_closed = True


@dataclass(frozen=True)
class Pace:
    """How a body comes: a pause before each chunk, and whether the connection breaks at its end."""

    seconds: float = 0.0
    is_torn: bool = False


def standard_headers(request_id: str, *, now: float, tokens: tuple[int, int] = (0, 0)) -> Headers:
    """What every response bears. `tokens` are the input and output this request took from the limits."""
    reset = datetime.fromtimestamp(now, UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    taken = {"requests": 1, "tokens": sum(tokens), "input-tokens": tokens[0], "output-tokens": tokens[1]}
    limits: list[tuple[str, str]] = []
    for kind, limit in _LIMITS.items():
        limits += [
            (f"anthropic-ratelimit-{kind}-limit", str(limit)),
            (f"anthropic-ratelimit-{kind}-remaining", str(max(0, limit - taken[kind]))),
            (f"anthropic-ratelimit-{kind}-reset", reset),
        ]
    return (("request-id", request_id), ("anthropic-organization-id", ORGANIZATION_ID), *limits)


def problem_response(problem: Problem, request_id: str, *, now: float, with_body: bool = True) -> SimulatedResponse:
    """An error response; a rate limit says when to come back."""
    headers: Headers = (("content-type", JSON_TYPE), *standard_headers(request_id, now=now))
    if problem.retry_after_seconds is not None:
        headers = (*headers, ("retry-after", f"{problem.retry_after_seconds:g}"))
    return SimulatedResponse(problem.status, headers, [problem.body(request_id)] if with_body else [])
