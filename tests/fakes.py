"""Small real stand-ins: a clock that stands still, and an upstream that says what a function says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from semcache.decision.evidence import FEATURES
from semcache.decision.scorer import Scorer, weight_bounds
from semcache.errors import UpstreamError
from semcache.events import replay
from semcache.message import Message, text_message
from semcache.request import Caller, Directives, Headers, Json, Request
from semcache.upstream.upstream import UpstreamRequest

MODEL = "claude-haiku-5-5"


class Clock:
    """Time that moves only when told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def message(text: str = "an answer", **fields: Any) -> Message:
    body = text_message(text, model=MODEL, message_id="msg_1", usage={"input_tokens": 10, "output_tokens": 5}).body
    return Message({**body, **fields})


def body(question: Any = "How do I reset my password?", **fields: Any) -> Json:
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": question}], **fields}


def request(
    question: Any = "How do I reset my password?",
    *,
    headers: Headers = (),
    caller: Caller | None = None,
    directives: Directives | None = None,
    **fields: Any,
) -> Request:
    return Request(
        body(question, **fields), caller=caller or Caller(), directives=directives or Directives(), headers=headers
    )


def trusting_scorer(similarity: float = 0.8) -> Scorer:
    """A prior to which nearly the same words are the same question: sure from this similarity on."""
    count = len(FEATURES)
    weights = np.array([100.0 if name == "similarity" else 0.0 for name in FEATURES])
    intercept = 6.0 - 100.0 * similarity
    prior, precision = np.concatenate([[intercept], weights]), np.full(count + 1, 1e6)
    return Scorer(intercept, weights, np.zeros(count), np.ones(count), prior, precision, *weight_bounds())


@dataclass
class Reply:
    """What the fake upstream says to one request."""

    status: int = 200
    body: bytes = b""
    headers: Headers = (("content-type", "application/json"),)
    chunks: list[bytes] | None = None  # instead of `body`
    gate: asyncio.Event | None = None  # waited for before each chunk after the first
    broken: UpstreamError | None = None  # raised after the last chunk

    @classmethod
    def saying(cls, text: str = "an answer", *, stream: bool = False, **options: Any) -> Reply:
        said = message(text)
        if stream:
            headers = (("content-type", "text/event-stream; charset=utf-8"),)
            return cls(headers=headers, chunks=list(replay(said)), **options)
        return cls(body=said.content(), **options)


@dataclass
class FakeUpstream:
    """Answers by a function of the request's body; records every call."""

    answer: Callable[[Json], Reply] = lambda body: Reply.saying(stream=body.get("stream") is True)
    calls: list[UpstreamRequest] = field(default_factory=list)
    hung_up: int = 0
    name: str = "fake"
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event | None = None  # waited for before the head

    async def open(self, request: UpstreamRequest) -> FakeResponse:
        self.calls.append(request)
        self.entered.set()
        if self.release is not None:
            await self.release.wait()
        reply = self.answer(json.loads(request.body or b"{}"))
        return FakeResponse(self, reply)

    async def aclose(self) -> None: ...


class FakeResponse:
    def __init__(self, upstream: FakeUpstream, reply: Reply) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self._upstream = upstream
        self._reply = reply
        self._finished = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for index, chunk in enumerate(self._reply.chunks if self._reply.chunks is not None else [self._reply.body]):
            if index and self._reply.gate is not None:
                await self._reply.gate.wait()
            yield chunk
        if self._reply.broken is not None:
            raise self._reply.broken
        self._finished = True

    async def aclose(self) -> None:
        self._upstream.hung_up += not self._finished
        self._finished = True
