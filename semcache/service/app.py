"""The service as an ASGI application: which path goes where, and errors in Claude's shape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from semcache import __version__
from semcache.batches.rules import Rules
from semcache.errors import InvalidRequest, SemcacheError
from semcache.request import Headers, encode_json
from semcache.service import admin, callers, metrics, pages
from semcache.service.admin import NoSuchEntry
from semcache.service.asgi import encoded_headers
from semcache.service.batches import PATHS, BatchesEndpoint
from semcache.service.parts import Parts, open_parts
from semcache.service.proxy import MessagesEndpoint
from semcache.service.relay import RelayEndpoint
from semcache.service.service import Service
from semcache.service.tracing import Tracing
from semcache.service.worker_metrics import speaking_for_all
from semcache.settings import Settings
from semcache.upstream.upstream import Upstream
from semcache.wire_errors import error_response, event_error, new_request_id

Clock = Callable[[], float]


def create_app(
    settings: Settings,
    *,
    clock: Clock = time.time,
    upstream: Upstream | None = None,
    tracing: Tracing | None = None,
) -> FastAPI:
    """The application; its parts are opened when it starts, in the event loop that runs it."""
    return app_around(partial(open_parts, settings, clock=clock, upstream=upstream), tracing=tracing)


def app_around(
    opening: Callable[[], Parts],
    *,
    batch_rules: Rules | None = None,
    tracing: Tracing | None = None,
    workers_folder: Path | None = None,
) -> FastAPI:
    """The application around parts that `opening` hands over at start-up. It closes them, and `tracing`.

    `workers_folder`: where workers behind one port tell each other what they count.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        parts = await asyncio.to_thread(opening)
        service = Service(parts, batch_rules=batch_rules, tracing=tracing)
        async with AsyncExitStack() as stack:
            if workers_folder is not None:
                await stack.enter_async_context(speaking_for_all(workers_folder, service.metrics, service.recent))
            yield {"service": await stack.enter_async_context(service.running())}

    app = FastAPI(
        title="semcache",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/semcache/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.routes.insert(0, Route("/v1/messages", MessagesEndpoint(), methods=["POST"]))
    app.router.routes.insert(1, Route("/task/{task}/v1/messages", MessagesEndpoint(), methods=["POST"]))
    app.router.routes.extend(Route(path, BatchesEndpoint()) for path in PATHS)
    for path, endpoint in (("/", _front), ("/healthz", _healthz), ("/readyz", _readyz), ("/metrics", _metrics)):
        app.router.routes.append(Route(path, endpoint, methods=["GET"]))
    app.include_router(callers.router)
    app.include_router(admin.router)
    app.router.routes.append(Route(f"{pages.PREFIX}/{{name}}", pages.asset, methods=["GET"]))
    app.router.routes.append(Route("/semcache/{rest:path}", _NothingThere()))
    app.router.routes.append(Route("/{path:path}", RelayEndpoint()))
    app.add_exception_handler(SemcacheError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)
    return app


async def _front(request: Request) -> Response:
    """The dashboard for browsers, links for programs."""
    if pages.wants_page(request):
        return pages.front_page(request)
    service = Service.of(request.scope)
    links = {
        "messages": "/v1/messages",
        "health": "/healthz",
        "readiness": "/readyz",
        "metrics": "/metrics",
        "dashboard": "/",
        "admin": "/semcache/v1/",
        "openapi": "/semcache/v1/openapi.json",
    }
    return _json(service, {"name": "semcache", "version": __version__, "links": links})


async def _healthz(request: Request) -> Response:
    return _json(Service.of(request.scope), {"status": "ok"})


async def _readyz(request: Request) -> Response:
    """Always 200: without its cache the service still answers, only slower."""
    service = Service.of(request.scope)
    told: dict[str, Any] = {"status": "degraded", "reason": service.fault} if service.fault else {"status": "ok"}
    store = None if service.parts.assembly is None else service.parts.assembly.store
    if shortcomings := getattr(store, "shortcomings", ()):
        told["store"] = list(shortcomings)
    return _json(service, told)


async def _metrics(request: Request) -> Response:
    """For the operator: the same gate as the admin endpoints."""
    service = Service.of(request.scope)
    service.gate.admit(request.scope)
    return Response(await asyncio.to_thread(service.metrics.exposition), media_type=metrics.CONTENT_TYPE)


class _NothingThere:
    """Under our own prefix nothing is ever relayed, whatever the method."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = _failure(request, 404, "not_found_error", "semcache: there is no such endpoint; see /")
        await response(scope, receive, send)


def _json(service: Service, body: dict[str, Any]) -> Response:
    return JSONResponse(body, headers={"x-semcache-upstream": service.upstream_name})


async def _on_error(request: Request, error: Exception) -> Response:
    match error:
        case NoSuchEntry():
            return _failure(request, 404, "not_found_error", str(error))
        case SemcacheError():
            return _response(*error_response(error, upstream=Service.of(request.scope).upstream_name))
        case _:
            raise error


async def _on_invalid(request: Request, error: Exception) -> Response:
    """The first thing that is wrong, with the field it is wrong in; never what was sent."""
    problem = InvalidRequest(_problem(error.errors()[0]) if isinstance(error, RequestValidationError) else "invalid")
    return _response(*error_response(problem, upstream=Service.of(request.scope).upstream_name))


def _problem(first: Any) -> str:
    match first["type"]:
        case "json_invalid":
            return f"body: not valid JSON at byte {first['loc'][-1]}"
        case "model_attributes_type":
            return "body: expected a JSON object, sent with content-type: application/json"
    where = ".".join(str(part) for part in first["loc"] if part not in ("query", "path")).removeprefix("body.")
    return f"{where or 'body'}: {str(first['msg']).removeprefix('Value error, ')}"


async def _on_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = {404: "not_found_error"}.get(status, "invalid_request_error" if status < 500 else "api_error")
    return _failure(request, status, kind, f"semcache: {HTTPStatus(status).phrase}")


async def _on_bug(request: Request, error: Exception) -> Response:
    return _failure(request, 500, "api_error", "semcache: internal error; the operator's log holds the trace")


def _failure(request: Request, status: int, kind: str, message: str) -> Response:
    request_id = new_request_id()
    body = encode_json({**event_error(kind, message), "request_id": request_id})
    upstream = Service.of(request.scope).upstream_name
    headers: Headers = (
        ("content-type", "application/json"), ("request-id", request_id), ("x-semcache-upstream", upstream),
    )  # fmt: skip
    return _response(status, headers, body)


def _response(status: int, headers: Headers, body: bytes) -> Response:
    response = Response(body, status_code=status)
    response.raw_headers.extend(encoded_headers(headers))
    return response
