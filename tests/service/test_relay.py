"""Whatever is no message and not ours passes through unchanged, whatever the path and method."""

from __future__ import annotations

import json
from collections.abc import Callable

import anthropic
import pytest
from worlds import Place, Said, Script, Seen, World, spoken

from semcache.policy import ServiceKey

MakePlace = Callable[..., Place]


def echo(request: Seen) -> Said:
    return Said([b"first ", b"second"], status=207, headers=(("content-type", "text/x"), ("x-theirs", "1")))


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("GET", "/v1/models?limit=1000", id="models"),
        pytest.param("POST", "/v1/messages/count_tokens?beta=true", id="count_tokens"),
        pytest.param("PUT", "/v1/files/a%2Fb/content?x=%20&y", id="escapes"),
        pytest.param("DELETE", "/v1/files/file_1", id="delete"),
        pytest.param("PATCH", "/x/v1/messages", id="path prefix"),
        pytest.param("GET", "/v1/messages", id="not a POST"),
        pytest.param("OPTIONS", "/v1/messages", id="preflight"),
        pytest.param("POST", "/v1/messages/", id="trailing slash"),
    ],
)
def test_every_other_request_passes_through(scripted: MakePlace, method: str, target: str) -> None:
    script = Script(echo)
    answer = scripted(script).http(method, target, content=b"\x00bytes\xff", headers={"x-mine": "1"})
    (seen,) = script.seen
    assert (seen.method, seen.target, seen.body, seen.header("x-mine")) == (method, target, b"\x00bytes\xff", ["1"])
    assert (answer.status_code, answer.content) == (207, b"first second")
    assert (answer.headers["x-theirs"], answer.headers["x-semcache-upstream"]) == ("1", "claude")


def test_no_path_leads_to_another_host(scripted: MakePlace) -> None:
    script = Script(echo)
    scripted(script).http("GET", "/", extensions={"target": b"//elsewhere.example/v1"})
    assert [seen.target for seen in script.seen] == ["//elsewhere.example/v1"]


def test_a_file_upload_passes_through(scripted: MakePlace) -> None:
    script = Script(lambda request: Said([b'{"id":"file_1","type":"file"}']))
    place = scripted(script)
    content = bytes(range(256)) * 4000
    with anthropic.Anthropic(base_url=place.url, api_key="k", max_retries=0) as client:
        client.files.upload(file=("notes.bin", content, "application/octet-stream"))
    (seen,) = script.seen
    assert seen.header("content-type")[0].startswith("multipart/form-data; boundary=")
    assert content in seen.body


def test_head_probes_get_an_answer_without_a_body(scripted: MakePlace) -> None:
    place = scripted(Script(lambda request: Said([b""], status=200)))
    for path in ("/api/hello", "/"):
        answer = place.http("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_models_and_token_counts_come_from_the_upstream(world: World) -> None:
    with world.client() as client:
        assert client.models.list(limit=3).data[0].id.startswith("claude-")
        count = client.messages.count_tokens(model="claude-haiku-5-5", messages=[{"role": "user", "content": "Hi"}])
    assert count.input_tokens > 0
    assert world.calls == 0


def test_the_results_of_a_batch_are_fetched_through_us(scripted: MakePlace) -> None:
    def batches(request: Seen) -> Said:
        if request.target.endswith("/results"):
            result = {"type": "errored", "error": {"type": "error", "error": {"type": "x", "message": "y"}}}
            return Said([json.dumps({"custom_id": "a", "result": result}).encode()])
        url = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
        counts = {"processing": 0, "succeeded": 0, "errored": 1, "canceled": 0, "expired": 0}
        batch = {"id": "msgbatch_1", "results_url": url, "processing_status": "ended", "request_counts": counts}
        return Said([json.dumps(batch).encode()])

    script = Script(batches)
    place = scripted(script)
    with anthropic.Anthropic(base_url=place.url, api_key="k", max_retries=0) as client:
        assert client.messages.batches.retrieve("msgbatch_1").results_url == (
            f"{place.url}/v1/messages/batches/msgbatch_1/results"
        )
        assert [result.custom_id for result in client.messages.batches.results("msgbatch_1")] == ["a"]
    assert len(script.seen) == 3


def test_service_keys_are_required_and_never_leave(scripted: MakePlace) -> None:
    script = Script(echo)
    place = scripted(script, api_keys=(ServiceKey("anna", "svc-anna"),), anthropic_api_key="sk-real")
    refused = place.http("GET", "/v1/models", headers={"x-api-key": "wrong"})
    assert (refused.status_code, refused.json()["error"]["type"], script.seen) == (401, "authentication_error", [])
    place.http("GET", "/v1/models", headers={"x-api-key": "svc-anna"})
    assert script.seen[0].header("x-api-key") == ["sk-real"]


def test_without_any_credential_the_upstream_decides(world: World) -> None:
    answer = world.http("POST", "/v1/messages", content=b'{"model": "m"}', headers={"x-api-key": ""})
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


def test_what_lies_under_our_own_prefix_is_never_relayed(scripted: MakePlace) -> None:
    script = Script(echo)
    answer = scripted(script).http("POST", "/semcache/v1/nothing", content=b"secret")
    assert (answer.status_code, answer.json()["error"]["type"], script.seen) == (404, "not_found_error", [])


def test_an_upstream_that_breaks_off_breaks_off_here_too(scripted: MakePlace) -> None:
    place = scripted(Script(spoken()), upstream="http://127.0.0.1:1")
    answer = place.http("GET", "/v1/models")
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
