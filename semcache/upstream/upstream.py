"""The protocol of what stands behind the cache: Claude over HTTP, or the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from semcache.request import Headers


@dataclass(frozen=True)
class UpstreamRequest:
    """One HTTP request to forward. `path` begins with a slash; header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    model: str = ""  # that a Messages request names, for whoever watches


class UpstreamResponse(Protocol):
    """A response whose head has arrived; the body follows as it comes."""

    status: int
    headers: Headers  # end-to-end headers only, names in lower case, body not content-encoded

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `UpstreamTorn` or `UpstreamTimeout` when it breaks off."""
        ...

    async def aclose(self) -> None:
        """Hang up. May be called at any time, and more than once."""
        ...


class Upstream(Protocol):
    """Sends requests. `name` goes into `x-semcache-upstream`."""

    name: str

    async def open(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send, and return at the response's head, whatever its status.

        Raises `UpstreamTimeout` or `UpstreamUnreachable`.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
