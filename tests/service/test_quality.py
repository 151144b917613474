"""What is proved about similar hits, what shadow mode forecasts, and how a lookup is explained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worlds import ANSWERS, RESET, REWORDED, Place, World, outcome_of, question_body, served, until

from semcache.request import Mode
from semcache.service.app import create_app

MakeWorld = Callable[..., World]
API = "/semcache/v1"
NEAR = "Please, how do I reset my password?"
OPPOSED = {RESET: "It takes 10 minutes.", REWORDED: "It takes 45 minutes."}
SAME = dict.fromkeys((RESET, REWORDED, NEAR), ANSWERS[RESET])


def quality(place: Place, query: str = "", part: str = "overall") -> Any:
    answer = place.http("GET", f"{API}/quality{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()[part]


def audits(place: Place, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.http("GET", f"{API}/audits{query}").json()["audits"]
    return found


def audited(world: World, *questions: str) -> None:
    """Ask, and wait until every similar hit has been asked again."""
    hits = [outcome_of(world.ask(question)) for question in questions].count("hit; detail=semantic")
    before = len(questions) - hits
    until(lambda: len(audits(world)) == hits)
    assert before >= 1


def test_before_anything_was_served_nothing_is_known(world: World) -> None:
    view = quality(world)
    for period in ("since_start", "last_30_days"):
        known = {name: view[period][name] for name in ("similar_hits", "audits", "wrong", "estimate", "upper_bound")}
        assert known == {"similar_hits": 0, "audits": 0, "wrong": None, "estimate": None, "upper_bound": None}
    assert (view["expected_wrong"], view["shadow"], view["caution"], view["caution_reason"]) == (
        None,
        None,
        "calm",
        None,
    )
    assert view["says"][0] == "Nothing is proved: no similar hit was served so far."
    assert audits(world) == []


def test_a_hit_without_an_audit_proves_nothing(world: World) -> None:
    world.ask(RESET)
    world.ask(REWORDED)
    certificate = quality(world)["since_start"]
    assert (certificate["similar_hits"], certificate["audits"], certificate["upper_bound"]) == (1, 0, None)


def test_audits_are_listed_without_a_word_of_what_was_said(make_world: MakeWorld) -> None:
    world = make_world(answers=SAME, audits=True)
    audited(world, RESET, REWORDED)
    (found,) = audits(world)
    entry = world.http("GET", f"{API}/entries?limit=1").json()["entries"][0]["id"]
    assert (found["entry"], found["namespace"], found["verdict"], found["uniform"]) == (entry, "default", "same", True)
    assert found["cost_usd"] > 0
    assert found["confidence"] > 0.5
    assert set(found) == {
        "at", "namespace", "entry", "confidence", "verdict", "placebo", "uniform", "cost_usd",
    }  # fmt: skip
    assert audits(world, "?namespace=other") == []
    assert "password" not in world.http("GET", f"{API}/audits").text


def test_an_audit_that_finds_another_answer_is_counted_as_wrong(make_world: MakeWorld) -> None:
    world = make_world(answers=OPPOSED, audits=True)
    audited(world, RESET, REWORDED)
    assert [each["verdict"] for each in audits(world)] == ["different"]
    certificate = quality(world)["since_start"]
    assert (certificate["audits"], certificate["wrong"], certificate["estimate"]) == (1, 1, 1)
    until(lambda: world.metric('semcache_audits_total{result="different"}') == 1)


def test_the_bound_is_the_same_on_every_face(make_world: MakeWorld) -> None:
    world = make_world(answers=lambda body: ANSWERS[RESET], audits=True)
    wordings = [RESET, REWORDED, NEAR, "How do I reset my password please?", "How can I reset my password?"]
    audited(world, *wordings)
    view = quality(world)
    bound = view["since_start"]["upper_bound"]
    assert 0 < bound < 1
    assert f"at most {100 * bound:.3g} % of similar hits are wrong (95% confidence), from" in view["says"][0]
    assert world.metric('semcache_false_hit_rate_upper_bound{window="start"}') == pytest.approx(bound)
    assert quality(world, "?namespace=default")["since_start"]["upper_bound"] == bound
    assert quality(world, part="namespaces")[0]["namespace"] == "default"


def test_metrics_tell_the_state_of_learning(make_world: MakeWorld) -> None:
    world = make_world(answers=SAME, audits=True)
    assert world.metric("semcache_false_hit_rate_upper_bound") == 0  # absent
    audited(world, RESET, REWORDED)
    assert world.metric("semcache_similar_hits") == 1
    assert world.metric('semcache_caution{state="calm"}') == 1
    assert world.metric('semcache_caution{state="exact-only"}') == 0
    assert world.metric("semcache_error_budget") == 0.05
    assert world.metric('semcache_audits_total{result="same"}') == 1
    until(lambda: world.metric('semcache_queue_depth{queue="lessons"}') == 0)


def test_what_was_proved_is_there_after_a_restart(make_world: MakeWorld) -> None:
    world = make_world(answers=SAME)
    with served(create_app(_auditing(world))) as url:
        audited(World(world.settings, url, world.simulator), RESET, REWORDED)
    with served(create_app(_auditing(world))) as url:
        certificate = quality(Place(world.settings, url))["since_start"]
    assert (certificate["similar_hits"], certificate["audits"], certificate["wrong"]) == (1, 1, 0)


def _auditing(world: World) -> Any:
    folder: Path = world.settings.data_dir.parent / "restarted"
    return world.settings.with_arguments(audits=True, data_dir=folder)


def test_only_the_operator_sees_quality_and_audits(make_world: MakeWorld) -> None:
    world = make_world(admin_key="correct-horse")
    for path in ("quality", "audits"):
        assert world.http("GET", f"{API}/{path}").status_code == 401
        shown = world.http("GET", f"{API}/{path}", headers={"x-semcache-admin-key": "correct-horse"})
        assert shown.status_code == 200


def test_a_limit_that_cannot_be_is_named(lasting_world: World) -> None:
    answer = lasting_world.http("GET", f"{API}/audits?limit=0")
    assert (answer.status_code, "limit" in answer.json()["error"]["message"]) == (400, True)


# shadow mode


def test_shadow_mode_serves_nothing_and_forecasts_what_going_live_would_give(make_world: MakeWorld) -> None:
    world = make_world(answers=SAME, mode=Mode.SHADOW)
    asked = [RESET, RESET, REWORDED]
    assert [outcome_of(world.ask(question)) for question in asked] == ["fwd=bypass; stored; detail=shadow"] + [
        "fwd=bypass; detail=shadow"
    ] * 2
    assert world.calls == len(asked)
    until(lambda: quality(world)["shadow"]["judged"] == 1)
    forecast, view = quality(world)["shadow"], quality(world)
    counted = {name: forecast[name] for name in ("requests", "exact", "similar", "judged", "wrong")}
    assert counted == {"requests": 3, "exact": 1, "similar": 1, "judged": 1, "wrong": 0}
    assert forecast["hit_rate"] == pytest.approx(2 / 3)
    assert forecast["hit_rate_interval"][0] < 2 / 3 < forecast["hit_rate_interval"][1]
    assert (forecast["false_hit_rate"], forecast["false_hit_rate_interval"][0]) == (0, 0)
    assert "going live would answer 66.7 %" in view["says"][-1]
    assert view["since_start"]["similar_hits"] == 0  # nothing was served, nothing is certified


def test_shadow_mode_learns_what_live_would_learn(make_world: MakeWorld) -> None:
    world = make_world(answers=SAME, mode=Mode.SHADOW)
    world.ask(RESET)
    world.ask(REWORDED)
    until(lambda: explain(world, REWORDED)["would_be"]["kind"] == "exact")
    assert explain(world, REWORDED)["would_be"]["entry"]["question"] == RESET


def test_a_wrong_hit_of_shadow_mode_is_found_and_the_right_answer_kept(make_world: MakeWorld) -> None:
    world = make_world(answers=OPPOSED, mode=Mode.SHADOW)
    world.ask(RESET)
    world.ask(REWORDED)
    until(lambda: quality(world)["shadow"]["wrong"] == 1)
    until(lambda: explain(world, REWORDED)["would_be"].get("kind") == "exact")
    assert explain(world, REWORDED)["would_be"]["entry"]["answer"] == OPPOSED[REWORDED]
    assert quality(world)["shadow"]["false_hit_rate"] == 1


# explanations


def explain(world: World, question: str, **headers: str) -> Any:
    return world.http("POST", f"{API}/lookup", json=question_body(question), headers=headers).json()


def test_a_lookup_is_explained_by_its_evidence(world: World) -> None:
    world.ask(RESET)
    explanation = explain(world, REWORDED)["explanation"]
    assert explanation["says"].startswith("Served: a stored answer is right with probability 0.9")
    (candidate,) = explanation["candidates"]
    assert (candidate["wording"], candidate["objections"]) == (RESET, [])
    assert candidate["says"].startswith("right with probability")
    first, *_, last = candidate["contributions"]
    assert abs(first["log_odds"]) >= abs(last["log_odds"])
    assert first["feature"] in first["says"]
    assert 0 < explanation["cut"] < 1


def test_an_explanation_names_the_guard_that_spoke_against(world: World) -> None:
    world.ask("How often should I water 12 ferns?")
    explanation = explain(world, "How often should I water 20 ferns?")["explanation"]
    assert explanation["says"] == "Not served: the question and the stored one disagree (numbers)."
    (candidate,) = explanation["candidates"]
    assert (candidate["objections"], candidate["contributions"]) == (["guard:numbers"], [])
    assert candidate["says"] == "ruled out: the question and the stored one disagree (numbers)"


def test_a_bypass_is_explained_too(world: World) -> None:
    explanation = explain(world, RESET, **{"x-semcache-mode": "off"})["explanation"]
    assert explanation["says"] == "Not looked up: mode-off."
