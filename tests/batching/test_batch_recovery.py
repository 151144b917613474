"""What became of a create that nobody answered for: found, lost, to be looked into, or too early to tell."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.batching.markers import Mark, new_marker
from semcache.batching.message_batch import Counts, MessageBatch, ProcessingStatus
from semcache.batching.recovery import (
    CreateAnswer,
    Found,
    LookInto,
    Lost,
    Patience,
    Seen,
    Sending,
    TooEarly,
    create_answer,
    lists_enough,
    search,
)

OURS, OTHER = new_marker(b"our own marker!"), new_marker(b"another marker!")
TRIED_AT = 10_000.0
SENDING = Sending(OURS, 3, TRIED_AT)
PATIENCE = Patience(skew_seconds=60, arrival_seconds=120)
LATE, EARLY = TRIED_AT + 500, TRIED_AT + 10


def batch(id="b", *, ended=False, **changes):
    counts = Counts(succeeded=3) if ended else Counts(processing=3)
    status = ProcessingStatus.ENDED if ended else ProcessingStatus.IN_PROGRESS
    return replace(MessageBatch(id, status, counts, TRIED_AT + 1, TRIED_AT + 86_401), **changes)


def searched(*listed, now=LATE, ours=frozenset(), **first_ids):
    return search(SENDING, Seen(listed, ours, first_ids), now, PATIENCE)


def test_a_batch_whose_results_bear_our_mark_is_the_one():
    mine = Mark(OURS, 2).custom_id
    assert searched(batch("a"), batch("b", ended=True), b=mine) == Found("b")
    assert searched(batch("b", ended=True), now=EARLY, b=mine) == Found("b")


@pytest.mark.parametrize("first_id", [Mark(OTHER, 0).custom_id, "theirs", OURS])
def test_a_batch_whose_results_bear_no_mark_of_this_sending_is_not(first_id):
    assert searched(batch("b", ended=True), b=first_id) == Lost()


def test_what_has_ended_is_looked_into_before_anything_is_waited_for():
    assert searched(batch("a"), batch("b", ended=True), batch("c", ended=True)) == LookInto(("b", "c"))


def test_what_still_runs_may_be_ours():
    assert searched(batch("a"), batch("b", status=ProcessingStatus.CANCELING)) == TooEarly(("a", "b"))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(batch(counts=Counts(processing=4)), id="another size"),
        pytest.param(batch(created_at=TRIED_AT - 61), id="older than the try"),
        pytest.param(batch(ended=True, archived_at=LATE), id="archived"),
        pytest.param(batch("known"), id="accounted for"),
    ],
)
def test_what_cannot_be_ours_is_ruled_out(other):
    assert searched(other, ours={"known"}) == Lost()


def test_a_clock_that_is_a_little_behind_rules_nothing_out():
    assert searched(batch(created_at=TRIED_AT - 59)) == TooEarly(("b",))


def test_a_create_is_given_time_to_arrive_before_it_counts_as_lost():
    assert searched(now=TRIED_AT + 119) == TooEarly()
    assert searched(now=TRIED_AT + 120) == Lost()


@given(
    strangers=st.lists(st.tuples(st.booleans(), st.integers(1, 5), st.integers(-200, 200), st.booleans()), max_size=6),
    place=st.integers(0, 6),
    is_ended=st.booleans(),
    now=st.integers(0, 2000),
)
def test_a_batch_of_ours_that_exists_is_never_taken_for_lost(strangers, place, is_ended, now):
    listed = [
        batch(f"s{n}", ended=ended, counts=Counts(count), created_at=TRIED_AT + offset)
        for n, (ended, count, offset, _) in enumerate(strangers)
    ]
    looked_into = {f"s{n}": f"theirs-{n}" for n, stranger in enumerate(strangers) if stranger[0] and stranger[3]}
    listed.insert(place, batch("ours", ended=is_ended))
    found = search(SENDING, Seen(listed, frozenset(), looked_into), TRIED_AT + now, PATIENCE)
    assert isinstance(found, LookInto | TooEarly)
    looked_into |= dict.fromkeys(found.upstream_ids, "theirs-9") if isinstance(found, LookInto) else {}
    if is_ended:
        looked_into["ours"] = Mark(OURS, 0).custom_id
        assert search(SENDING, Seen(listed, frozenset(), looked_into), TRIED_AT + now, PATIENCE) == Found("ours")


def test_two_lost_creates_of_the_same_size_are_told_apart():
    listed = [batch("a", ended=True), batch("b", ended=True)]
    first_ids = {"a": Mark(OTHER, 0).custom_id, "b": Mark(OURS, 0).custom_id}
    found = [search(Sending(marker, 3, TRIED_AT), Seen(listed, first_ids=first_ids), LATE) for marker in (OURS, OTHER)]
    assert found == [Found("b"), Found("a")]


def test_the_list_is_read_back_to_before_the_sending():
    assert not lists_enough([], SENDING, PATIENCE)
    assert not lists_enough([batch(created_at=TRIED_AT - 60)], SENDING, PATIENCE)
    assert lists_enough([batch(), batch(created_at=TRIED_AT - 61)], SENDING, PATIENCE)


@pytest.mark.parametrize(
    ("statuses", "answer"),
    [
        pytest.param((200, 201), CreateAnswer.CREATED, id="created"),
        pytest.param((400, 404, 413), CreateAnswer.NEVER, id="never"),
        pytest.param((401, 402, 403, 409, 429, 529), CreateAnswer.NOT_NOW, id="not now"),
        pytest.param((302, 408, 500, 502, 503, 504), CreateAnswer.UNKNOWN, id="unknown"),
    ],
)
def test_only_a_clear_answer_to_a_create_is_taken_for_one(statuses, answer):
    assert {create_answer(status) for status in statuses} == {answer}
