"""Callers may ask why, and may judge answers: within what is theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from worlds import ANSWERS, MODEL, RESET, World, outcome_of, question_body

from semcache.policy import Namespace, ServiceKey

MakeWorld = Callable[..., World]
API = "/semcache/v1"
ADMIN = {"x-semcache-admin-key": "correct-horse"}
ANNA, BEN = {"x-api-key": "key-of-anna"}, {"x-api-key": "key-of-ben"}
KEYS = (ServiceKey("anna", "key-of-anna"), ServiceKey("ben", "key-of-ben"))


@pytest.fixture
def shared(make_world: MakeWorld) -> World:
    """Two callers with keys of their own, a namespace they share, and an operator who is neither."""
    namespaces = {"team": Namespace(shared=True), "club": Namespace(shared=True, members=("ben",))}
    return make_world(api_keys=KEYS, admin_key="correct-horse", anthropic_api_key="sk-real", namespaces=namespaces)


def judge(world: World, headers: dict[str, str], **body: Any) -> httpx2.Response:
    return world.http("POST", f"{API}/feedback", headers=headers, json=body)


def explain(world: World, headers: dict[str, str], **body: Any) -> httpx2.Response:
    return world.http("POST", f"{API}/lookup", headers=headers, json=body)


def test_a_lookup_says_what_a_request_would_get_and_changes_nothing(world: World) -> None:
    world.ask(RESET)
    answer = explain(world, ANNA, **question_body(RESET))
    body = answer.json()
    assert (body["outcome"], body["kind"], body["entry"]["answer"]) == ("hit", "exact", ANSWERS[RESET])
    assert outcome_of(answer) == "hit; detail=exact"
    assert answer.headers["x-semcache-entry"] == body["entry"]["id"]
    entry = world.http("GET", f"{API}/entries/{body['entry']['id']}").json()
    assert (entry["hits"], world.calls) == (0, 1)


def test_a_bare_question_can_be_looked_up(world: World) -> None:
    world.ask(RESET)
    assert explain(world, ANNA, question=RESET, model=MODEL).json()["outcome"] == "hit"
    missed = explain(world, ANNA, question="What is the answer to everything?", model=MODEL).json()
    assert (missed["outcome"], missed["entry"]) == ("miss", None)
    assert missed["reason"]
    assert missed["identity"]["question"] == "What is the answer to everything?"


def test_a_lookup_obeys_the_headers_of_a_real_request(world: World) -> None:
    world.ask(RESET)
    off = explain(world, {**ANNA, "x-semcache-mode": "off"}, **question_body(RESET)).json()
    shadow = explain(world, {**ANNA, "x-semcache-mode": "shadow"}, **question_body(RESET)).json()
    assert (off["outcome"], shadow["outcome"], shadow["would_be"]["outcome"]) == ("bypass", "bypass", "hit")


def test_nobody_looks_up_what_is_not_his(shared: World) -> None:
    shared.ask(RESET, headers=ANNA)
    assert explain(shared, ANNA, **question_body(RESET)).json()["outcome"] == "hit"
    assert explain(shared, BEN, **question_body(RESET)).json()["outcome"] == "miss"
    stranger = explain(shared, {"x-api-key": "stranger"}, **question_body(RESET))
    assert (stranger.status_code, "Reset" in stranger.text) == (401, False)
    outsider = explain(shared, {**ANNA, "x-semcache-namespace": "club"}, **question_body(RESET))
    assert outsider.status_code == 403


def test_two_credentials_never_share(world: World) -> None:
    assert outcome_of(world.ask(RESET, headers=ANNA)).startswith("fwd=miss")
    assert outcome_of(world.ask(RESET, headers=BEN)).startswith("fwd=miss")
    assert outcome_of(world.ask(RESET, headers={"authorization": "Bearer key-of-ben", "x-api-key": "key-of-ben"}))
    assert world.calls == 2


def test_the_same_key_in_either_header_is_the_same_caller(world: World) -> None:
    world.ask(RESET, headers=ANNA)
    with httpx2.Client(base_url=world.url, trust_env=False) as client:
        headers = {"authorization": "Bearer key-of-anna", "anthropic-version": "2026-10-21"}
        answer = client.post("/v1/messages", json=question_body(RESET), headers=headers)
    assert outcome_of(answer) == "hit; detail=exact"


def test_a_shared_namespace_shares(shared: World) -> None:
    team = {"x-semcache-namespace": "team"}
    shared.ask(RESET, headers={**ANNA, **team})
    assert outcome_of(shared.ask(RESET, headers={**BEN, **team})) == "hit; detail=exact"
    assert outcome_of(shared.ask(RESET, headers=BEN)).startswith("fwd=miss")
    assert shared.calls == 2


def test_service_keys_are_asked_for_and_never_leave(shared: World) -> None:
    refused = shared.ask(RESET, headers={"x-api-key": "stranger"})
    assert (refused.status_code, refused.json()["error"]["type"], shared.calls) == (401, "authentication_error", 0)
    assert shared.ask(RESET, headers=ANNA).status_code == 200
    sent = dict(shared.simulator.calls[0].headers)
    assert sent["x-api-key"] == "sk-real"
    assert "key-of-anna" not in str(sent)


def test_a_caller_removes_his_own_wrong_answer(shared: World) -> None:
    entry = shared.ask(RESET, headers=ANNA).headers["x-semcache-entry"]
    assert judge(shared, BEN, entry=entry, right=False).status_code == 404
    assert judge(shared, ANNA, entry=entry, right=True).json()["effect"] == "unchanged"
    assert judge(shared, ANNA, entry=entry, verdict="wrong").json()["effect"] == "removed"
    assert outcome_of(shared.ask(RESET, headers=ANNA)).startswith("fwd=miss")


def test_what_others_are_served_too_can_only_be_tightened(shared: World) -> None:
    team = {"x-semcache-namespace": "team"}
    entry = shared.ask(RESET, headers={**ANNA, **team}).headers["x-semcache-entry"]
    for body in ({"right": False}, {"right": True}, {"right": True, "question": "Anything?"},
                 {"right": False, "question": f" {RESET} "}):  # fmt: skip
        assert judge(shared, {**ANNA, **team}, entry=entry, **body).status_code == 403
    tightened = judge(shared, {**BEN, **team}, entry=entry, right=False, question="How do I reset my router?")
    assert tightened.json()["effect"] == "learned"
    shown = shared.http("GET", f"{API}/entries/{entry}", headers=ADMIN).json()
    assert [each["label"] for each in shown["exemplars"]] == ["positive", "negative"]


def test_a_faq_answer_is_the_operators(shared: World) -> None:
    table = "question,answer\nWhat is a widget?,A part.\n"
    shared.http("POST", f"{API}/import?format=csv", content=table, headers=ADMIN)
    entry = shared.ask("What is a widget?", headers=ANNA).headers["x-semcache-entry"]
    assert judge(shared, ANNA, entry=entry, right=False).status_code == 403
    assert judge(shared, {**BEN, "x-semcache-namespace": "team"}, entry=entry, right=False).status_code == 404
    assert judge(shared, ADMIN, entry=entry, right=False).json()["effect"] == "removed"


def test_the_operator_looks_up_without_a_service_key(shared: World) -> None:
    shared.http("POST", f"{API}/import?format=csv", content="question,answer\nWhy?,Because.\n", headers=ADMIN)
    assert explain(shared, {**ADMIN, "x-api-key": ""}, question="Why?").json()["kind"] == "faq"
    assert explain(shared, {"x-api-key": ""}, question="Why?").status_code == 401
