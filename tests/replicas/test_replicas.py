"""Replicas on one store are one cache: what one knows all know, and nothing is asked twice."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from conftest import StartFleet
from fleets import Fleet, outcome, text_of, workers_of
from worlds import until

pytestmark = pytest.mark.slow

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


def test_a_faq_imported_through_one_is_served_by_all_within_a_second(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        assert "miss" in {
            outcome(answer) for answer in fleet.ask_all(QUESTION)
        }  # late ones may find the first's answer
        row = json.dumps({"question": QUESTION, "answer": "Four days."})
        done = fleet.http(0, "POST", "/semcache/v1/import?format=jsonl", content=row)
        assert done.status_code == 200, done.text
        fleet.everywhere(lambda replica: text_of(fleet.ask(replica, QUESTION)) == "Four days.", seconds=5)


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
        fleet.everywhere(lambda replica: fleet.ask(replica, f"And {replica}: {QUESTION}").status_code == 429)
        assert outcome(fleet.ask(1, f"Question 0: {QUESTION}")) == "hit"


def test_a_replica_killed_while_it_asks_is_followed_by_one_other(start_fleet: StartFleet) -> None:
    with start_fleet(head_delay_seconds=3.0) as fleet:
        with ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(_survivor, fleet, replica % len(fleet.urls)) for replica in range(12)]
            until(lambda: fleet.calls == 1)
            os.kill((workers_of(fleet.processes[0]) or [fleet.processes[0].pid])[0], signal.SIGKILL)
            answers = [each.result() for each in asked]
        texts = {text_of(answer) for answer in answers if answer is not None}
        assert len(texts) == 1
        assert fleet.calls <= 2
        fleet.everywhere(lambda replica: _survivor_hits(fleet, replica))
        assert fleet.calls <= 2


def _survivor(fleet: Fleet, replica: int) -> httpx2.Response | None:
    """The answer; None to a client of the one that was killed."""
    try:
        return fleet.ask(replica, QUESTION)
    except httpx2.HTTPError:
        return None


def _survivor_hits(fleet: Fleet, replica: int) -> bool:
    answer = _survivor(fleet, replica)
    return answer is None or outcome(answer) == "hit"


def test_a_batch_handed_to_one_is_everybody_s_and_sent_once(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        params = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": QUESTION}]}
        body = {"requests": [{"custom_id": "one", "params": params}]}
        made = fleet.http(0, "POST", "/v1/messages/batches", json=body).json()
        path = f"/v1/messages/batches/{made['id']}"
        fleet.everywhere(
            lambda replica: fleet.http(replica, "GET", path).json()["processing_status"] == "ended", seconds=60
        )
        lines = [fleet.http(replica, "GET", f"{path}/results").text for replica in range(len(fleet.urls))]
        assert len(set(lines)) == 1
        assert json.loads(lines[0])["result"]["type"] == "succeeded"
        assert sum(call.path == "/v1/messages/batches" and call.method == "POST" for call in fleet.simulator.calls) == 1


@pytest.mark.parametrize("start_fleet", ["workers"], indirect=True)
def test_the_service_stays_up_while_a_worker_is_replaced(start_fleet: StartFleet) -> None:
    with start_fleet() as fleet:
        fleet.ask(0, QUESTION)
        first = workers_of(fleet.processes[0])
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(set(workers_of(fleet.processes[0])) - set(first)) == 1)
        fleet.everywhere(lambda replica: outcome(fleet.ask(replica, QUESTION)) == "hit")
        assert fleet.calls == 1
