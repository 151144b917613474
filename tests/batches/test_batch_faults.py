"""Whatever the upstream does, every request of a batch ends exactly once, and with the right result."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from batches.batch_worlds import PATH, QUICK, TOPICS, item, items, text_of
from service.worlds import until

from semcache.batching.batch_life import Terms
from semcache.upstream.simulator import BatchConduct, Fault, FaultKind


def right(results, count):
    return all(TOPICS[n] in text_of(results[f"id-{n}"]) for n in range(count))


@pytest.mark.parametrize(
    ("fault", "times", "route"),
    [
        pytest.param(Fault.of_status(500), 2, f"POST {PATH}", id="500 on create"),
        pytest.param(Fault.of_status(529), 2, f"POST {PATH}", id="529 on create"),
        pytest.param(Fault.of_status(429), 2, f"POST {PATH}", id="429 on create"),
        pytest.param(Fault.of_status(401), 2, f"POST {PATH}", id="401 for a while"),
        pytest.param(Fault(FaultKind.TRUNCATED), 1, f"POST {PATH}", id="a create whose answer is cut"),
        pytest.param(Fault(FaultKind.TORN), 1, f"POST {PATH}", id="a create whose connection breaks"),
        pytest.param(Fault.of_status(504), 3, f"GET {PATH}/msg*", id="504 while polling and reading"),
        pytest.param(Fault(FaultKind.TORN), 2, f"GET {PATH}/msg*", id="torn while polling"),
        pytest.param(Fault(FaultKind.TORN, after_events=3), 3, "GET *results", id="results torn in a line"),
        pytest.param(Fault(FaultKind.TRUNCATED, after_events=5), 2, "GET *results", id="results cut"),
        pytest.param(Fault.of_status(500), 2, f"GET {PATH}", id="500 on the list"),
    ],
)
def test_an_outage_postpones_and_never_drops_or_doubles(world, fault, times, route):
    world.simulator.inject(fault, times=times, route=route)
    results = world.finished(items(8))
    assert len(results) == 8
    assert right(results, 8)
    assert Counter(world.questions_sent()) == Counter(TOPICS[:8])


def test_a_create_that_is_refused_for_good_ends_its_requests_with_the_upstreams_error(world):
    world.simulator.inject(Fault.of_status(400), route=f"POST {PATH}")
    results = world.finished(items(3))
    assert {each["error"]["error"]["type"] for each in results.values()} == {"invalid_request_error"}
    assert not world.sent()


def test_a_credential_that_is_refused_again_and_again_ends_the_batch(world):
    world.simulator.inject(Fault.of_status(401), times=None, route=f"POST {PATH}")
    results = world.finished(items(2))
    assert {each["error"]["error"]["type"] for each in results.values()} == {"authentication_error"}


def test_single_requests_that_fail_upstream_are_errored_and_the_rest_is_answered(open_world):
    fails = BatchConduct(seconds=0.1, fails=lambda params: 529 if "cats" in str(params) else None)
    world = open_world(conduct=fails)
    results = world.finished(items(6))
    failed = {custom_id for custom_id, each in results.items() if each["type"] == "errored"}
    assert failed == {f"id-{n}" for n in range(6) if "cats" in TOPICS[n]}
    assert results[failed.pop()]["error"]["error"]["type"] == "overloaded_error"


def test_a_batch_that_is_lost_upstream_ends_with_an_error(open_world):
    world = open_world(conduct=BatchConduct(seconds=0.0))
    world.simulator.inject(Fault.of_status(404), times=1, route=f"GET {PATH}/msg*")
    results = world.finished(items(2))
    assert {each["error"]["error"]["type"] for each in results.values()} == {"api_error"}


def test_a_canceled_batch_keeps_what_was_answered(open_world):
    world = open_world(conduct=BatchConduct(seconds=40.0, cancel_seconds=0.2))
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(8))
        until(lambda: world.simulator.batches)
        world.clock.skipped += 20
        assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
        world.clock.skipped += 1
        counts = world.ended(batch.id).request_counts
        assert client.messages.batches.retrieve(batch.id).cancel_initiated_at is not None
    assert counts.succeeded + counts.canceled == 8
    assert 0 < counts.canceled < 8
    results = world.results(batch.id)
    assert Counter(each["type"] for each in results.values())["canceled"] == counts.canceled
    answered = next(custom_id for custom_id, each in results.items() if each["type"] == "succeeded")
    assert world.ask(TOPICS[int(answered[3:])]).headers["cache-status"].startswith("semcache; hit")


def test_canceling_before_anything_was_sent_sends_nothing(world):
    world.simulator.inject(Fault.of_status(429), times=None, route=f"POST {PATH}")
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(4))
        client.messages.batches.cancel(batch.id)
        assert world.ended(batch.id).request_counts.canceled == 4
    assert not world.sent()


def test_an_upstream_that_never_confirms_a_cancellation_is_not_waited_for_for_ever(open_world):
    world = open_world(conduct=BatchConduct(seconds=10_000), rules=replace(QUICK, give_up_seconds=0.3))
    world.simulator.inject(Fault.of_status(500), times=None, route="POST *cancel")
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(3))
        until(lambda: world.simulator.batches)
        client.messages.batches.cancel(batch.id)
        assert world.ended(batch.id).request_counts.canceled == 3


def test_what_has_no_answer_by_the_expiry_ends_as_expired(open_world):
    terms = Terms(expiry_seconds=0.5)
    world = open_world(conduct=BatchConduct(seconds=10_000, cancel_seconds=0.1), rules=replace(QUICK, terms=terms))
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(3))
        assert (batch.expires_at - batch.created_at).total_seconds() == 0.5
        assert world.ended(batch.id).request_counts.expired == 3
    assert {each["type"] for each in world.results(batch.id).values()} == {"expired"}


def test_a_batch_that_expires_upstream_is_told_as_it_is(open_world):
    world = open_world(conduct=BatchConduct(seconds=10_000, expiry_seconds=0.5))
    results = world.finished(items(3))
    assert {each["type"] for each in results.values()} == {"expired"}


def test_results_that_were_kept_long_enough_are_gone_and_the_batch_is_remembered(open_world):
    world = open_world(rules=replace(QUICK, terms=Terms(kept_seconds=100.0)))
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(2))
        world.ended(batch.id)
        world.clock.skipped += 1000
        until(lambda: client.messages.batches.retrieve(batch.id).archived_at is not None)
        assert client.messages.batches.retrieve(batch.id).results_url is None
    assert world.http("GET", f"{PATH}/{batch.id}/results").status_code == 404


def test_large_batches_are_split_and_joined(open_world):
    from semcache.batching.splitting import Limits

    world = open_world(rules=replace(QUICK, limits=Limits(max_requests=3)))
    results = world.finished(items(10))
    assert [len(batch.requests) for batch in world.simulator.batches] == [3, 3, 3, 1]
    assert right(results, 10)


def test_requests_whose_exchanges_were_let_go_are_stored_and_booked_all_the_same(open_world):
    world = open_world(rules=replace(QUICK, open_exchanges=0))
    results = world.finished(items(4))
    assert right(results, 4)
    assert world.ask(TOPICS[1]).headers["cache-status"].startswith("semcache; hit")
    sums = {row["outcome"]: row for row in world.http("GET", "/semcache/v1/savings").json()["outcomes"]}
    assert sums["miss"]["requests"] == 4


def test_a_request_that_is_too_large_for_any_batch_ends_and_holds_nobody_up(open_world):
    from semcache.batching.splitting import Limits

    world = open_world(rules=replace(QUICK, limits=Limits(max_requests=10, max_bytes=2_000)))
    results = world.finished([item("large", "Why? " * 1_000), *items(3)])
    assert right(results, 3)
    assert results["large"]["error"]["error"]["type"] == "request_too_large"


@pytest.mark.parametrize("open_exchanges", [pytest.param(10, id="with exchanges"), pytest.param(0, id="as recorded")])
def test_what_a_batch_costs_counts_towards_the_limit_of_the_day(open_world, open_exchanges):
    world = open_world(rules=replace(QUICK, open_exchanges=open_exchanges), usd_per_day=1000.0)
    world.finished(items(4))
    [spent] = {row["usd"] for row in world.http("GET", "/semcache/v1/savings").json()["limited_today"].values()}
    assert spent == pytest.approx(float(world.simulator.bill_usd))


def test_a_spent_limit_ends_what_is_not_in_memory_with_an_error(open_world):
    world = open_world(usd_per_day=0.000001)
    world.finished(items(1))
    results = world.finished(items(3))
    assert results["id-0"]["type"] == "succeeded"
    assert {results[f"id-{n}"]["error"]["error"]["type"] for n in (1, 2)} == {"rate_limit_error"}
