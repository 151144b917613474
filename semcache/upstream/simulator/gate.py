"""Who may come in, and in which edition of the API they speak: credentials, version, body bytes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from semcache.errors import InvalidRequest
from semcache.request import Json, parse_object
from semcache.upstream.simulator.batch_reading import read_requests
from semcache.upstream.simulator.conduct import BATCHES, Conduct
from semcache.upstream.simulator.responses import Problem
from semcache.upstream.simulator.shape import Dialect
from semcache.upstream.simulator.thinking import account_of
from semcache.upstream.upstream import UpstreamRequest

API_VERSIONS = ("2023-06-01", "2026-10-21")


@dataclass(frozen=True)
class Visitor:
    """A request that has been let in."""

    account: bytes
    dialect: Dialect
    body: Json = field(repr=False)


def admit(request: UpstreamRequest, conduct: Conduct) -> Visitor | Problem:
    """Check credential, version and body, in Claude's order."""
    credential = _credential(request)
    if credential is None:
        return Problem(401, "x-api-key header is required")
    if conduct.valid_keys is not None and credential not in conduct.valid_keys:
        return Problem(401, "invalid x-api-key")
    version = _version(request)
    if isinstance(version, Problem):
        return version
    body = _body(request, conduct)
    if isinstance(body, Problem):
        return body
    dialect = Dialect(version, _betas(request), in_batch=request.path == BATCHES)
    return Visitor(account_of(credential), dialect, body)


def _version(request: UpstreamRequest) -> str | Problem:
    version = _header(request, "anthropic-version")
    if version is None:
        return Problem(400, "anthropic-version: header is required")
    if version not in API_VERSIONS:
        return Problem(400, f'anthropic-version: "{version[:40]}" is not a valid version')
    return version


def _credential(request: UpstreamRequest) -> str | None:
    """The key; where both headers come, x-api-key wins."""
    if key := _header(request, "x-api-key"):
        return key
    scheme, _, token = (_header(request, "authorization") or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _betas(request: UpstreamRequest) -> frozenset[str]:
    named = [value for name, value in request.headers if name == "anthropic-beta"]
    return frozenset({beta.strip() for value in named for beta in value.split(",")} - {""})


def _body(request: UpstreamRequest, conduct: Conduct) -> Json | Problem:
    """The parsed body; a batch's requests stay packed in it."""
    if len(request.body) > conduct.body_limit_bytes(request.path):
        return Problem(413, "Request exceeds the maximum size")
    if request.method != "POST" or request.path.startswith(f"{BATCHES}/"):
        return {}
    raw = _decoded(request, conduct.body_limit_bytes(request.path))
    if isinstance(raw, Problem):
        return raw
    if request.path == BATCHES:
        return read_requests(raw, max_requests=conduct.batches.max_requests)
    try:
        return parse_object(raw)
    except InvalidRequest as error:
        return Problem(400, f"The request body is not valid: {error}")


def _decoded(request: UpstreamRequest, max_bytes: int) -> bytes | Problem:
    encoding = (_header(request, "content-encoding") or "identity").strip().lower()
    if encoding == "identity":
        return request.body
    if encoding not in ("gzip", "deflate"):
        return Problem(400, f"content-encoding: `{encoding[:20]}` is not supported")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        raw = inflater.decompress(request.body, max_bytes + 1)
    except zlib.error:
        return Problem(400, f"content-encoding: the body is not valid {encoding}")
    if len(raw) > max_bytes:
        return Problem(413, "Request exceeds the maximum size")
    return raw if inflater.eof else Problem(400, f"content-encoding: the {encoding} body ends too early")


def _header(request: UpstreamRequest, name: str) -> str | None:
    return next((value for key, value in request.headers if key == name), None)
