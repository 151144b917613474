"""`/v1/messages/batches`: Claude's endpoints for batches, answered by our office; what it does not know is relayed."""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from semcache.batches.arriving import Arrival, arrive, new_record
from semcache.batches.asked import Asked
from semcache.batches.desk import Desk, NoSuchBatch, shown
from semcache.batches.office import Office
from semcache.batches.rules import Aside
from semcache.batching.message_batch import MessageBatch
from semcache.batching.requests import MAX_BODY_BYTES
from semcache.errors import InvalidRequest, SemcacheError, StoreError
from semcache.request import Caller, Headers, Json, encode_json
from semcache.service.access import refuse_stowaways
from semcache.service.asgi import ClientGone, send_chunk, send_head, send_whole
from semcache.service.relay import RelayEndpoint
from semcache.service.service import Service
from semcache.stores.batch_store import BatchRecord
from semcache.wire import RequestTooLarge, lower_headers
from semcache.wire_errors import error_response, event_error, new_request_id

logger = logging.getLogger(__name__)

_PATHS = ("/v1/messages/batches", "/v1/messages/batches/{rest:path}")
PATHS = tuple(f"{task}{path}" for task in ("", "/task/{task}") for path in _PATHS)
_READ_AT_ONCE_BYTES = 1_000_000
_AT_ONCE_REQUESTS = 2000  # batches of no more than these may end before their create is answered
_AT_ONCE_SECONDS = 1.0
_HOST = re.compile(r"[\w.:\[\]-]+")
_ITEM = re.compile(r"(?P<id>[^/]+)(?:/(?P<act>cancel|results))?/?")


class BatchesEndpoint:
    """A plain ASGI endpoint for all batch paths."""

    def __init__(self) -> None:
        self._relay = RelayEndpoint()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = Service.of(scope)
        office = service.office
        if office is None:
            await self._relay(scope, receive, send)
            return
        visit = _Visit(service, office, scope)
        try:
            if not await visit.answer(receive, send):
                await self._relay(scope, receive, send)
        except ClientGone:
            return
        except SemcacheError as error:
            await visit.refuse(error, send)


class _Visit:
    """One request about batches. Only the caller's own exist for him."""

    def __init__(self, service: Service, office: Office, scope: Scope) -> None:
        self._service = service
        self._office = office
        self._scope = scope
        self._desk = Desk(office.batches, office.clock)
        self._aside: Aside = service.advance
        self._headers: Headers = (*lower_headers(scope["headers"]), *_task_of(scope))
        self._query = scope["query_string"].decode("latin-1")

    async def answer(self, receive: Receive, send: Send) -> bool:
        """False: it is about a batch that only the upstream can know."""
        refuse_stowaways(self._headers)
        namespace = dict(self._headers).get("x-semcache-namespace")
        caller = self._service.parts.tenants.admit(self._headers, namespace=namespace)
        method, rest = self._scope["method"], self._scope.get("path_params", {}).get("rest", "").strip("/")
        if not rest:
            await self._all(method, caller, receive, send)
            return True
        found = _ITEM.fullmatch(rest)
        if found is None or not await self._is_known(found["id"]):
            return False
        await self._one((method, found["act"] or ""), found["id"], caller, send)
        return True

    async def refuse(self, error: SemcacheError, send: Send) -> None:
        status, headers, body = error_response(error, upstream=self._service.upstream_name)
        if isinstance(error, NoSuchBatch):
            status = 404
            request_id = next((value for name, value in headers if name == "request-id"), new_request_id())
            body = encode_json({**event_error("not_found_error", str(error)), "request_id": request_id})
        await send_whole(send, status, headers, body)

    async def _all(self, method: str, caller: Caller, receive: Receive, send: Send) -> None:
        match method:
            case "POST":
                await self._created(caller, receive, send)
            case "GET":
                asked = {name: values[0] for name, values in parse_qs(self._query).items()}
                limit = asked.get("limit", "20")
                list_them = partial(
                    self._desk.listed,
                    caller.credential,
                    limit=int(limit) if limit.isascii() and limit.isdigit() else 0,
                    after_id=asked.get("after_id"),
                    before_id=asked.get("before_id"),
                )
                await self._send_json(await self._aside(list_them), send)
            case _:
                await self._send_not_allowed(send)

    async def _one(self, act: tuple[str, str], batch_id: str, caller: Caller, send: Send) -> None:
        desk, credential = self._desk, caller.credential
        match act:
            case ("GET" | "HEAD", ""):
                await self._send_json(await self._aside(lambda: desk.retrieve(batch_id, credential)), send)
            case ("DELETE", ""):
                await self._send_json(await self._aside(lambda: desk.delete(batch_id, credential)), send)
            case ("POST", "cancel"):
                body = await self._aside(lambda: desk.cancel(batch_id, credential))
                self._office.wake(batch_id)
                await self._send_json(body, send)
            case ("GET", "results"):
                await self._send_results(batch_id, credential, send)
            case _:
                await self._send_not_allowed(send)

    async def _is_known(self, batch_id: str) -> bool:
        return await self._aside(lambda: self._desk.is_known(batch_id))

    # creating

    async def _created(self, caller: Caller, receive: Receive, send: Send) -> None:
        tenants, office = self._service.parts.tenants, self._office
        asked = Asked.of(self._headers, tenants, caller=caller, query=self._query)
        new = partial(
            new_record, office.store, asked, now=office.clock(), base_url=self._base_url(), terms=office.rules.terms
        )
        arrival = arrive(office.store, await self._aside(new))
        try:
            async for portion in _portions(self._scope, receive):
                await self._aside(partial(arrival.feed, portion))
            record = await self._aside(arrival.finish)
        except BaseException:
            await asyncio.shield(self._aside(arrival.abandon))
            raise
        office.wake(record.id)
        logger.info("batch %s accepted: %d requests", record.id, record.total)
        await self._send_json((await self._as_it_stands(record, arrival)).body(), send)

    async def _as_it_stands(self, record: BatchRecord, arrival: Arrival) -> MessageBatch:
        """One that the cache answers as a whole ends at once."""
        if record.total <= _AT_ONCE_REQUESTS:
            await self._office.looked_up(record.id, timeout_seconds=_AT_ONCE_SECONDS)
        standing: Callable[[], BatchRecord | None] = partial(self._office.batches.batch, record.id)
        found = await self._aside(standing)
        return shown(found or record)

    def _base_url(self) -> str:
        """Where this caller reaches us: clients fetch `results_url` as it stands."""
        given = dict(self._headers)
        scheme, host = given.get("x-forwarded-proto", self._scope["scheme"]), given.get("host", "")
        if scheme not in ("http", "https") or not _HOST.fullmatch(host):
            settings = self._service.settings
            scheme, host = "http", f"{settings.host}:{settings.port}"
        return f"{scheme}://{host}"

    # answers

    async def _send_results(self, batch_id: str, credential: str, send: Send) -> None:
        after = parse_qs(self._query).get("after", ["0"])[0]
        if not (after.isascii() and after.isdigit()):
            raise InvalidRequest("after: expected how many lines to leave out, a whole number")
        pages = await self._aside(lambda: self._desk.results(batch_id, credential, skipped=int(after)))
        headers: Headers = (("content-type", "application/x-jsonl"), *self._ours())
        await send_head(send, 200, headers)
        try:
            while page := await self._aside(lambda: next(pages, b"")):
                await send_chunk(send, page)
        except StoreError as error:  # the head has gone: only a cut connection can say so now
            logger.error("results of batch %s broke off: %s", batch_id, type(error).__name__)
            return
        await send_chunk(send, b"", is_last=True)

    async def _send_json(self, body: Json, send: Send) -> None:
        await send_whole(send, 200, (("content-type", "application/json"), *self._ours()), encode_json(body))

    async def _send_not_allowed(self, send: Send) -> None:
        status = HTTPStatus.METHOD_NOT_ALLOWED
        body = encode_json(event_error("invalid_request_error", status.phrase))
        await send_whole(send, status, (("content-type", "application/json"), *self._ours()), body)

    def _ours(self) -> Headers:
        return (("request-id", new_request_id()), ("x-semcache-upstream", self._service.upstream_name))


async def _portions(scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
    """The body, decoded, in portions worth a thread's while. Raises `RequestTooLarge`, `InvalidRequest`."""
    encoding = dict(lower_headers(scope["headers"])).get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "deflate"):
        raise InvalidRequest(f"content-encoding: {encoding[:20]} is not supported; send gzip, deflate or identity")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in ("gzip", "deflate") else None
    waiting, waiting_bytes, total_bytes, more = list[bytes](), 0, 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client hung up while it was sending")
        more = message.get("more_body", False)
        part = message.get("body", b"")
        while part:
            some, part = _inflated(part, inflater)
            total_bytes += len(some)
            if total_bytes > MAX_BODY_BYTES:
                raise RequestTooLarge(MAX_BODY_BYTES)
            waiting.append(some)
            waiting_bytes += len(some)
        if waiting_bytes >= _READ_AT_ONCE_BYTES or not more:
            yield b"".join(waiting)
            waiting, waiting_bytes = [], 0
    if inflater is not None and not inflater.eof:
        raise InvalidRequest(f"content-encoding: the {encoding} body ends too early")


def _inflated(part: bytes, inflater: zlib._Decompress | None) -> tuple[bytes, bytes]:
    """Some of what these bytes hold, and what is left of them: a small body may hold gigabytes."""
    if inflater is None:
        return part, b""
    try:
        return inflater.decompress(part, _READ_AT_ONCE_BYTES), inflater.unconsumed_tail
    except zlib.error:
        raise InvalidRequest("content-encoding: the body is not valid gzip or deflate") from None


def _task_of(scope: Scope) -> Headers:
    """The task that the base URL names, for clients that cannot send headers of their own."""
    task = scope.get("path_params", {}).get("task")
    return () if task is None else (("x-semcache-task", task),)
