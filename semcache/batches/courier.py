"""Carries batches to the upstream and their results back, with the credential of their owner."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from semcache.batches.asked import Asked
from semcache.batching.message_batch import BatchPage, MessageBatch, results_path
from semcache.batching.recovery import CreateAnswer, Patience, Sending, create_answer, lists_enough
from semcache.batching.results import ErroredResult, ResultLine, ResultsReader, errored
from semcache.errors import UpstreamError, UpstreamTorn
from semcache.request import Headers
from semcache.upstream.upstream import Upstream, UpstreamRequest

PATH = "/v1/messages/batches"
_PAGE = 100
_MOST_PAGES = 200
_LOGIN = frozenset({401, 403})


@dataclass(frozen=True)
class CreateReport:
    """What a create came to. `problem`: what its requests end with where it is refused for good."""

    answer: CreateAnswer
    batch: MessageBatch | None = None
    problem: ErroredResult | None = field(default=None, repr=False)
    is_login: bool = False  # refused for its credential
    retry_after_seconds: float = 0.0


class UpstreamRefuses(UpstreamTorn):
    """The upstream answered with an error; worth another try later, unless `is_gone`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"upstream answered {status} about a batch")
        self.is_gone = status == 404


class Courier:
    """One batch's way to the upstream. Raises `UpstreamError`."""

    def __init__(self, upstream: Upstream, asked: Asked) -> None:
        self._upstream = upstream
        self._asked = asked

    async def create(self, body: bytes) -> CreateReport:
        """Create a batch. Whatever leaves it open whether there is one now is `UNKNOWN`."""
        try:
            status, headers, raw = await self._send("POST", PATH, body, query=self._asked.query)
            answer = create_answer(status)
            batch = MessageBatch.parse(_read(raw)) if answer is CreateAnswer.CREATED else None
        except UpstreamError:
            return CreateReport(CreateAnswer.UNKNOWN)
        return CreateReport(answer, batch, _problem(raw), status in _LOGIN, _retry_after(headers))

    async def retrieve(self, upstream_id: str) -> MessageBatch:
        return MessageBatch.parse(await self._json("GET", f"{PATH}/{upstream_id}"))

    async def cancel(self, upstream_id: str) -> None:
        """Ask the upstream to stop; that the batch has ended meanwhile is fine."""
        await self._send("POST", f"{PATH}/{upstream_id}/cancel", b"")

    async def listed(self, sending: Sending, patience: Patience) -> list[MessageBatch]:
        """What the upstream has made since shortly before a create was tried."""
        found: list[MessageBatch] = []
        query = f"limit={_PAGE}"
        for _ in range(_MOST_PAGES):
            page = BatchPage.parse(await self._json("GET", PATH, query=query))
            found += page.batches
            if not page.has_more or lists_enough(found, sending, patience):
                break
            query = f"limit={_PAGE}&after_id={page.last_id}"
        return found

    async def first_id(self, upstream_id: str) -> str:
        """The custom id in the first result line; empty where there is none."""
        async with aclosing(self.results(upstream_id)) as portions:
            async for lines in portions:
                return lines[0].custom_id
        return ""

    async def results(self, upstream_id: str, *, expected: int | None = None) -> AsyncGenerator[list[ResultLine]]:
        """Result lines as they arrive. Those before a tear are handed out; then `UpstreamTorn` is raised."""
        response = await self._upstream.open(self._request("GET", results_path(upstream_id)))
        try:
            if response.status != 200:
                raise UpstreamRefuses(response.status)
            reader = ResultsReader(expected=expected)
            async with aclosing(response.chunks()) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    if lines := reader.feed(chunk):
                        yield lines
            if lines := reader.finish():
                yield lines
        finally:
            await response.aclose()

    async def _json(self, method: str, path: str, *, query: str = "") -> object:
        status, _, raw = await self._send(method, path, b"", query=query)
        if status != 200:
            raise UpstreamRefuses(status)
        return _read(raw)

    async def _send(self, method: str, path: str, body: bytes, *, query: str = "") -> tuple[int, Headers, bytes]:
        response = await self._upstream.open(self._request(method, path, query, body))
        try:
            return response.status, response.headers, b"".join([chunk async for chunk in response.chunks()])
        finally:
            await response.aclose()

    def _request(self, method: str, path: str, query: str = "", body: bytes = b"") -> UpstreamRequest:
        return UpstreamRequest(method, path, query, self._asked.sent_headers, body)


def _read(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise UpstreamTorn("upstream sent a body that is not JSON") from None


def _problem(raw: bytes) -> ErroredResult:
    """An error body as the result of a request."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and body.get("type") == "error":
        return ErroredResult(body)
    return errored("api_error", "the upstream refused the batch and did not say why")


def _retry_after(headers: Headers) -> float:
    value = next((value for name, value in headers if name == "retry-after"), "")
    return float(value) if value.isascii() and value.isdigit() else 0.0
