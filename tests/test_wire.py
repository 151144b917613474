"""Claude's HTTP contract: what we read from headers and what we write into them."""

from __future__ import annotations

import gzip
import json

import pytest
from fakes import message, request

from semcache.entry import Bypass, Considered, Entry, Hit, HitKind, Kind, Miss, Scope
from semcache.errors import InvalidRequest, NotAllowed, NotCached, SemcacheError, UpstreamStatus, UpstreamTimeout
from semcache.exchange import Answer, Call
from semcache.request import Headers, Mode
from semcache.tenants import Tenants
from semcache.wire import RequestTooLarge, answer_body, answer_headers, cache_status, read_directives, read_request
from semcache.wire_errors import error_response

TENANTS = Tenants(b"secret")
RAW = b'{"model":"claude-haiku-5-5",  "max_tokens":5,"messages":[]}'
SCOPE = Scope("default", "ab" * 32)


def entry(text: str = "an answer") -> Entry:
    return Entry("ent_1", SCOPE, "key", Kind.LEARNED, "q", message(text), "m", "m", 0.01, 100.0, 200.0)


def test_the_callers_bytes_are_kept_while_nobody_changes_them() -> None:
    read = read_request(RAW, (("x-api-key", "k"),), TENANTS)
    assert read.content() == RAW
    assert read.reshaped("routing", {"model": "m"}).content() != RAW


def test_unknown_headers_go_upstream_and_ours_do_not() -> None:
    headers = (("anthropic-beta", "x"), ("x-new", "1"), ("x-semcache-tags", "a"), ("cache-control", "no-store"))
    assert read_request(RAW, headers, TENANTS).headers == (("anthropic-beta", "x"), ("x-new", "1"))


def test_what_a_proxy_tells_of_its_clients_stays_here() -> None:
    told = (("x-forwarded-for", "203.0.113.7"), ("x-real-ip", "203.0.113.7"), ("forwarded", "for=203.0.113.7"))
    assert read_request(RAW, (*told, ("x-api-key", "key-of-anna")), TENANTS).headers == (("x-api-key", "key-of-anna"),)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param((("cache-control", "no-cache"),), {"no_cache": True}, id="no-cache"),
        pytest.param((("cache-control", "No-Store"),), {"no_store": True}, id="no-store"),
        pytest.param((("cache-control", "only-if-cached, max-age=60"),), {"max_age_seconds": 60.0}, id="max-age"),
        pytest.param((("cache-control", "max-age=0"),), {"no_cache": True}, id="max-age=0"),
        pytest.param((("x-semcache-mode", "exact"),), {"mode": Mode.EXACT}, id="mode"),
        pytest.param((("x-semcache-tags", "b, a,b"),), {"tags": ("a", "b")}, id="tags"),
        pytest.param((("cache-control", "no-transform, x=1"),), {"no_cache": False}, id="unknown"),
    ],
)
def test_directives_are_read_from_headers(headers: Headers, expected: dict[str, object]) -> None:
    directives = read_directives(headers)
    assert {name: getattr(directives, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        pytest.param((("x-semcache-mode", "loud"),), "x-semcache-mode", id="mode"),
        pytest.param((("cache-control", "max-age=soon"),), "max-age", id="max-age"),
        pytest.param((("x-semcache-tags", "a b"),), "x-semcache-tags", id="tags"),
    ],
)
def test_wrong_directives_are_refused_by_name(headers: Headers, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        read_directives(headers)


def test_encoded_bodies_are_decoded_and_forwarded_plain() -> None:
    read = read_request(gzip.compress(RAW), (("content-encoding", "gzip"),), TENANTS, max_bytes=10_000)
    assert read.content() == RAW
    assert read.header("content-encoding") is None


@pytest.mark.parametrize(
    ("raw", "encoding", "error"),
    [
        pytest.param(gzip.compress(b" " * 10_001), "gzip", RequestTooLarge, id="bomb"),
        pytest.param(gzip.compress(RAW)[:-9], "gzip", InvalidRequest, id="cut"),
        pytest.param(b"plain", "gzip", InvalidRequest, id="not gzip"),
        pytest.param(b"x", "br", InvalidRequest, id="unsupported"),
    ],
)
def test_bodies_that_cannot_be_decoded_are_refused(raw: bytes, encoding: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_request(raw, (("content-encoding", encoding),), TENANTS, max_bytes=10_000)


@pytest.mark.parametrize(
    ("lookup", "status"),
    [
        (Hit(HitKind.SEMANTIC, entry(), 0.9, 0.99), "semcache; hit; detail=semantic"),
        (Miss(SCOPE, "k", "no-candidate"), "semcache; fwd=miss; detail=no-candidate"),
        (Bypass("time-bound"), "semcache; fwd=bypass; detail=time-bound"),
        (Bypass("two words"), 'semcache; fwd=bypass; detail="two words"'),
    ],
)
def test_cache_status_follows_rfc_9211(lookup: Hit | Miss | Bypass, status: str) -> None:
    assert cache_status(lookup) == status


def test_a_hit_names_its_entry_age_and_upstream() -> None:
    answer = Answer(message(), Hit(HitKind.EXACT, entry(), 1.0, 1.0))
    headers = dict(answer_headers(request(), answer, upstream="simulator", now=130.5))
    assert headers["x-semcache-entry"] == "ent_1"
    assert headers["age"] == "30"
    assert headers["x-semcache-upstream"] == "simulator"
    assert headers["request-id"].startswith("req_")


def test_a_miss_keeps_claudes_headers_but_no_framing_and_no_borrowed_cache_status() -> None:
    came = (("request-id", "req_1"), ("transfer-encoding", "chunked"), ("cache-status", "cdn; hit"))
    said = message().__class__(message().body, headers=came)
    considered = (Considered("ent_2", 0.7, 0.4), Considered("ent_3", 0.8, 0.5))
    miss = Miss(SCOPE, "k", "below-threshold", considered=considered)
    answer = Answer(said, miss, call=Call(request()), stored=entry())
    pairs = answer_headers(request(), answer, upstream="claude", now=0.0)
    headers = dict(pairs)
    assert headers["request-id"] == "req_1"
    assert "transfer-encoding" not in headers
    assert [value for name, value in pairs if name == "cache-status"] == [
        "semcache; fwd=miss; stored; detail=below-threshold"
    ]
    assert headers["x-semcache-similarity"] == "0.8000"
    assert headers["x-semcache-entry"] == "ent_1"


def test_one_answer_serves_both_modes() -> None:
    answer = Answer(message(), Bypass("test"))
    whole = b"".join(answer_body(request(), answer))
    assert json.loads(whole) == message().body
    assert b"".join(answer_body(request(stream=True), answer)).endswith(b'data: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("messages: missing"), 400, "invalid_request_error"),
        (RequestTooLarge(10), 413, "request_too_large"),
        (NotAllowed("no"), 401, "authentication_error"),
        (NotAllowed("no", authenticated=True), 403, "permission_error"),
        (NotCached("no"), 504, "timeout_error"),
        (UpstreamTimeout("slow"), 504, "timeout_error"),
        (SemcacheError("?"), 500, "api_error"),
    ],
)
def test_our_errors_have_claudes_shape(error: SemcacheError, status: int, kind: str) -> None:
    code, headers, body = error_response(error, upstream="claude")
    shown = json.loads(body)
    assert (code, shown["type"], shown["error"]["type"]) == (status, "error", kind)
    assert shown["request_id"] == dict(headers)["request-id"]


def test_claudes_errors_go_back_byte_for_byte() -> None:
    came = (("content-type", "application/json"), ("retry-after", "7"), ("connection", "close"))
    error = UpstreamStatus(429, came, b'{"type": "error"  }')
    error.lookup = Bypass("time-bound")
    status, headers, body = error_response(error, upstream="claude")
    assert (status, body) == (429, b'{"type": "error"  }')
    assert dict(headers)["retry-after"] == "7"
    assert "connection" not in dict(headers)
    assert dict(headers)["cache-status"].startswith("semcache; fwd=bypass")
