"""Claude's HTTP contract, without a framework: headers and bytes to a Request, an Answer to headers and bytes."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterable, Iterator

from semcache.entry import Bypass, Entry, Hit, Lookup, Miss
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
from semcache.events import replay
from semcache.exchange import Answer, Call
from semcache.message import Message
from semcache.request import Directives, Headers, Json, Mode, Request, encode_json
from semcache.tenants import Tenants

PREFIX = "x-semcache-"
EVENT_STREAM = "text/event-stream; charset=utf-8"
# Framing and hop-by-hop fields (RFC 9110 §7.6.1): they describe one connection, never a stored or relayed answer.
FRAMING = frozenset(
    {
        "connection", "content-length", "content-encoding", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "te", "trailer", "transfer-encoding", "upgrade", "date", "server",
    }
)  # fmt: skip
_MAX_TAGS = 32
_TAG = re.compile(r"[\w.:/@+-]{1,64}")


# requests


def read_request(
    raw: bytes, headers: Headers, tenants: Tenants, *, query: str = "", max_bytes: int | None = None
) -> Request:
    """A Messages request from what came over HTTP. Raises `InvalidRequest`, `NotAllowed`."""
    caller = tenants.admit(headers, namespace=_header(headers, "x-semcache-namespace"))
    body, headers = _decoded(raw, headers, max_bytes)
    directives = read_directives(headers)
    return Request.parse(
        body,
        caller=caller,
        directives=directives,
        headers=forwarded_headers(headers, tenants),
        query=query,
    )


def forwarded_headers(headers: Headers, tenants: Tenants) -> Headers:
    """What goes upstream: everything but what is addressed to us."""
    ours = {"cache-control", "content-length"}
    kept = tuple((name, value) for name, value in headers if not name.startswith(PREFIX) and name not in ours)
    return tenants.forwarded(kept)


def read_directives(headers: Headers) -> Directives:
    """Cache-Control (RFC 9111 §5.2.1) and the x-semcache headers of a request."""
    wishes = _cache_control(_header(headers, "cache-control") or "")
    return Directives(
        mode=_mode(_header(headers, "x-semcache-mode")),
        no_cache="no-cache" in wishes or wishes.get("max-age") == 0,
        no_store="no-store" in wishes,
        only_if_cached="only-if-cached" in wishes,
        max_age_seconds=wishes.get("max-age"),
        tags=read_tags(_header(headers, "x-semcache-tags") or ""),
    )


def read_tags(text: str) -> tuple[str, ...]:
    """Comma-separated tags, sorted, without repeats."""
    tags = tuple(sorted({word.strip() for word in text.split(",")} - {""}))
    if len(tags) > _MAX_TAGS or not all(_TAG.fullmatch(tag) for tag in tags):
        raise InvalidRequest(
            f"x-semcache-tags: at most {_MAX_TAGS} tags of 1 to 64 letters, digits or . : / @ + - _, split by commas"
        )
    return tags


def _mode(text: str | None) -> Mode:
    if text is None:
        return Mode.SEMANTIC
    try:
        return Mode(text.strip().lower())
    except ValueError:
        raise InvalidRequest("x-semcache-mode: use off, shadow, exact or semantic") from None


def _cache_control(text: str) -> dict[str, float | None]:
    wishes: dict[str, float | None] = {}
    for part in text.lower().split(","):
        name, _, value = part.strip().partition("=")
        if name == "max-age":
            if not value.strip('"').isdigit():
                raise InvalidRequest("cache-control: max-age needs a whole number of seconds, for example max-age=3600")
            wishes[name] = float(value.strip('"'))
        elif name:
            wishes[name] = None
    return wishes


def _decoded(raw: bytes, headers: Headers, max_bytes: int | None) -> tuple[bytes, Headers]:
    """The body without its content encoding; a body we cannot decode is refused before it costs anything."""
    encoding = (_header(headers, "content-encoding") or "identity").strip().lower()
    if encoding in ("identity", ""):
        return raw, headers
    if encoding not in ("gzip", "deflate"):
        raise InvalidRequest(f"content-encoding: {encoding[:20]} is not supported; send gzip, deflate or identity")
    limit = max_bytes or 0
    try:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        body = inflater.decompress(raw, limit)
    except zlib.error:
        raise InvalidRequest(f"content-encoding: the body is not valid {encoding}") from None
    if inflater.unconsumed_tail:
        raise RequestTooLarge(limit)
    if not inflater.eof:
        raise InvalidRequest(f"content-encoding: the {encoding} body ends too early")
    return body, tuple((name, value) for name, value in headers if name != "content-encoding")


class RequestTooLarge(InvalidRequest):
    """The body is larger than Claude accepts."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"body: larger than {max_bytes} bytes; send a smaller request")


# answers


def answer_headers(request: Request, answer: Answer, *, upstream: str, now: float) -> Headers:
    """Headers of a whole answer: Claude's own where it came from Claude, and ours."""
    lookup, message = answer.lookup, answer.message
    kept = message.headers if answer.call is not None else (("request-id", request_id_of(message)),)
    money = _money(answer)
    stored = (("x-semcache-entry", answer.stored.id),) if answer.stored is not None else ()
    age = (("age", str(max(0, int(now - lookup.entry.created_at)))),) if isinstance(lookup, Hit) else ()
    content_type = EVENT_STREAM if request.stream else "application/json"
    return (
        ("content-type", content_type),
        *((("cache-control", "no-cache"),) if request.stream else ()),
        *relayed(kept, without=frozenset({"content-type", "cache-control", "cache-status"})),
        ("cache-status", cache_status(lookup, stored=answer.stored, is_coalesced=message.coalesced)),
        *lookup_headers(lookup),
        *stored,
        *age,
        ("x-semcache-model", message.model),
        ("x-semcache-upstream", upstream),
        *_strategies(answer.call),
        *money,
    )


def answer_body(request: Request, answer: Answer) -> Iterator[bytes]:
    """The message in the form the caller asked for: one JSON document, or the event sequence Claude would send."""
    if request.stream:
        return replay(answer.message)
    return iter((answer.message.content(),))


def live_headers(call: Call, headers: Headers, *, upstream: str, is_coalesced: bool) -> Headers:
    """Headers of an answer that has only begun to arrive."""
    return (
        *relayed(headers, without=frozenset({"cache-status"})),
        ("cache-status", cache_status(call.lookup, is_coalesced=is_coalesced)),
        *lookup_headers(call.lookup),
        ("x-semcache-upstream", upstream),
        *_strategies(call),
    )


def cache_status(lookup: Lookup, *, stored: Entry | None = None, is_coalesced: bool = False) -> str:
    """The Cache-Status field (RFC 9211 §2)."""
    match lookup:
        case Hit(kind=kind):
            return f"semcache; hit; detail={kind.value}"
        case Miss():
            fate = "; stored" if stored is not None else "; collapsed" if is_coalesced else ""
            return f"semcache; fwd=miss{fate}; detail={_token(lookup.reason)}"
        case Bypass(reason=reason):
            return f"semcache; fwd=bypass{'; stored' if stored is not None else ''}; detail={_token(reason)}"


def lookup_headers(lookup: Lookup) -> Headers:
    """What the lookup saw: the entry served, or how near the nearest was."""
    match lookup:
        case Hit():
            return (
                ("x-semcache-entry", lookup.entry.id),
                ("x-semcache-similarity", f"{lookup.similarity:.4f}"),
                ("x-semcache-confidence", f"{lookup.confidence:.4f}"),
            )
        case Miss(considered=considered) if considered:
            nearest = max(considered, key=lambda each: each.similarity)
            return (
                ("x-semcache-similarity", f"{nearest.similarity:.4f}"),
                ("x-semcache-confidence", f"{nearest.confidence:.4f}"),
            )
        case Bypass(would_be=Hit() as would_be):
            return lookup_headers(would_be)
        case _:
            return ()


def relayed(headers: Headers, *, without: frozenset[str] = frozenset()) -> Headers:
    """Claude's headers as they may be passed on."""
    return tuple((name, value) for name, value in headers if name not in FRAMING and name not in without)


def _money(answer: Answer) -> Headers:
    if answer.cost_usd is None or answer.baseline_usd is None:
        return ()
    saved = answer.baseline_usd - answer.cost_usd
    return (("x-semcache-cost-usd", f"{answer.cost_usd:f}"), ("x-semcache-saved-usd", f"{saved:f}"))


def _strategies(call: Call | None) -> Headers:
    if call is None or not call.request.shaped_by:
        return ()
    return (("x-semcache-strategies", ",".join(call.request.shaped_by)),)


def _token(reason: str) -> str:
    """A reason as an RFC 8941 token; anything else is quoted."""
    return reason if re.fullmatch(r"[A-Za-z*][\w!#$%&'*+.^`|~:/-]*", reason) else '"' + reason.replace('"', "'") + '"'


# errors: one mapping from our tree to HTTP


def error_response(error: SemcacheError, *, upstream: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body for an error; Claude's own errors go back byte for byte."""
    ours: Headers = (("x-semcache-upstream", upstream),)
    if isinstance(error, UpstreamError) and isinstance(error.lookup, Miss | Bypass):
        ours = (*ours, ("cache-status", cache_status(error.lookup)), *lookup_headers(error.lookup))
    if isinstance(error, UpstreamStatus):
        return error.status, (*relayed(error.headers, without=frozenset({"cache-status"})), *ours), error.body
    status, kind = _status_of(error)
    request_id = new_request_id()
    body = encode_json({"type": "error", "error": {"type": kind, "message": str(error)}, "request_id": request_id})
    return status, (("content-type", "application/json"), ("request-id", request_id), *ours), body


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


def request_id_of(message: Message) -> str:
    """The request id of an answer from memory: like its message id, so that feedback may name either."""
    return f"req_{message.body['id'].removeprefix('msg_')}"


def new_request_id() -> str:
    """A request id in Claude's form."""
    return f"req_{random.getrandbits(96):024x}"


def event_error(kind: str, message: str) -> Json:
    """The body of an `error` event on a stream that has already begun."""
    return {"type": "error", "error": {"type": kind, "message": message}}


def lower_headers(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Raw header bytes as text, names in lower case."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs)


def _header(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key == name), None)
