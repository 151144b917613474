"""Errors over HTTP: one mapping from our tree to statuses, in Claude's shape; his own go back byte for byte."""

from __future__ import annotations

import math
import random

from semcache.entry import Bypass, Miss
from semcache.errors import (
    BudgetExceeded,
    InvalidRequest,
    NotAllowed,
    NotCached,
    SemcacheError,
    StoreUnavailable,
    UpstreamError,
    UpstreamStatus,
    UpstreamTimeout,
)
from semcache.request import Headers, Json, encode_json
from semcache.wire import RequestTooLarge, cache_status, lookup_headers, relayed


def error_response(error: SemcacheError, *, upstream: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body for an error; Claude's own errors go back byte for byte."""
    ours: Headers = (("x-semcache-upstream", upstream),)
    if isinstance(error, UpstreamError) and isinstance(error.lookup, Miss | Bypass):
        ours = (*ours, ("cache-status", cache_status(error.lookup)), *lookup_headers(error.lookup))
    if isinstance(error, UpstreamError) and error.hint:
        ours = (*ours, ("x-semcache-hint", error.hint))
    if isinstance(error, UpstreamStatus):
        return error.status, (*relayed(error.headers, without=frozenset({"cache-status"})), *ours), error.body
    status, kind = _status_of(error)
    request_id = new_request_id()
    body = encode_json({"type": "error", "error": {"type": kind, "message": str(error)}, "request_id": request_id})
    return status, (("content-type", "application/json"), ("request-id", request_id), *_waiting(error), *ours), body


def _waiting(error: SemcacheError) -> Headers:
    """When it is worth trying again; clients that try again at once are told not to."""
    if not isinstance(error, BudgetExceeded):
        return ()
    return (("retry-after", str(math.ceil(error.retry_after_seconds))), ("x-should-retry", "false"))


def _status_of(error: SemcacheError) -> tuple[int, str]:  # noqa: C901, PLR0911 - one line for each kind
    match error:
        case RequestTooLarge():
            return 413, "request_too_large"
        case InvalidRequest():
            return 400, "invalid_request_error"
        case NotAllowed(authenticated=True):
            return 403, "permission_error"
        case NotAllowed():
            return 401, "authentication_error"
        case BudgetExceeded():
            return 429, "rate_limit_error"
        case NotCached() | UpstreamTimeout():
            return 504, "timeout_error"
        case UpstreamError():
            return 502, "api_error"
        case StoreUnavailable():
            return 503, "api_error"
        case _:
            return 500, "api_error"


def new_request_id() -> str:
    """A request id in Claude's form."""
    return f"req_{random.getrandbits(96):024x}"


def event_error(kind: str, message: str) -> Json:
    """The body of an `error` event on a stream that has already begun."""
    return {"type": "error", "error": {"type": kind, "message": message}}
