"""Routing over HTTP: `model: auto` for any client, tasks by header and base URL, what is said about it, and faults."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from worlds import RESET, World, until

from semcache.policy import Namespace, RoutingPolicy
from semcache.upstream.simulator import Fault, FaultKind

MakeWorld = Callable[..., World]
HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
EXTRACT = "Extract the invoice number from this text: Invoice 4711."
HEDGE = {EXTRACT: "I'm not sure about that."}


def models(world: World) -> list[str]:
    return [call.body["model"] for call in world.simulator.calls if call.path == "/v1/messages"]


def test_auto_is_answered_and_the_headers_say_by_whom_and_why(world: World) -> None:
    response = world.ask(EXTRACT, model="auto")
    assert response.status_code == 200
    assert response.headers["x-semcache-model"] == HAIKU
    assert response.headers["x-semcache-route"] == f"{HAIKU} (simple extraction)"
    assert response.headers["x-semcache-strategies"] == "routing"
    assert float(response.headers["x-semcache-saved-usd"]) > 0
    assert response.json()["model"] == HAIKU


def test_the_official_client_streams_auto(world: World) -> None:
    asked = {"model": "auto", "max_tokens": 200, "messages": [{"role": "user", "content": EXTRACT}]}
    with world.client() as client, client.messages.stream(**asked) as stream:
        assert "4711" in stream.get_final_text()
    assert stream.response.headers["x-semcache-route"].startswith(HAIKU)


def test_a_named_model_carries_no_word_of_routes(world: World) -> None:
    response = world.ask(RESET, model=OPUS)
    assert "x-semcache-route" not in response.headers
    assert "x-semcache-strategies" not in response.headers


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/v1/messages", {"x-semcache-task": "classification"}), ("/task/classification/v1/messages", {})],
)
def test_a_task_is_named_by_a_header_or_by_the_base_url(world: World, path: str, headers: dict[str, str]) -> None:
    body = {"model": "auto", "max_tokens": 200, "messages": [{"role": "user", "content": "My parcel is late."}]}
    response = world.http("POST", path, json=body, headers=headers)
    assert response.headers["x-semcache-route"] == f"{HAIKU}@low (named classification)"


def test_a_base_url_with_a_task_serves_every_other_path_too(world: World) -> None:
    assert world.http("GET", "/task/classification/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("header", "value", "problem"),
    [
        ("x-semcache-task", "poetry", "x-semcache-task: there is no such task; known are analysis"),
        ("x-semcache-task", "a b", "x-semcache-task: a name of at most 64 letters"),
        ("x-semcache-strategies", "routin", "x-semcache-strategies: use all, none, or names of tiering, routing"),
        ("x-semcache-strategies", "routing,-cascade", "x-semcache-strategies: use all, none"),
    ],
)
def test_a_wrong_wish_is_refused_in_claudes_shape(world: World, header: str, value: str, problem: str) -> None:
    response = world.ask(EXTRACT, model="auto", headers={header: value})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"].startswith(problem)


def test_a_caller_may_switch_strategies_off(world: World) -> None:
    response = world.ask(EXTRACT, model="auto", headers={"x-semcache-strategies": "none"})
    assert response.headers["x-semcache-model"] == SONNET


def test_an_operator_may_switch_them_off_for_all(make_world: MakeWorld) -> None:
    world = make_world(strategies=())
    response = world.ask(EXTRACT, model="auto", headers={"x-semcache-strategies": "routing"})
    assert response.headers["x-semcache-model"] == SONNET


def test_tokens_are_counted_for_the_model_that_would_answer(world: World) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": EXTRACT}]}
    assert world.http("POST", "/v1/messages/count_tokens", json=body).json()["input_tokens"] > 0


def test_a_failing_answer_is_replaced_before_the_caller_sees_it(make_world: MakeWorld) -> None:
    def answers(body: dict[str, Any]) -> str:
        return "I'm not sure about that." if body["model"] == HAIKU else "4711"

    world = make_world(answers=answers)
    response = world.ask(EXTRACT, model="auto")
    assert response.json()["content"][-1]["text"] == "4711"
    assert response.headers["x-semcache-strategies"] == "routing,cascade"
    assert response.headers["x-semcache-route"].endswith("(simple extraction, after hedged)")
    assert world.metric('semcache_attempts_total{why="hedged"}') == 1
    assert world.metric(f'semcache_routed_total{{how="auto",model="{SONNET}"}}') == 1


@pytest.mark.parametrize("holds_back", [False, True])
def test_a_stream_is_only_held_back_for_a_check_where_the_operator_wants_it(
    make_world: MakeWorld, holds_back: bool
) -> None:
    def answers(body: dict[str, Any]) -> str:
        return "I'm not sure about that." if body["model"] == HAIKU else "4711"

    world = make_world(answers=answers, routing=RoutingPolicy(cascade_streams=holds_back))
    asked = {"model": "auto", "max_tokens": 200, "messages": [{"role": "user", "content": EXTRACT}]}
    with world.client() as client, client.messages.stream(**asked) as stream:
        text = stream.get_final_text()
    assert text == ("4711" if holds_back else "I'm not sure about that.")
    assert models(world) == ([HAIKU, SONNET] if holds_back else [HAIKU])


@pytest.mark.parametrize("stream", [False, True])
def test_an_overloaded_model_hands_over_before_the_first_byte(world: World, stream: bool) -> None:
    fault = Fault(FaultKind.STATUS, status=529)
    world.simulator.inject(fault, times=None, when=lambda body: body["model"] == HAIKU)
    response = world.ask(EXTRACT, model="auto", stream=stream)
    assert response.status_code == 200
    assert response.headers["x-semcache-strategies"] == "routing,failover"
    assert "claude-haiku-5-5 failed" in response.headers["x-semcache-route"]
    assert models(world) == [HAIKU, SONNET]


def test_a_stream_that_has_begun_is_never_begun_again(world: World) -> None:
    fault = Fault(FaultKind.MID_STREAM_ERROR)
    world.simulator.inject(fault, times=None, when=lambda body: body["model"] == HAIKU)
    response = world.ask(EXTRACT, model="auto", stream=True)
    assert response.status_code == 200
    assert "event: error" in response.text
    assert models(world) == [HAIKU]


def test_the_lookup_tells_where_a_miss_would_go(make_world: MakeWorld) -> None:
    world = make_world(namespaces={"shop": Namespace(downshift=True)})
    body = {"model": OPUS, "max_tokens": 100, "messages": [{"role": "user", "content": EXTRACT}], "system": "Be brief."}
    view = world.http("POST", "/semcache/v1/lookup", json=body, headers={"x-semcache-namespace": "shop"}).json()
    assert view["route"]["would_be"] == HAIKU
    assert "has not been proven" in view["route"]["says"]
    assert len(view["identity"]["system"]) == 64
    assert world.calls == 0


def test_quality_tells_what_is_proven_of_cheaper_models(make_world: MakeWorld) -> None:
    world = make_world(namespaces={"shop": Namespace(downshift=True)}, audits=True)
    world.ask(EXTRACT, model=OPUS, headers={"x-semcache-namespace": "shop"})

    def routes() -> list[dict[str, Any]]:
        return world.http("GET", "/semcache/v1/quality").json()["routes"]

    until(lambda: bool(routes()) and routes()[0]["compared"] == 1)
    [route] = routes()
    assert (route["namespace"], route["category"], route["certified"]) == ("shop", f"extraction:{HAIKU}<{OPUS}", False)
    assert route["worse"] == 0
    assert route["worse_at_most"] > 0.5


def test_auto_is_answered_where_the_cache_is_broken(make_world: MakeWorld, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    world = make_world(data_dir=tmp_path / "occupied")
    response = world.ask(EXTRACT, model="auto")
    assert (response.status_code, response.json()["model"]) == (200, SONNET)


def test_the_command_line_shows_the_route_and_leaves_no_connection(world: World) -> None:
    from click.testing import CliRunner

    from semcache.cli import main

    run = CliRunner().invoke(main, ["ask", "--url", world.url, "--model", "auto", "--json", EXTRACT])
    assert json.loads(run.stdout)["route"] == f"{HAIKU} (simple extraction)"
    # By type: asking a weak proxy of somebody else's what it is an instance of may raise.
    clients = [each for each in gc.get_objects() if type(each) is anthropic.Anthropic]
    assert [each for each in clients if each.base_url.port == httpx2.URL(world.url).port and not each.is_closed()] == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_model_is_claudes_error_with_a_hint_of_ours(world: World, stream: bool) -> None:
    response = world.ask(EXTRACT, model="claude-hiku-5-5", stream=stream)
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "model: claude-hiku-5-5"
    assert response.headers["x-semcache-hint"] == "there is no such model; did you mean claude-haiku-5-5?"
