"""Everything that is not ours and no message: passed to the upstream and back, whatever the path and method."""

from __future__ import annotations

import logging
import re
from functools import partial

from starlette.types import Receive, Scope, Send

from semcache.errors import InvalidRequest, SemcacheError, UpstreamError
from semcache.request import AUTO_MODEL, Headers, Request, encode_json
from semcache.service.access import refuse_stowaways
from semcache.service.asgi import ClientGone, read_body, send_chunk, send_head, send_whole, unless_gone
from semcache.service.service import Service
from semcache.upstream.upstream import UpstreamRequest, UpstreamResponse
from semcache.wire import forwarded_headers, lower_headers, relayed
from semcache.wire_errors import error_response

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 500_000_000  # the largest body Claude accepts anywhere: a file (Claude API §2.4)
_COUNT_TOKENS = "/v1/messages/count_tokens"
_TASK = re.compile(r"\A/task/[^/]+(?=/v1/)")  # a base URL that names a task
_BATCHES = re.compile(r"/v1/messages/batches(?:/[^/]+(?:/cancel)?)?/?")
_HOST = re.compile(rb"[\w.:\[\]-]+")
_RESULTS_URL = re.compile(rb'("results_url"\s*:\s*")https?://[^"]*?(/v1/messages/batches/)')


class RelayEndpoint:
    """A plain ASGI endpoint for every other request. Where service keys are required, it requires one too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = Service.of(scope)
        try:
            response = await unless_gone(service.parts.upstream.open(await _read(service, scope, receive)), receive)
            try:
                await _Return(service, scope, response).send(receive, send)
            finally:
                await response.aclose()
        except ClientGone:
            return
        except SemcacheError as error:
            status, headers, body = error_response(error, upstream=service.upstream_name)
            service.metrics.relayed(status)
            await send_whole(send, status, headers, body)


async def _read(service: Service, scope: Scope, receive: Receive) -> UpstreamRequest:
    headers = lower_headers(scope["headers"])
    refuse_stowaways(headers)
    service.parts.tenants.admit(headers)
    body = await read_body(scope, receive, max_bytes=MAX_BODY_BYTES)
    path = _TASK.sub("", scope["raw_path"].decode("latin-1"))
    headers = forwarded_headers(headers, service.parts.tenants)
    if path == _COUNT_TOKENS and AUTO_MODEL.encode() in body:
        body = await service.advance(partial(_countable, service, body, headers))
    return UpstreamRequest(scope["method"], path, scope["query_string"].decode("latin-1"), headers, body)


def _countable(service: Service, body: bytes, headers: Headers) -> bytes:
    """Tokens are counted by the tokenizer of a model: for `auto`, of the one that the request would go to."""
    try:
        request = Request.parse(body, headers=headers)
    except InvalidRequest:
        return body  # for Claude to say what is wrong with it
    assembly = service.parts.assembly
    if request.model != AUTO_MODEL or assembly is None:
        return body
    return encode_json({**request.body, "model": assembly.routing.chooser.as_sent(request).model})


class _Return:
    """A response on its way back."""

    def __init__(self, service: Service, scope: Scope, response: UpstreamResponse) -> None:
        self._service = service
        self._scope = scope
        self._response = response
        self._headers: Headers = (*relayed(response.headers), ("x-semcache-upstream", service.upstream_name))

    async def send(self, receive: Receive, send: Send) -> None:
        """Raises `UpstreamError` while the client can still be told."""
        if _BATCHES.fullmatch(self._scope["path"]):
            body = await unless_gone(self._whole(), receive)
            await send_whole(send, self._response.status, self._headers, self._with_our_results_url(body))
        elif await unless_gone(self._passed_back(send), receive):
            await send_chunk(send, b"", is_last=True)
        self._service.metrics.relayed(self._response.status)

    async def _whole(self) -> bytes:
        return b"".join([chunk async for chunk in self._response.chunks()])

    async def _passed_back(self, send: Send) -> bool:
        """All but the end; False where the upstream broke off, and the server must cut the connection too."""
        await send_head(send, self._response.status, self._headers)
        try:
            async for chunk in self._response.chunks():
                await send_chunk(send, chunk)
        except UpstreamError as error:
            logger.warning("relayed answer broke off: %s", type(error).__name__)
            return False
        return True

    def _with_our_results_url(self, body: bytes) -> bytes:
        """Clients fetch `results_url` as it stands: left alone, it would take our caller's key past us."""
        given = dict(self._scope["headers"])
        scheme = given.get(b"x-forwarded-proto", self._scope["scheme"].encode())
        host = given.get(b"host", b"")
        if scheme not in (b"http", b"https") or not _HOST.fullmatch(host):
            return body
        return _RESULTS_URL.sub(rb"\g<1>%b://%b\g<2>" % (scheme, host), body)
