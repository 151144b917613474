"""Audits, comparisons and refreshes that wait: collected, asked at half price, and learned from like any other."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from batches.batch_worlds import PATH, QUICK, TOPICS, BatchWorld
from service.worlds import served, until

from semcache import assembly
from semcache.decision.audit_schedule import AuditSchedule
from semcache.decision.sameness.local import LocalJudge
from semcache.decision.sameness.outcomes import Uncertain
from semcache.request import Mode
from semcache.service.app import app_around
from semcache.service.parts import open_parts
from semcache.upstream.simulator import BatchConduct

WAIT_SECONDS = 7200.0
REWORDED = f"{TOPICS[2].upper()} "
PATIENT = {"audits": True, "own_jobs_wait_seconds": WAIT_SECONDS}


def pruned(_: dict[str, Any]) -> str:
    """What Claude says, however he is asked."""
    return "Cut crossing branches in late winter, and leave the spurs that will bear fruit."


@pytest.fixture(autouse=True)
def placebos(monkeypatch):
    """None, or all with this share: by chance a few audits have a second question."""

    def share(of_audits: float) -> None:
        monkeypatch.setattr(assembly, "AuditSchedule", partial(AuditSchedule, placebo_share=of_audits))

    share(0.0)
    return share


@pytest.fixture
def patient(open_world):
    return open_world(**PATIENT, answer=pruned)


def audited(world: BatchWorld) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.http("GET", "/semcache/v1/audits").json()["audits"]
    return found


def serve_from_memory(world: BatchWorld) -> None:
    """One similar hit, which is to be audited."""
    world.ask(TOPICS[2])
    assert "detail=semantic" in world.ask(REWORDED).headers["cache-status"]
    until(lambda: world.http("GET", "/semcache/v1/batches").json()["own_jobs"] == 1)


def real_time_calls(world: BatchWorld) -> int:
    return sum(call.path == "/v1/messages" for call in world.simulator.calls)


def under_way(world: BatchWorld) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.http("GET", "/semcache/v1/batches").json()["batches"]
    return found


@contextmanager
def stopped_and_started(world: BatchWorld) -> Iterator[BatchWorld]:
    """Another service on the same state and the same upstream."""
    app = app_around(lambda: open_parts(world.settings, clock=world.clock), batch_rules=QUICK)
    with served(app) as url:
        yield BatchWorld(world.settings, url, world.simulator, world.upstream_url, world.clock)


def test_an_audit_waits_and_is_asked_at_half_price(patient):
    serve_from_memory(patient)
    assert (audited(patient), patient.sent()) == ([], [])
    patient.clock.skipped += WAIT_SECONDS / 2
    until(lambda: audited(patient))
    assert [row["verdict"] for row in audited(patient)] == ["same"]
    [batch] = patient.simulator.batches
    assert (len(batch.requests), real_time_calls(patient)) == (1, 1)
    assert audited(patient)[0]["cost_usd"] == pytest.approx(float(batch.cost_usd))
    until(lambda: under_way(patient) == [])
    assert Decimal(patient.http("GET", "/semcache/v1/savings").json()["cost_usd"]) == patient.simulator.bill_usd


def test_what_an_audit_finds_late_is_learned_like_any_other(open_world):
    world = open_world(**PATIENT, answer=pruned, conduct=BatchConduct(seconds=0.1))
    serve_from_memory(world)
    world.clock.skipped += WAIT_SECONDS / 2
    until(lambda: audited(world))
    certificate = world.http("GET", "/semcache/v1/quality").json()["overall"]["since_start"]
    assert (certificate["audits"], certificate["wrong"]) == (1, 0)


def test_a_second_question_waits_again_and_each_is_paid_for_once(open_world, placebos):
    placebos(1.0)
    world = open_world(**PATIENT, answer=pruned)
    serve_from_memory(world)
    for _ in range(2):
        world.clock.skipped += WAIT_SECONDS / 2
        until(lambda: world.http("GET", "/semcache/v1/batches").json()["own_jobs"] == 0)
        until(lambda: under_way(world) == [])
    until(lambda: audited(world))
    [found] = audited(world)
    assert (found["verdict"], found["placebo"]) == ("same", "same")
    assert [len(batch.requests) for batch in world.simulator.batches] == [1, 1]
    assert found["cost_usd"] == pytest.approx(float(sum(batch.cost_usd for batch in world.simulator.batches)))
    assert Decimal(world.http("GET", "/semcache/v1/savings").json()["cost_usd"]) == world.simulator.bill_usd


CRITERIA = ("same_task", "same_constraints", "as_complete", "right_context", "still_fresh")
JUDGED = {
    **PATIENT, "audits": False, "judge_model": "claude-haiku-5-5", "anthropic_api_key": "key-of-the-service",
}  # fmt: skip
ALIKE = "How do I plant a pear tree?"


def pruned_and_judged(body: dict[str, Any]) -> str:
    return json.dumps(dict.fromkeys(CRITERIA, True)) if "output_config" in body else pruned(body)


@pytest.fixture
def unsure(monkeypatch):
    """The local judge can tell nothing."""
    monkeypatch.setattr(LocalJudge, "compare", lambda self, pairing: Uncertain("alike-to-a-degree", 0.5))


@pytest.mark.parametrize(("mode", "alike"), [(Mode.SEMANTIC, ALIKE), (Mode.SHADOW, ALIKE), (Mode.SHADOW, REWORDED)])
def test_the_judge_of_what_was_just_answered_can_wait(open_world, unsure, mode, alike):
    world = open_world(**JUDGED, mode=mode, answer=pruned_and_judged)
    for question in (TOPICS[2], alike):
        world.ask(question)
    until(lambda: world.http("GET", "/semcache/v1/batches").json()["own_jobs"] == 1)
    assert real_time_calls(world) == 2
    for _ in range(2):  # both orders of the two answers
        world.clock.skipped += WAIT_SECONDS / 2
        until(lambda: world.http("GET", "/semcache/v1/batches").json()["own_jobs"] == 0)
        until(lambda: under_way(world) == [])
    until(lambda: world.http("GET", "/semcache/v1/quality").json()["overall"]["labels"] == 1)
    assert real_time_calls(world) == 2
    assert [len(batch.requests) for batch in world.simulator.batches] == [1, 1]
    assert Decimal(world.http("GET", "/semcache/v1/savings").json()["cost_usd"]) == world.simulator.bill_usd


def test_a_fresh_answer_that_may_repeat_a_reported_one_is_judged_at_once(open_world, unsure):
    world = open_world(**JUDGED, answer=pruned_and_judged)
    entry = world.ask(TOPICS[2]).headers["x-semcache-entry"]
    world.http("POST", "/semcache/v1/feedback", json={"entry": entry, "question": ALIKE, "verdict": "wrong"})
    world.ask(ALIKE)
    until(lambda: real_time_calls(world) == 4)
    until(lambda: world.http("GET", "/semcache/v1/stats").json()["entries"] == 1)
    assert world.simulator.batches == []


def test_our_own_batches_are_nobodys_to_see(open_world):
    world = open_world(**PATIENT, answer=pruned, conduct=BatchConduct(seconds=10_000))
    serve_from_memory(world)
    world.clock.skipped += WAIT_SECONDS / 2
    until(lambda: world.simulator.batches)
    [view] = under_way(world)
    assert world.http("GET", PATH).json()["data"] == []
    for method, path in (("GET", ""), ("GET", "/results"), ("POST", "/cancel"), ("DELETE", "")):
        assert world.http(method, f"{PATH}/{view['id']}{path}").status_code == 404


def test_what_has_no_answer_in_time_is_asked_in_real_time(open_world):
    world = open_world(**PATIENT, answer=pruned, conduct=BatchConduct(seconds=1e6, cancel_seconds=0.1))
    serve_from_memory(world)
    world.clock.skipped += WAIT_SECONDS / 2
    until(lambda: world.simulator.batches)
    assert audited(world) == []
    world.clock.skipped += WAIT_SECONDS / 2
    until(lambda: audited(world))
    assert [row["verdict"] for row in audited(world)] == ["same"]
    assert real_time_calls(world) == 2


def test_an_audit_that_is_refused_upstream_says_nothing(open_world):
    world = open_world(**PATIENT, answer=pruned, conduct=BatchConduct(seconds=0.1, fails=lambda params: 500))
    serve_from_memory(world)
    world.clock.skipped += WAIT_SECONDS / 2
    until(lambda: audited(world))
    assert [row["verdict"] for row in audited(world)] == ["unjudged"]
    assert world.http("GET", "/semcache/v1/quality").json()["overall"]["since_start"]["audits"] == 0


def test_an_audit_of_an_answer_that_has_gone_is_dropped(patient):
    serve_from_memory(patient)
    patient.http("POST", "/semcache/v1/purge", json={"namespace": "default"})
    patient.clock.skipped += WAIT_SECONDS / 2
    until(lambda: patient.simulator.batches and under_way(patient) == [])
    assert audited(patient) == []


@pytest.mark.parametrize("has_been_sent", [False, True])
def test_a_restart_loses_no_job(open_world, tmp_path, has_been_sent):
    outer = open_world(conduct=BatchConduct(seconds=WAIT_SECONDS / 4), answer=pruned)
    world = BatchWorld(
        outer.settings.with_arguments(**PATIENT, data_dir=tmp_path / "other"),
        "", outer.simulator, outer.upstream_url, outer.clock,
    )  # fmt: skip
    with stopped_and_started(world) as first:
        serve_from_memory(first)
        if has_been_sent:
            first.clock.skipped += WAIT_SECONDS / 2
            until(lambda: first.simulator.batches)
    with stopped_and_started(world) as second:
        until(lambda: second.simulator.batches)
        second.clock.skipped += WAIT_SECONDS / 4
        until(lambda: audited(second))
        assert [row["verdict"] for row in audited(second)] == ["same"]
        assert (len(second.sent()), real_time_calls(second)) == (1, 1)


def test_jobs_that_were_left_are_done_though_nothing_waits_any_more(open_world, tmp_path):
    outer = open_world(answer=pruned)
    changed = outer.settings.with_arguments(**PATIENT, data_dir=tmp_path / "other")
    world = BatchWorld(changed, "", outer.simulator, outer.upstream_url, outer.clock)
    with stopped_and_started(world) as first:
        serve_from_memory(first)
    world.settings = changed.with_arguments(own_jobs_wait_seconds=0.0)
    with stopped_and_started(world) as second:
        until(lambda: audited(second))
        assert len(second.sent()) == 1


def test_neither_key_nor_prompt_of_a_waiting_job_is_in_the_log_and_its_key_in_no_file(open_world, caplog):
    caplog.set_level(logging.INFO, logger="semcache")
    world = open_world(**PATIENT, answer=pruned, conduct=BatchConduct(seconds=10_000))
    serve_from_memory(world)
    world.clock.skipped += WAIT_SECONDS / 2
    until(lambda: world.simulator.batches)
    files = [path for path in world.settings.data_dir.iterdir() if path.is_file()]
    assert not [path for path in files if b"key-of-anna" in path.read_bytes()]
    assert "jobs of our own" in caplog.text
    assert "pear" not in caplog.text.lower()
