"""Routes of our own endpoints: the gate is asked before a byte is read, and bodies are bounded."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from semcache.service.access import refuse_foreign_pages
from semcache.service.asgi import read_body
from semcache.service.service import Service
from semcache.wire import lower_headers

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class CallerRoute(APIRoute):
    """For callers: pages of other sites are refused; the rest is the endpoint's to decide."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            service = Service.of(request.scope)
            self.admit(service, request)
            limit = service.settings.max_request_bytes
            body = await read_body(request.scope, request.receive, max_bytes=limit)
            response = await handle(_replayed(request, body))
            response.headers["x-semcache-upstream"] = service.upstream_name
            response.headers["cache-control"] = "no-store"  # prompts and answers: no browser keeps them on disk
            return response

        return guarded

    def admit(self, service: Service, request: Request) -> None:
        """Raises `NotAllowed`."""
        refuse_foreign_pages(lower_headers(request.scope["headers"]))


class AdminRoute(CallerRoute):
    """For the operator."""

    def admit(self, service: Service, request: Request) -> None:
        service.gate.admit(request.scope)


def service_of(request: Request) -> Service:
    return Service.of(request.scope)


TheService = Annotated[Service, Depends(service_of)]


def _replayed(request: Request, body: bytes) -> Request:
    """The request with a body that has been read already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)
