"""Replicas on one store are one cache: what one knows all know, and nothing is asked twice."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import httpx2
import pytest
from conftest import StartFleet
from fleets import Fleet, fleet_of, outcome, text_of
from worlds import ANSWERS, HAS_MODEL, RESET, REWORDED, question_body, until

pytestmark = pytest.mark.slow

MODEL = {"SEMCACHE_EMBEDDER": "all-MiniLM-L6-v2" if HAS_MODEL else "hashed"}
QUESTION = "How long does a parcel to Norway take?"


def test_identical_questions_to_all_replicas_at_once_are_one_upstream_call(start_fleet: StartFleet) -> None:
    with start_fleet(head_delay_seconds=1.0) as fleet:
        answers = fleet.ask_all(QUESTION, times=8)
        assert fleet.calls == 1
        assert {text_of(answer) for answer in answers} == {text_of(fleet.ask(0, QUESTION))}
        assert fleet.calls == 1


def test_what_one_replica_has_stored_the_others_serve_at_once(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        for number in range(5):
            question = f"{QUESTION} And number {number}?"
            fleet.ask(number % len(fleet.urls), question)
            assert {outcome(answer) for answer in fleet.ask_all(question)} == {"hit"}
        assert fleet.calls == 5


def test_a_faq_imported_through_one_is_served_by_all_at_once(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        learned = fleet.ask_all(QUESTION)  # who comes late may find what the first has stored, on any store
        assert fleet.calls == 1
        row = json.dumps({"question": QUESTION, "answer": "Four days."})
        done = fleet.http(0, "POST", "/semcache/v1/import?format=jsonl", content=row)
        assert done.status_code == 200, done.text
        assert {text_of(answer) for answer in fleet.ask_all(QUESTION)} == {"Four days."} != {text_of(learned[0])}
        assert fleet.calls == 1


def test_a_purge_through_one_holds_for_all_and_cannot_be_overtaken(start_fleet: StartFleet) -> None:
    with start_fleet(head_delay_seconds=1.0) as fleet:
        fleet.ask(0, QUESTION)
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(fleet.ask, 0, "What does a parcel to Norway cost?")
            until(lambda: fleet.calls == 2)
            assert fleet.http(1, "POST", "/semcache/v1/purge", json={"namespace": "default"}).status_code == 200
            assert "stored" not in late.result().headers["cache-status"].split(";")[-2:][0]
        lookups = [
            fleet.http(replica, "POST", "/semcache/v1/lookup", json={"question": asked}).json()
            for replica in range(len(fleet.urls))
            for asked in (QUESTION, "What does a parcel to Norway cost?")
        ]
        assert all(lookup["outcome"] == "miss" for lookup in lookups), lookups


def test_a_wrong_answer_reported_to_one_is_served_by_none(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        message_id = fleet.ask(0, QUESTION).json()["id"]
        report = {"message": message_id, "verdict": "wrong"}
        until(lambda: fleet.http(1, "POST", "/semcache/v1/feedback", json=report).status_code == 200, seconds=5)
        assert {outcome(answer) for answer in fleet.ask_all(QUESTION)} == {"miss"}


def test_money_spent_through_one_counts_for_all(start_fleet: StartFleet) -> None:
    with start_fleet(SEMCACHE_TOKENS_PER_DAY="2000") as fleet:
        number = 0
        while (answer := fleet.ask(0, f"Question {number}: {QUESTION}")).status_code == 200:
            number += 1
            assert number < 200
        assert answer.json()["error"]["type"] == "rate_limit_error"
        late = itertools.count()  # what is answered before the news is there would be a hit from then on
        fleet.everywhere(lambda replica: fleet.ask(replica, f"And {next(late)}: {QUESTION}").status_code == 429)
        assert outcome(fleet.ask(1, f"Question 0: {QUESTION}")) == "hit"


def test_a_replica_killed_while_it_asks_is_followed_by_one_other(start_fleet: StartFleet) -> None:
    with start_fleet(head_delay_seconds=3.0) as fleet:
        with ThreadPoolExecutor(16) as pool:
            asked = {pool.submit(fleet.ask, replica, QUESTION): replica for replica in range(3) for _ in range(4)}
            until(lambda: fleet.calls == 1)
            fleet.kill_who_talks_upstream()
            wait(asked)
        # Only clients of the dead may fail; of workers behind one port nobody knows which these were.
        torn = [replica for each, replica in asked.items() if each.exception()]
        assert all(isinstance(each.exception(), httpx2.HTTPError) for each in asked if each.exception())
        assert not set(torn) & set(fleet.alive) or len(fleet.replicas) == 1
        answers = [each.result() for each in asked if not each.exception()] + fleet.ask_all(QUESTION)
        assert len({text_of(answer) for answer in answers}) == 1
        fleet.everywhere(lambda replica: outcome(fleet.ask(replica, QUESTION)) == "hit")
        assert fleet.calls == 2


def batch_of(*questions: str) -> dict[str, Any]:
    return {"requests": [{"custom_id": f"q{n}", "params": question_body(each)} for n, each in enumerate(questions)]}


def has_ended(fleet: Fleet, replica: int, path: str) -> bool:
    return bool(fleet.http(replica, "GET", path).json()["processing_status"] == "ended")


def results_of(fleet: Fleet, path: str) -> list[dict[str, Any]]:
    """As all replicas tell them, and all the same."""
    told = {fleet.http(replica, "GET", f"{path}/results").text for replica in fleet.alive}
    assert len(told) == 1
    return [json.loads(line) for line in told.pop().splitlines()]


def test_a_batch_handed_to_one_is_everybody_s_and_sent_once(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        made = fleet.http(0, "POST", "/v1/messages/batches", json=batch_of(QUESTION)).json()
        path = f"/v1/messages/batches/{made['id']}"
        fleet.everywhere(lambda replica: has_ended(fleet, replica, path), seconds=60)
        assert [line["result"]["type"] for line in results_of(fleet, path)] == ["succeeded"]
        assert fleet.batches_sent == 1


def test_a_batch_whose_replica_is_killed_is_finished_by_another_and_sent_once(start_fleet: StartFleet) -> None:
    with start_fleet(batch_seconds=3.0) as fleet:
        questions = [f"{QUESTION} Number {number}." for number in range(5)]
        made = fleet.http(0, "POST", "/v1/messages/batches", json=batch_of(*questions)).json()
        path = f"/v1/messages/batches/{made['id']}"
        until(lambda: fleet.batches_sent == 1)
        fleet.kill_who_talks_upstream()
        fleet.everywhere(lambda replica: has_ended(fleet, replica, path), seconds=100)
        assert [line["result"]["type"] for line in results_of(fleet, path)] == ["succeeded"] * 5
        assert (fleet.batches_sent, fleet.calls) == (1, 0)
        assert {outcome(fleet.ask(replica, questions[0])) for replica in fleet.alive} == {"hit"}


def test_what_audits_prove_through_one_all_know(start_fleet: StartFleet) -> None:
    answers = dict.fromkeys((RESET, REWORDED), ANSWERS[RESET])
    with start_fleet(answers=answers, SEMCACHE_AUDITS="true", SEMCACHE_ERROR_BUDGET="0.05", **MODEL) as fleet:
        fleet.ask(0, RESET)
        assert "detail=semantic" in fleet.ask(1, REWORDED).headers["cache-status"]

        def proved(replica: int) -> Any:
            return fleet.http(replica, "GET", "/semcache/v1/quality").json()

        def is_proved(replica: int) -> bool:
            known = proved(replica)["overall"]["since_start"]
            return (known["similar_hits"], known["audits"], known["wrong"]) == (1, 1, 0)

        fleet.everywhere(is_proved)
        for part in ("since_start", "last_30_days", "error_budget", "caution"):
            assert len({json.dumps(proved(replica)["overall"][part]) for replica in fleet.alive}) == 1, part
        assert fleet.calls in (2, 3)  # the audit, for some with a placebo; no other replica asks it again


def labels(fleet: Fleet, replica: int) -> int:
    """How many a replica says there are to learn from."""
    known = fleet.http(replica, "GET", "/semcache/v1/quality").json()
    assert known["others_within_seconds"] == {"namespaces": 1.0, "routes": 30.0}
    return int(known["overall"]["labels"])


def test_a_rewording_that_feedback_calls_wrong_is_answered_wrongly_by_none(start_fleet: StartFleet) -> None:
    with start_fleet(SEMCACHE_ERROR_BUDGET="0.05", **MODEL) as fleet:
        fleet.ask(0, RESET)
        served = fleet.ask(1, REWORDED)
        assert text_of(served) == ANSWERS[RESET]
        report = {"message": served.json()["id"], "verdict": "wrong"}
        until(lambda: fleet.http(2, "POST", "/semcache/v1/feedback", json=report).status_code == 200, seconds=10)
        until(lambda: labels(fleet, 2) == 1)
        assert [labels(fleet, replica) for replica in fleet.alive] == [1] * len(fleet.alive)
        assert {text_of(answer) for answer in fleet.ask_all(REWORDED)} == {ANSWERS[REWORDED]}
        assert {text_of(answer) for answer in fleet.ask_all(RESET)} == {ANSWERS[RESET]}


# Only workers have a supervisor. What replaces a replica is its own supervisor: see test_deployment.py.
@pytest.mark.parametrize("start_fleet", ["workers"], indirect=True)
def test_the_service_stays_up_while_a_worker_is_replaced(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        fleet.ask(0, QUESTION)
        first = fleet.replicas[0].pids
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(set(fleet.replicas[0].pids) - set(first)) == 1)
        fleet.everywhere(lambda replica: outcome(fleet.ask(replica, QUESTION)) == "hit")
        assert fleet.calls == 1


@pytest.mark.parametrize("start_fleet", ["workers"], indirect=True)
def test_a_worker_that_dies_instead_of_answering_its_supervisor_is_replaced(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        first = fleet.replicas[0].pids
        os.kill(first[0], signal.SIGSTOP)
        time.sleep(1.5)  # it is asked every half second how it is; if it was not, this test shows less
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(set(fleet.replicas[0].pids) - set(first)) == 1, seconds=20)


def test_a_store_that_goes_away_costs_hits_and_comes_back_by_itself(
    mortal_store: tuple[str, Any], tmp_path: Path
) -> None:
    url, server = mortal_store
    with fleet_of(tmp_path, url) as fleet:
        fleet.ask(0, QUESTION)
        fleet.everywhere(lambda replica: outcome(fleet.ask(replica, QUESTION)) == "hit")
        assert fleet.calls == 1
        server.kill()

        def is_left_alone(replica: int) -> bool:
            assert outcome(fleet.ask(replica, QUESTION)) in ("miss", "bypass")
            return fleet.metric(replica, 'semcache_store_circuit{state="closed"}') == 0

        fleet.everywhere(is_left_alone)
        assert all(fleet.metric(replica, "semcache_store_errors_total") >= 5 for replica in range(3))
        assert {fleet.http(replica, "GET", "/readyz").status_code for replica in range(3)} == {200}
        server.start()

        def is_back(replica: int) -> bool:
            is_hit = outcome(fleet.ask(replica, QUESTION)) == "hit"
            return is_hit and fleet.metric(replica, 'semcache_store_circuit{state="closed"}') == 1

        fleet.everywhere(is_back)
        calls = fleet.calls
        assert {outcome(answer) for answer in fleet.ask_all(QUESTION)} == {"hit"}
        assert fleet.calls == calls
