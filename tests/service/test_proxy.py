"""A miss is Claude's own answer, byte for byte, and Claude gets the caller's own request."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Callable

import httpx2
import pytest
from worlds import (
    MODEL,
    RESET,
    Place,
    Said,
    Script,
    World,
    message_json,
    outcome_of,
    question_body,
    spoken,
    stream_chunks,
)

from semcache.request import Mode

MakePlace = Callable[..., Place]
_STREAM = (("content-type", "text/event-stream; charset=utf-8"),)
SPACED = b'{ "model" : "claude-haiku-5-5",\n "max_tokens": 200, "field_of_tomorrow": {"b": 1, "a": [1.50, null]},\n'
SPACED += '  "messages": [{"role": "user", "content": "Wie geht es dir, Jürgen?"}] }'.encode()


def test_what_nobody_touched_goes_upstream_byte_for_byte(scripted: MakePlace) -> None:
    script = Script(spoken())
    place = scripted(script)
    sent = {"x-api-key": "k", "anthropic-version": "2023-06-01", "anthropic-beta": "b-2, a-1", "x-mine": "yes"}
    place.http("POST", "/v1/messages?beta=true&x=%20y", content=SPACED, headers={**sent, "user-agent": "test/1"})
    (seen,) = script.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/v1/messages?beta=true&x=%20y", SPACED)
    assert all(seen.header(name) == [value] for name, value in {**sent, "user-agent": "test/1"}.items())


def test_what_is_meant_for_us_stays_with_us(scripted: MakePlace) -> None:
    script = Script(spoken())
    headers = {"x-semcache-tags": "a", "x-semcache-mode": "exact", "cache-control": "max-age=60"}
    scripted(script).ask(RESET, headers=headers)
    (seen,) = script.seen
    assert not [name for name, _ in seen.headers if name.startswith("x-semcache") or name == "cache-control"]
    assert seen.header("accept-encoding") == ["identity"]


def test_a_missed_answer_comes_back_byte_for_byte(scripted: MakePlace) -> None:
    theirs = (
        ("content-type", "application/json"), ("request-id", "req_theirs"), ("anthropic-ratelimit-tokens-limit", "7"),
        ("anthropic-organization-id", "org"), ("x-new", "1"), ("connection", "x-hop"), ("x-hop", "secret"),
    )  # fmt: skip
    script = Script(lambda request: Said([message_json()], headers=theirs))
    answer = scripted(script).ask(RESET)
    assert answer.content == message_json()
    assert {name: answer.headers[name] for name in ("request-id", "x-new", "anthropic-ratelimit-tokens-limit")} == {
        "request-id": "req_theirs", "x-new": "1", "anthropic-ratelimit-tokens-limit": "7",
    }  # fmt: skip
    assert "x-hop" not in answer.headers
    assert answer.headers["x-semcache-upstream"] == "claude"


def test_a_missed_stream_comes_back_byte_for_byte_and_is_stored(scripted: MakePlace) -> None:
    place = scripted(Script(spoken("an answer")))
    first, second = place.ask(RESET, stream=True), place.ask(RESET)
    assert first.content == b"".join(stream_chunks("an answer"))
    assert first.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"
    assert (outcome_of(second), second.json()["content"][0]["text"]) == ("hit; detail=exact", "an answer")


def test_an_error_body_comes_back_byte_for_byte(scripted: MakePlace) -> None:
    body = b'{"type":"error",  "error":{"type":"rate_limit_error","message":"slow down","details":{"error_code":"x"}}}'
    headers = (("content-type", "application/json"), ("retry-after", "7"), ("x-should-retry", "false"))
    place = scripted(Script(lambda request: Said([body], status=429, headers=headers)))
    for stream in (False, True):
        answer = place.ask(RESET, stream=stream)
        assert (answer.status_code, answer.content) == (429, body)
        assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("7", "false")


def test_a_replay_equals_the_original_but_for_its_id(scripted: MakePlace) -> None:
    place = scripted(Script(spoken()))
    first, again = place.ask(RESET).json(), place.ask(RESET).json()
    assert first.pop("id") != again.pop("id")
    assert first == again


def test_a_replayed_stream_says_what_the_original_said(world: World) -> None:
    with world.client() as client:
        original = client.messages.create(**question_body(RESET))
        with client.messages.stream(**question_body(RESET)) as stream:
            replayed = stream.get_final_message()
    assert replayed.id != original.id
    assert replayed.model_dump(exclude={"id"}, exclude_none=True)["content"][-1]["text"] == original.content[-1].text
    assert (replayed.usage.output_tokens, replayed.stop_reason) == (original.usage.output_tokens, original.stop_reason)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [pytest.param("gzip", gzip.compress, id="gzip"), pytest.param("deflate", zlib.compress, id="deflate")],
)
def test_an_encoded_request_is_read_and_sent_on_plain(scripted: MakePlace, encoding: str, encode: Callable) -> None:
    script = Script(spoken())
    place = scripted(script)
    plain = json.dumps(question_body(RESET)).encode()
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    assert place.http("POST", "/v1/messages", content=encode(plain), headers=headers).status_code == 200
    assert (script.seen[0].body, script.seen[0].header("content-encoding")) == (plain, [])
    assert outcome_of(place.ask(RESET)) == "hit; detail=exact"


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        pytest.param(b'{"model": ', {}, 400, "line 1 column", id="broken JSON"),
        pytest.param(b"[1]", {}, 400, "expected a JSON object", id="not an object"),
        pytest.param(b'{"model": "\xff"}', {}, 400, "UTF-8", id="invalid UTF-8"),
        pytest.param(b"", {}, 400, "body", id="empty"),
        pytest.param(b"{}", {"content-encoding": "br"}, 400, "content-encoding", id="unknown encoding"),
        pytest.param(b"{}", {"content-encoding": "gzip"}, 400, "content-encoding", id="not gzip"),
        pytest.param(b"{}", {"x-semcache-mode": "loose"}, 400, "x-semcache-mode", id="unknown mode"),
        pytest.param(b"{}", {"cache-control": "max-age=soon"}, 400, "max-age", id="bad max-age"),
        pytest.param(b"{}", {"x-semcache-namespace": "n" * 200}, 400, "x-semcache-namespace", id="long namespace"),
        pytest.param(b"[" * 100_000, {}, 400, "body", id="nested too deeply"),
    ],
)
def test_bad_input_gets_a_clear_error_in_claudes_shape(
    lasting_world: World, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    answer = lasting_world.http("POST", "/v1/messages", content=content, headers=headers)
    body = answer.json()
    assert answer.status_code == status
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert words in body["error"]["message"]
    assert answer.headers["request-id"] == body["request_id"]


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_huge_body_is_refused_before_it_is_read(scripted: MakePlace, declared: bool) -> None:
    script = Script(spoken())
    place = scripted(script, max_request_bytes=1000)
    content = b"x" * 5_000_000 if declared else iter([b"x" * 600] * 2000)
    answer = place.http("POST", "/v1/messages", content=content)
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")
    assert script.seen == []


def test_a_small_body_that_inflates_to_a_huge_one_is_refused(scripted: MakePlace) -> None:
    place = scripted(Script(spoken()), max_request_bytes=100_000)
    bomb = gzip.compress(b" " * 50_000_000)
    assert place.http("POST", "/v1/messages", content=bomb, headers={"content-encoding": "gzip"}).status_code == 413


def test_a_body_too_large_to_read_at_once_is_answered_all_the_same(scripted: MakePlace) -> None:
    place, long = scripted(Script(spoken())), "word " * 20_000
    assert [outcome_of(place.ask(long)).partition(";")[0] for _ in range(2)] == ["fwd=miss", "hit"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, "hit; detail=exact", id="nothing asked"),
        pytest.param({"x-semcache-mode": "off"}, "fwd=bypass", id="off"),
        pytest.param({"x-semcache-mode": "exact"}, "hit; detail=exact", id="exact"),
        pytest.param({"x-semcache-mode": "shadow"}, "fwd=bypass", id="shadow"),
        pytest.param({"cache-control": "no-cache"}, "fwd=bypass", id="no-cache"),
        pytest.param({"cache-control": "max-age=0"}, "fwd=bypass", id="max-age=0"),
        pytest.param({"cache-control": "max-age=600"}, "hit; detail=exact", id="young enough"),
        pytest.param({"cache-control": "only-if-cached"}, "hit; detail=exact", id="only-if-cached"),
    ],
)
def test_a_caller_can_tighten(lasting_world: World, headers: dict[str, str], expected: str) -> None:
    world = lasting_world.start_over()
    world.ask(RESET)
    assert outcome_of(world.ask(RESET, headers=headers)).startswith(expected)


def test_no_store_leaves_nothing_behind(world: World) -> None:
    world.ask(RESET, headers={"cache-control": "no-store"})
    assert outcome_of(world.ask(RESET)).startswith("fwd=miss")


def test_a_caller_cannot_loosen_what_the_operator_set(make_world: Callable[..., World]) -> None:
    world = make_world(mode=Mode.OFF)
    for _ in range(2):
        assert outcome_of(world.ask(RESET, headers={"x-semcache-mode": "semantic"})).startswith("fwd=bypass")


def test_only_if_cached_without_a_stored_answer_is_a_504(world: World) -> None:
    answer = world.ask(RESET, headers={"cache-control": "only-if-cached"})
    assert (answer.status_code, answer.json()["error"]["type"], world.calls) == (504, "timeout_error", 0)


def test_an_upstream_that_is_not_there_is_a_502(scripted: MakePlace) -> None:
    answer = scripted(Script(spoken()), upstream="http://127.0.0.1:1").ask(RESET)
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
    assert outcome_of(answer).startswith("fwd=miss")


def test_an_upstream_that_says_nothing_is_a_504(make_world: Callable[..., World]) -> None:
    world = make_world(read_timeout_seconds=0.2)
    answer = world.ask(RESET, headers={"x-simulator-fault": "hang"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "timeout_error")


def test_a_stream_is_passed_on_as_it_arrives(scripted: MakePlace) -> None:
    gate = threading.Event()
    place = scripted(Script(spoken("piece by piece", gate=gate)))
    with httpx2.Client(base_url=place.url, trust_env=False) as client:
        body = question_body(RESET, stream=True)
        with client.stream("POST", "/v1/messages", json=body, headers={"x-api-key": "k"}) as answer:
            arriving = answer.iter_raw()
            assert b"piece by piece" in next(arriving)
            gate.set()
            assert b"".join(arriving).endswith(b'{"type": "message_stop"}\n\n')


def test_a_silent_stream_is_kept_alive_with_pings(scripted: MakePlace) -> None:
    gate = threading.Event()
    place = scripted(Script(lambda request: Said([b": hello\n\n", *stream_chunks()[1:]], gate=gate, headers=_STREAM)),
                     ping_seconds=0.05)  # fmt: skip
    with httpx2.Client(base_url=place.url, trust_env=False) as client:
        body = question_body(RESET, stream=True)
        with client.stream("POST", "/v1/messages", json=body, headers={"x-api-key": "k"}) as answer:
            arriving = answer.iter_raw()
            assert next(arriving) == b": hello\n\n"
            assert next(arriving) == b'event: ping\ndata: {"type":"ping"}\n\n'
            gate.set()


def test_a_stream_cut_inside_an_event_cuts_the_connection(scripted: MakePlace) -> None:
    cut = b"".join(stream_chunks())[:-30]
    place = scripted(Script(lambda request: Said([cut], headers=_STREAM)))
    with pytest.raises(httpx2.RemoteProtocolError):
        place.ask(RESET, stream=True)
    assert place.ask(RESET, headers={"cache-control": "only-if-cached"}).status_code == 504


def test_a_model_name_that_fits_no_header_is_served_all_the_same(world: World) -> None:
    table = "question,answer\nWho are you?,A cache.\n"
    world.http("POST", "/semcache/v1/import?format=csv", content=table)
    answer = world.ask("Who are you?", model="克劳德\r\nx-evil: 1")
    assert (answer.status_code, outcome_of(answer)) == (200, "hit; detail=faq")
    assert "x-evil" not in answer.headers
    assert world.ask("Who are you?", model=MODEL).headers["x-semcache-model"] == MODEL
