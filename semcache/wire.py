"""Claude's HTTP contract, without a framework: headers and bytes to a Request, an Answer to headers and bytes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence

from semcache.entry import Bypass, Entry, Hit, Lookup, Miss
from semcache.errors import InvalidRequest
from semcache.events import replay
from semcache.exchange import Answer, Attempt, Call, route_in_words, strategies_of
from semcache.message import Message
from semcache.policy import STRATEGIES
from semcache.request import Directives, Headers, Mode, Request, Wish
from semcache.stopwatch import UNTIMED, Stopwatch
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
_OURS = frozenset(
    {
        "cache-control",
        "content-length",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    }
)
_MAX_TAGS = 32
_TAG = re.compile(r"[\w.:/@+-]{1,64}")


# requests


def read_request(  # noqa: PLR0913 - all that came with it
    raw: bytes,
    headers: Headers,
    tenants: Tenants,
    *,
    query: str = "",
    max_bytes: int | None = None,
    stopwatch: Stopwatch = UNTIMED,
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
        stopwatch=stopwatch,
    )


def forwarded_headers(headers: Headers, tenants: Tenants) -> Headers:
    """What goes upstream: everything but what is addressed to us, and what a proxy before us tells of its clients."""
    kept = tuple((name, value) for name, value in headers if not name.startswith(PREFIX) and name not in _OURS)
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
        task=_task(_header(headers, "x-semcache-task")),
        strategies=read_wish(_header(headers, "x-semcache-strategies")),
    )


def read_tags(text: str) -> tuple[str, ...]:
    """Comma-separated tags, sorted, without repeats."""
    tags = tuple(sorted({word.strip() for word in text.split(",")} - {""}))
    if len(tags) > _MAX_TAGS or not all(_TAG.fullmatch(tag) for tag in tags):
        raise InvalidRequest(
            f"x-semcache-tags: at most {_MAX_TAGS} tags of 1 to 64 letters, digits or . : / @ + - _, split by commas"
        )
    return tags


def read_wish(text: str | None) -> Wish:
    """`all`, `none`, the strategies that may be used, or, each with a minus before it, those that may not."""
    words = [word.strip().lower() for word in (text or "all").split(",") if word.strip()]
    if words in (["all"], ["none"]):
        return Wish() if words == ["all"] else Wish(only=frozenset())
    unwanted = frozenset(word.removeprefix("-") for word in words if word.startswith("-"))
    wanted = frozenset(word for word in words if not word.startswith("-"))
    if not (unwanted | wanted) <= set(STRATEGIES) or bool(unwanted) == bool(wanted):
        raise InvalidRequest(
            f"x-semcache-strategies: use all, none, or names of {', '.join(STRATEGIES)}, split by commas; "
            "to leave some out, write a minus before each"
        )
    return Wish(without=unwanted) if unwanted else Wish(only=wanted)


def _task(text: str | None) -> str:
    """The name of a task; whether there is such a one, the router knows."""
    name = (text or "").strip().lower()
    if not re.fullmatch(r"[a-z0-9_-]{0,64}", name):
        raise InvalidRequest(
            "x-semcache-task: a name of at most 64 letters, digits, - or _, for example classification"
        )
    return name


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
        raise InvalidRequest("content-encoding: this one is not supported; send gzip, deflate or identity")
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
        *_strategies(answer.call, answer.attempts),
        *_budget(answer.call),
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
        *_budget(call),
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


def _budget(call: Call | None) -> Headers:
    return (("x-semcache-budget", call.budget),) if call is not None and call.budget else ()


def _strategies(call: Call | None, attempts: Sequence[Attempt] = ()) -> Headers:
    """What shaped the request, and where it was sent, and why."""
    if call is None:
        return ()
    names = strategies_of(call, attempts)
    used = (("x-semcache-strategies", ",".join(names)),) if names else ()
    return used if call.routed is None else (*used, ("x-semcache-route", route_in_words(call.routed)))


def _token(reason: str) -> str:
    """A reason as an RFC 8941 token; anything else is quoted."""
    return reason if re.fullmatch(r"[A-Za-z*][\w!#$%&'*+.^`|~:/-]*", reason) else '"' + reason.replace('"', "'") + '"'


def request_id_of(message: Message) -> str:
    """The request id of an answer from memory: like its message id, so that feedback may name either."""
    return f"req_{message.body['id'].removeprefix('msg_')}"


def lower_headers(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Raw header bytes as text, names in lower case."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs)


def _header(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key == name), None)
