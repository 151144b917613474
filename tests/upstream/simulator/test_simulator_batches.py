"""Batches as time passes: processing, ending, cancellation, expiry, archive, and who may see them."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream.simulator.batch_samples import DAY, PATH, BatchDesk, item, items, kinds

from semcache.errors import UpstreamTorn
from semcache.upstream.simulator import BatchConduct, Fault, FaultKind

NOTHING_YET = {"succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}


@pytest.fixture
def open_batches(open_desk):
    def open_with(answers=None, **conduct):
        return BatchDesk(open_desk(answers, batches=BatchConduct(**conduct)))

    return open_with


@pytest.fixture
def batches(open_batches):
    return open_batches()


def test_new_batch_is_in_progress_and_expires_in_a_day(batches):
    batch = batches.create(items(3)).json
    assert batch["id"].startswith("msgbatch_")
    assert batch == {
        "id": batch["id"], "type": "message_batch", "processing_status": "in_progress",
        "request_counts": {"processing": 3, **NOTHING_YET},
        "created_at": "2026-11-23T12:00:00.000000Z", "expires_at": "2026-11-24T12:00:00.000000Z",
        "ended_at": None, "cancel_initiated_at": None, "archived_at": None, "results_url": None,
    }  # fmt: skip


def test_counts_stay_with_processing_until_the_whole_batch_has_ended(batches):
    batch_id = batches.created(items(10))
    batches.wait(59)
    assert batches.status(batch_id)["request_counts"] == {"processing": 10, **NOTHING_YET}
    assert batches.simulator.bill_usd > 0
    batches.wait(1)
    batch = batches.status(batch_id)
    assert batch["request_counts"] == {"processing": 0, **NOTHING_YET, "succeeded": 10}
    assert (batch["processing_status"], batch["ended_at"]) == ("ended", "2026-11-23T12:01:00.000000Z")


def test_results_url_names_claude_and_not_whoever_was_asked(batches):
    batch_id = batches.created(items(1))
    batches.wait(60)
    assert batches.status(batch_id)["results_url"] == f"https://api.anthropic.com{PATH}/{batch_id}/results"


def test_every_request_is_answered_as_in_real_time(open_batches, ask):
    batches = open_batches({"Why?": "Because."})
    result = batches.finished([item("a"), item("b", "And then?")])
    message = result["a"]["message"]
    assert message["content"][-1] == {"type": "text", "text": "Because."}
    assert (message["type"], message["stop_reason"]) == ("message", "end_turn")
    assert message["usage"]["service_tier"] == "batch"
    assert batches.desk.post(ask()).json["content"][-1]["text"] == "Because."
    assert "And then?" in result["b"]["message"]["content"][-1]["text"]


def test_results_come_in_another_order_than_the_requests(open_batches):
    shuffled, ordered = open_batches(), open_batches(is_shuffled=False)
    for batches in (shuffled, ordered):
        batch_id = batches.created(items(300))
        batches.wait(60)
        ids = [line["custom_id"] for line in batches.lines(batch_id)]
        assert sorted(ids) == sorted(f"id-{n}" for n in range(300))
        assert (ids == [f"id-{n}" for n in range(300)]) is (batches is ordered)


def test_slow_requests_hold_the_batch_up(open_batches):
    batches = open_batches(slow_share=0.2, slow_seconds=600)
    batch_id = batches.created(items(50))
    batches.wait(659)
    assert batches.status(batch_id)["processing_status"] == "in_progress"
    batches.wait(1)
    assert batches.status(batch_id)["ended_at"] == "2026-11-23T12:11:00.000000Z"


def test_results_are_the_same_however_often_they_are_read(batches):
    batch_id = batches.created(items(5))
    batches.wait(60)
    assert batches.lines(batch_id) == batches.lines(batch_id)


def test_bad_requests_become_errored_results_beside_good_ones(batches):
    results = batches.finished([item("good"), item("bad", max_tokens=-1), item("gone", model="claude-next")])
    assert kinds(results) == {"good": "succeeded", "bad": "errored", "gone": "errored"}
    assert results["bad"]["error"]["error"] == {
        "type": "invalid_request_error",
        "message": "max_tokens: Input should be greater than or equal to 0",
    }
    assert results["gone"]["error"]["error"]["type"] == "not_found_error"
    assert results["gone"]["error"]["type"] == "error"
    assert results["gone"]["error"]["request_id"].startswith("req_")


def test_requests_can_fail_on_the_side_of_claude(open_batches):
    batches = open_batches(fails=lambda params: 529 if params["max_tokens"] == 7 else None)
    results = batches.finished([item("a"), item("b", max_tokens=7)])
    assert kinds(results) == {"a": "succeeded", "b": "errored"}
    assert results["b"]["error"]["error"]["type"] == "overloaded_error"


def test_canceling_lets_what_is_under_way_finish_and_cancels_the_rest(open_batches):
    batches = open_batches(seconds=100, cancel_seconds=10)
    batch_id = batches.created(items(100))
    batches.wait(40)
    canceling = batches.cancel(batch_id).json
    assert canceling["processing_status"] == "canceling"
    assert canceling["cancel_initiated_at"] == "2026-11-23T12:00:40.000000Z"
    batches.wait(10)
    batch = batches.status(batch_id)
    assert batch["request_counts"] == {"processing": 0, **NOTHING_YET, "succeeded": 50, "canceled": 50}
    assert batch["ended_at"] == "2026-11-23T12:00:50.000000Z"
    assert list(kinds(batches.results(batch_id)).values()).count("canceled") == 50


def test_canceling_twice_changes_nothing_and_after_the_end_is_refused(batches):
    batch_id = batches.created(items(4))
    first = batches.cancel(batch_id).json
    batches.wait(2)
    assert batches.cancel(batch_id).json == first
    batches.wait(60)
    refused = batches.cancel(batch_id)
    assert (refused.status, refused.json["error"]["type"]) == (400, "invalid_request_error")


def test_canceling_too_late_cancels_nothing(batches):
    batch_id = batches.created(items(4))
    batches.wait(58)
    batches.cancel(batch_id)
    batches.wait(5)
    assert batches.status(batch_id)["request_counts"]["succeeded"] == 4


def test_what_is_not_done_within_a_day_expires(open_batches):
    batches = open_batches(slow_share=0.3, slow_seconds=2 * DAY)
    batch_id = batches.created(items(40))
    batches.wait(DAY - 1)
    assert batches.status(batch_id)["processing_status"] == "in_progress"
    batches.wait(1)
    batch = batches.status(batch_id)
    counts = batch["request_counts"]
    assert counts["expired"] > 0
    assert counts["succeeded"] + counts["expired"] == 40
    assert batch["ended_at"] == batch["expires_at"]


def test_results_are_archived_after_29_days(batches):
    batch_id = batches.created(items(2))
    batches.wait(29 * DAY)
    batch = batches.status(batch_id)
    assert (batch["results_url"], batch["archived_at"]) == (None, "2026-12-22T12:00:00.000000Z")
    assert batches.desk.get(f"{PATH}/{batch_id}/results").status == 404


def test_results_before_the_end_are_refused(batches):
    batch_id = batches.created(items(2))
    assert batches.desk.get(f"{PATH}/{batch_id}/results").status == 400


def test_only_an_ended_batch_can_be_deleted_and_then_is_gone(batches):
    batch_id = batches.created(items(2))
    assert batches.delete(batch_id).status == 400
    batches.wait(60)
    assert batches.delete(batch_id).json == {"id": batch_id, "type": "message_batch_deleted"}
    assert [batches.desk.get(f"{PATH}/{batch_id}{rest}").status for rest in ("", "/results")] == [404, 404]


def test_another_key_sees_nothing_of_a_batch(batches):
    batch_id = batches.created(items(2))
    other = {"x_api_key": "another"}
    for method, rest in (("GET", ""), ("GET", "/results"), ("POST", "/cancel"), ("DELETE", "")):
        answer = batches.desk.send(method, f"{PATH}/{batch_id}{rest}", **other)
        assert (answer.status, answer.json["error"]["type"]) == (404, "not_found_error")
    assert batches.desk.get(PATH, **other).json == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_batches_are_listed_newest_first_in_pages_both_ways(batches):
    ids = [batches.created(items(1)) for _ in range(5)][::-1]
    first = batches.desk.get(PATH, "limit=2").json
    assert [batch["id"] for batch in first["data"]] == ids[:2]
    assert (first["has_more"], first["first_id"], first["last_id"]) == (True, ids[0], ids[1])
    rest = batches.desk.get(PATH, f"limit=3&after_id={ids[1]}").json
    assert ([batch["id"] for batch in rest["data"]], rest["has_more"]) == (ids[2:], False)
    back = batches.desk.get(PATH, f"limit=2&before_id={ids[3]}").json
    assert ([batch["id"] for batch in back["data"]], back["has_more"]) == (ids[1:3], True)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=many", "after_id=msgbatch_none"])
def test_a_page_that_cannot_be_cut_is_refused(batches, query):
    assert batches.desk.get(PATH, query).status == 400


def test_faults_strike_by_route(batches):
    batch_id = batches.created(items(2))
    batches.wait(60)
    batches.simulator.inject(Fault.of_status(500), route="GET /v1/messages/batches/*/results")
    assert batches.status(batch_id)["processing_status"] == "ended"
    assert [batches.desk.get(f"{PATH}/{batch_id}/results").status for _ in range(2)] == [500, 200]


@pytest.mark.parametrize("status", [429, 500, 529])
def test_a_creation_that_meets_an_error_creates_nothing(batches, status):
    answer = batches.create(items(2), x_simulator_fault=str(status))
    assert answer.status == status
    assert batches.simulator.batches == []


def test_a_creation_whose_answer_is_lost_has_created_all_the_same(batches):
    batches.simulator.inject(Fault(FaultKind.TORN))
    with pytest.raises(UpstreamTorn):
        batches.create(items(2))
    (batch,) = batches.desk.get(PATH).json["data"]
    assert batch["request_counts"]["processing"] == 2


def test_torn_results_break_off_in_the_middle_of_a_line(batches):
    batch_id = batches.created(items(9))
    batches.wait(60)
    with pytest.raises(UpstreamTorn):
        batches.lines(batch_id, x_simulator_fault="torn;after=3")
    cut = batches.desk.get(f"{PATH}/{batch_id}/results", x_simulator_fault="truncated;after=3").raw.split(b"\n")
    assert [json.loads(line)["result"]["type"] for line in cut[:3]] == ["succeeded"] * 3
    assert (len(cut), len(cut[3]) > 0) == (4, True)
    assert batches.desk.get(f"{PATH}/{batch_id}/results", x_simulator_fault="mid_stream_error").status == 529


def test_slow_results_still_say_everything(batches):
    batch_id = batches.created(items(3))
    batches.wait(60)
    assert len(batches.lines(batch_id, x_simulator_fault="slow;seconds=0.001")) == 3


steps = st.lists(st.tuples(st.sampled_from(["wait", "cancel", "look"]), st.integers(0, 50_000)), max_size=8)
conducts = st.fixed_dictionaries(
    {"seconds": st.integers(0, 2 * DAY), "slow_share": st.sampled_from([0, 0.5, 1]),
     "slow_seconds": st.integers(0, DAY), "cancel_seconds": st.integers(0, 4000)}
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(conduct=conducts, count=st.integers(1, 30), steps=steps)
def test_whatever_happens_every_request_ends_exactly_once(open_batches, conduct, count, steps):
    batches = open_batches(**conduct)
    batch_id = batches.created(items(count))
    for act, seconds in steps:
        if act == "cancel":
            batches.cancel(batch_id)
        elif act == "wait":
            batches.wait(seconds)
        assert sum(batches.status(batch_id)["request_counts"].values()) == count
    batches.wait(DAY)
    batch, lines = batches.status(batch_id), batches.lines(batch_id)
    assert batch["processing_status"] == "ended"
    assert batch["created_at"] <= batch["ended_at"] <= batch["expires_at"]
    assert sorted(line["custom_id"] for line in lines) == sorted(f"id-{n}" for n in range(count))
    found = [line["result"]["type"] for line in lines]
    assert batch["request_counts"] == {"processing": 0, **{kind: found.count(kind) for kind in NOTHING_YET}}
