"""Claude over HTTP: forwards requests and hands back responses, byte for byte, as they arrive."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from semcache.errors import SettingsError, UpstreamTimeout, UpstreamTorn, UpstreamUnreachable
from semcache.request import Headers
from semcache.upstream.upstream import UpstreamRequest

CLAUDE_URL = "https://api.anthropic.com"
_IDLE_SECONDS = 30.0  # a kept connection spares a TLS handshake; older ones may be closed under our feet
# RFC 9110 §7.6.1, with the names that older peers use; `proxy-*` and what Connection names come on top.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
# About this connection and not the next one: we write them anew, or have dealt with them.
_OUR_OWN = frozenset({"host", "content-length", "accept-encoding", "expect"})
_CREDENTIALS = frozenset({"x-api-key", "authorization"})
_DECODED = frozenset({"identity", "gzip", "deflate"})


@dataclass(eq=False)
class ClaudeUpstream:
    """The Claude API at `base_url`, which may carry a path prefix.

    `api_key` is used only for requests that bring no credential. Nothing is retried: clients do
    that themselves. A proxy named in the environment is used, except towards this machine.
    """

    base_url: str = CLAUDE_URL
    _: KW_ONLY
    api_key: str | None = field(default=None, repr=False)
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 660.0  # between two pieces of an answer; one without streaming comes late
    max_connections: int = 1000
    transport: httpx2.AsyncBaseTransport | None = field(default=None, repr=False)
    name: str = field(default="claude", init=False, repr=False)

    def __post_init__(self) -> None:
        self._base = _parsed(self.base_url)
        self._prefix = self._base.raw_path.rstrip(b"/")
        self._timeout = httpx2.Timeout(self.read_timeout_seconds, connect=self.connect_timeout_seconds)
        self._client = self._new_client()

    async def open(self, request: UpstreamRequest) -> ClaudeResponse:
        """Send, and return at the response's head, whatever its status."""
        try:
            response = await self._client.send(self._wired(request), stream=True)
        except httpx2.TimeoutException as error:
            raise UpstreamTimeout(f"{self._base.host} did not answer in time ({_kind(error)})") from error
        except (httpx2.LocalProtocolError, httpx2.InvalidURL):  # its text may quote a credential
            raise UpstreamUnreachable("the request cannot be sent over HTTP/1.1: malformed path or header") from None
        except httpx2.TransportError as error:
            raise UpstreamUnreachable(f"no answer from {self._base.host}: {_kind(error)}: {error}") from error
        return ClaudeResponse(response)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _new_client(self) -> httpx2.AsyncClient:
        limits = httpx2.Limits(
            max_connections=self.max_connections,
            max_keepalive_connections=self.max_connections,
            keepalive_expiry=_IDLE_SECONDS,
        )
        try:
            return httpx2.AsyncClient(
                transport=self.transport,
                limits=limits,
                follow_redirects=False,
                trust_env=not _is_loopback(self._base.host),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # callers share this client
            )
        except (ImportError, ValueError, httpx2.InvalidURL):  # its text may quote the proxy's password
            raise SettingsError(
                "upstream: the proxy named in the environment cannot be used; give an http:// or https:// URL"
            ) from None

    def _wired(self, request: UpstreamRequest) -> httpx2.Request:
        """The request for the wire. Made by hand, so that the client adds nothing of its own."""
        query = _encoded(f"?{request.query}" if request.query else "")
        target = self._prefix + _encoded(request.path) + query
        return httpx2.Request(
            request.method,
            self._base.copy_with(raw_path=target),
            headers=[(_encoded(name), _encoded(value)) for name, value in self._headers_for(request)],
            content=request.body,
            # The URL would be normalised; the target goes out as it came in.
            extensions={"timeout": self._timeout.as_dict(), "target": target},
        )

    def _headers_for(self, request: UpstreamRequest) -> list[tuple[str, str]]:
        headers = [
            (name, value)
            for name, value in _end_to_end(request.headers)
            if name not in _OUR_OWN and not name.startswith("x-semcache-")
        ]
        if self.api_key is not None and _CREDENTIALS.isdisjoint(name for name, _ in headers):
            headers.append(("x-api-key", self.api_key))
        return [*headers, ("accept-encoding", "identity")]


class ClaudeResponse:
    """A response whose head has arrived."""

    def __init__(self, response: httpx2.Response) -> None:
        raw = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
        headers = _end_to_end(raw)
        self._response = response
        self._closing: asyncio.Task[None] | None = None
        self._is_encoded = _must_decode(headers)
        dropped = {"content-encoding", "content-length"} if self._is_encoded else set()
        self.status = response.status_code
        self.headers: Headers = tuple((name, value) for name, value in headers if name not in dropped)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `UpstreamTorn` or `UpstreamTimeout` when it breaks off."""
        source = self._response.aiter_bytes() if self._is_encoded else self._response.aiter_raw()
        try:
            async with aclosing(source):
                async for chunk in source:
                    if chunk:
                        yield chunk
        except httpx2.TimeoutException as error:
            raise UpstreamTimeout("upstream fell silent in the middle of its answer") from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise UpstreamTorn(f"upstream's answer broke off ({_kind(error)})") from error
        except httpx2.StreamError as error:
            raise UpstreamTorn("the response has been read or closed") from error

    async def aclose(self) -> None:
        """Hang up. May be called at any time, and more than once.

        Hanging up takes several turns of the loop. A caller who is cancelled meanwhile goes at once,
        and the rest is still done, or the connection would count as taken for ever.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._response.aclose())
        await asyncio.shield(self._closing)


def _end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without the headers that are meant for one connection only; names in lower case."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {token.strip().lower() for name, value in lowered if name == "connection" for token in value.split(",")}
    dropped = _HOP_BY_HOP | named
    return [(name, value) for name, value in lowered if name not in dropped and not name.startswith("proxy-")]


def _must_decode(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether the body is encoded, against our wish, in a way we can undo; else it stays as declared."""
    values = [value for name, value in headers if name == "content-encoding"]
    codings = {coding.strip().lower() for value in values for coding in value.split(",")}
    return bool(codings) and codings <= _DECODED


def _encoded(text: str) -> bytes:
    """Header and path text as bytes: servers hand it up as Latin-1, libraries may hold more."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _parsed(base_url: str) -> httpx2.URL:
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        raise SettingsError(f"upstream: not a URL; write it like {CLAUDE_URL}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError("upstream: expected a URL that begins with https:// or http:// and names a host")
    if url.userinfo:
        raise SettingsError("upstream: the URL must not hold a credential; use ANTHROPIC_API_KEY")
    if url.query or url.fragment:
        raise SettingsError("upstream: the URL must not hold a query or a fragment")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kind(error: BaseException) -> str:
    return type(error).__name__
