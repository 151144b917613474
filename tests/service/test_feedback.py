"""A wrong answer that was reported once is not served for that question, or near it, again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from worlds import ANSWERS, MODELS, RESET, REWORDED, Place, World, outcome_of, served, settings, until

from semcache.policy import Namespace, ServiceKey
from semcache.pricing import PriceBook
from semcache.service.app import create_app
from semcache.upstream.simulator import Simulator, simulator_app

MakeWorld = Callable[..., World]
API = "/semcache/v1"
NEAR = "Please, how do I reset my password?"
STUBBORN = dict.fromkeys((RESET, REWORDED, NEAR), "Open Settings, choose Security, then press Reset password.")
ADMIN = {"x-semcache-admin-key": "correct-horse"}
TEAM = {"x-semcache-namespace": "team"}
ANNA, BEN = {"x-api-key": "key-of-anna"}, {"x-api-key": "key-of-ben"}
KEYS = (ServiceKey("anna", "key-of-anna"), ServiceKey("ben", "key-of-ben"))


def report(place: Place, verdict: str = "wrong", *, headers: dict[str, str] | None = None, **named: Any) -> Any:
    answer = place.http("POST", f"{API}/feedback", json={**named, "verdict": verdict}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_hit(answer: httpx2.Response) -> bool:
    return outcome_of(answer).startswith("hit")


def text_of(answer: httpx2.Response) -> str:
    text: str = answer.json()["content"][-1]["text"]
    return text


def exemplars(place: Place, entry: str) -> list[tuple[str, str, str]]:
    shown = place.http("GET", f"{API}/entries/{entry}").json()["exemplars"]
    return [(each["text"], each["label"], each["origin"]) for each in shown]


@pytest.fixture
def misled(world: World) -> tuple[World, httpx2.Response]:
    """A world in which another wording was answered from memory, and how."""
    world.ask(RESET)
    wrong = world.ask(REWORDED)
    assert outcome_of(wrong) == "hit; detail=semantic"
    return world, wrong


@pytest.mark.parametrize("named_by", ["message", "request"])
def test_what_was_served_is_reported_by_its_id(misled: tuple[World, httpx2.Response], named_by: str) -> None:
    world, wrong = misled
    identifier = wrong.json()["id"] if named_by == "message" else wrong.headers["request-id"]
    said = report(world, **{named_by: identifier})
    assert (said["entry"], said["effect"]) == (wrong.headers["x-semcache-entry"], "learned")
    again = [world.ask(question) for question in (REWORDED, NEAR, REWORDED, NEAR)]
    assert not any(text_of(answer) == ANSWERS[RESET] for answer in again)
    assert is_hit(world.ask(RESET))
    assert (REWORDED, "negative", "feedback") in exemplars(world, said["entry"])


@pytest.mark.parametrize("named_by", ["message", "request", "entry"])
def test_a_wrong_answer_to_its_own_question_does_not_come_back(make_world: MakeWorld, named_by: str) -> None:
    world = make_world(answers=STUBBORN)
    first = world.ask(RESET)
    names = {
        "message": first.json()["id"],
        "request": first.headers["request-id"],
        "entry": first.headers["x-semcache-entry"],
    }
    assert report(world, **{named_by: names[named_by]})["effect"] == "removed"
    again = [world.ask(question) for question in (RESET, REWORDED, NEAR, RESET, REWORDED, NEAR)]
    assert not any(map(is_hit, again))
    assert not any("stored" in outcome_of(answer) for answer in again)
    assert world.http("GET", f"{API}/entries/{names['entry']}").status_code == 404


def test_a_better_answer_to_the_same_question_is_stored_and_served(make_world: MakeWorld) -> None:
    said = iter(("Ask your neighbour.", "Ask your neighbour.", ANSWERS[RESET]))
    world = make_world(answers=lambda question: next(said))
    report(world, message=world.ask(RESET).json()["id"])
    again = [world.ask(RESET) for _ in range(3)]
    assert [is_hit(answer) for answer in again] == [False, False, True]
    assert text_of(again[2]) == ANSWERS[RESET]


def test_the_upstream_saying_it_again_does_not_bring_it_back(make_world: MakeWorld) -> None:
    world = make_world(answers=STUBBORN)
    world.ask(RESET)
    report(world, message=world.ask(REWORDED).json()["id"])
    again = [world.ask(question) for question in (REWORDED, NEAR) for _ in range(3)]
    assert not any(map(is_hit, again))
    assert is_hit(world.ask(RESET))


def test_an_alias_that_audits_taught_is_taken_back(make_world: MakeWorld) -> None:
    world = make_world(answers=STUBBORN, audits=True)
    world.ask(RESET)
    world.ask(REWORDED)
    until(lambda: outcome_of(world.ask(REWORDED)) == "hit; detail=exact")
    report(world, message=world.ask(REWORDED).json()["id"])
    assert not any(is_hit(world.ask(question)) for question in (REWORDED, NEAR, REWORDED, NEAR))
    assert is_hit(world.ask(RESET))


def test_an_audit_does_not_bring_it_back_either(make_world: MakeWorld) -> None:
    elsewhere = "Ask the person who looks after your computers."
    said = iter((STUBBORN[RESET], elsewhere))
    world = make_world(answers=lambda body: next(said, STUBBORN[RESET]), audits=True)
    report(world, message=world.ask(RESET).json()["id"])
    assert text_of(world.ask(REWORDED)) == elsewhere
    assert text_of(world.ask(RESET)) in (elsewhere, STUBBORN[RESET])  # the audit finds that the upstream disagrees
    until(lambda: world.metric('semcache_queue_depth{queue="lessons"}') == 0)
    assert not any(
        is_hit(answer) and text_of(answer) == STUBBORN[RESET] for answer in map(world.ask, (RESET, NEAR) * 2)
    )


def test_a_report_outlives_the_service(tmp_path: Path) -> None:
    with restartable(tmp_path) as restarted:
        with restarted() as place:
            place.ask(RESET)
            report(place, message=place.ask(REWORDED).json()["id"])
        with restarted() as place:
            assert not any(is_hit(place.ask(question)) for question in (REWORDED, NEAR, REWORDED, NEAR))
            report(place, message=place.ask(RESET).json()["id"])
        with restarted() as place:
            assert not any(is_hit(place.ask(question)) for question in (RESET, REWORDED, NEAR, RESET))


def test_a_right_answer_is_known_for_its_question(misled: tuple[World, httpx2.Response]) -> None:
    world, served_answer = misled
    assert report(world, "right", message=served_answer.json()["id"])["effect"] == "learned"
    assert (REWORDED, "positive", "feedback") in exemplars(world, served_answer.headers["x-semcache-entry"])
    until(lambda: world.http("GET", f"{API}/quality").json()["overall"]["labels"] == 1)


def test_the_answer_tells_what_else_was_affected(misled: tuple[World, httpx2.Response]) -> None:
    world, wrong = misled
    other = world.ask(NEAR)
    affected = report(world, message=wrong.json()["id"])["affected"]
    assert (affected["wordings"], affected["other_wordings"]) == ([RESET], 1)
    told = {each["message"]: each["question"] for each in affected["recent_servings"]}
    assert (told[wrong.json()["id"]], told[other.json()["id"]]) == (REWORDED, NEAR)
    assert affected["servings"] == len(told)
    assert all(each["at"] > 0 for each in affected["recent_servings"])


def test_in_a_shared_namespace_a_caller_is_told_numbers_only(make_world: MakeWorld) -> None:
    namespaces = {"team": Namespace(shared=True)}
    world = make_world(api_keys=KEYS, admin_key="correct-horse", anthropic_api_key="sk-real", namespaces=namespaces)
    world.ask(RESET, headers={**ANNA, **TEAM})
    served_answer = world.ask(REWORDED, headers={**BEN, **TEAM})
    said = report(world, message=served_answer.json()["id"], headers={**BEN, **TEAM})
    assert {name: type(value) for name, value in said["affected"].items()} == {"other_wordings": int, "servings": int}
    shown = report(world, message=served_answer.json()["id"], headers=ADMIN)["affected"]
    assert shown["wordings"] == [RESET]


def test_nobody_reports_what_another_was_served(make_world: MakeWorld) -> None:
    world = make_world(api_keys=KEYS, admin_key="correct-horse", anthropic_api_key="sk-real")
    answer = world.ask(RESET, headers=ANNA)
    for named in ({"message": answer.json()["id"]}, {"entry": answer.headers["x-semcache-entry"]}):
        refused = world.http("POST", f"{API}/feedback", json={**named, "verdict": "wrong"}, headers=BEN)
        assert (refused.status_code, refused.json()["error"]["type"]) == (404, "not_found_error")
    assert is_hit(world.ask(RESET, headers=ANNA))


@pytest.mark.parametrize("named", [{"entry": "ent_1"}, {"message": "msg_1"}, {"request": "req_1"}, {"entry": ""}])
def test_an_unknown_id_is_named_by_its_field(lasting_world: World, named: dict[str, str]) -> None:
    answer = lasting_world.http("POST", f"{API}/feedback", json={**named, "verdict": "wrong"})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (404, "not_found_error")
    assert error["message"].startswith(f"{next(iter(named))}: ")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(
            {"message": "msg_1", "verdict": "bad"}, "verdict: Input should be 'right' or 'wrong'", id="verdict"
        ),
        pytest.param({"verdict": "wrong"}, "entry, message and request", id="no id"),
        pytest.param({"entry": "e", "message": "m", "verdict": "wrong"}, "entry, message and request", id="two ids"),
        pytest.param({"entry": "e"}, "verdict", id="no verdict"),
        pytest.param({"entry": "e", "verdict": "wrong", "question": ""}, "question", id="empty question"),
    ],
)
def test_what_is_not_quite_said_is_told_its_field(lasting_world: World, body: dict[str, str], words: str) -> None:
    answer = lasting_world.http("POST", f"{API}/feedback", json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert words in answer.json()["error"]["message"]


def test_after_thirty_days_only_the_entry_can_be_named(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    with restartable(tmp_path, clock=lambda: now[0]) as restarted:
        with restarted() as place:
            faq = "question,answer\nWhat are your opening hours?,We are here from nine to five.\n"
            place.http("POST", f"{API}/import?format=csv", content=faq)
            message = place.ask("What are your opening hours?").json()["id"]
        now[0] += 31 * 24 * 3600.0
        with restarted() as place:
            body = {"message": message, "verdict": "right"}
            until(lambda: place.http("POST", f"{API}/feedback", json=body).status_code == 404)
            assert is_hit(place.ask("What are your opening hours?"))


@contextmanager
def restartable(folder: Path, **options: Any) -> Iterator[Callable[[], Any]]:
    """The service, as often as it is started, on one state and before one simulator."""
    simulator = Simulator(PriceBook.load(MODELS / "claude.toml"), answers=STUBBORN)
    with served(simulator_app(simulator), lifespan="off") as upstream:
        chosen = settings(folder, upstream=upstream)

        @contextmanager
        def restarted() -> Iterator[Place]:
            with served(create_app(chosen, **options)) as url:
                yield Place(chosen, url)

        yield restarted
