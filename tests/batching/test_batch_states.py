"""The life of a request and of a batch: only the ways that are drawn exist, and an end is an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.batching.batch_life import (
    AcceptedBatch,
    AllEnded,
    Archived,
    BatchCancelAsked,
    BatchEnded,
    BatchTimeRanOut,
    Canceling,
    Expiring,
    InProgress,
    KeptLongEnough,
    batch_transition,
)
from semcache.batching.item_events import (
    CacheHit,
    CancelAsked,
    Created,
    DuplicateFound,
    GivenUp,
    Missed,
    NotCreated,
    OriginalEnded,
    Planned,
    Refused,
    ResultCame,
    TimeRanOut,
)
from semcache.batching.message_batch import Counts, ProcessingStatus
from semcache.batching.spelling import UnknownState, spell, unspell
from semcache.batching.states import (
    Accepted,
    Canceled,
    Duplicate,
    Ending,
    Errored,
    Expired,
    Likeness,
    Sent,
    Source,
    Stop,
    Submitting,
    Succeeded,
    Waiting,
    Work,
    ending_of,
    tally,
    work_of,
)
from semcache.batching.transitions import IllegalTransition, transition

EXACT, NEAR = Duplicate(0, Likeness.EXACT), Duplicate(0, Likeness.NEAR)
TRYING, GOING = Submitting("m", 3, failures=1), Sent("m", 3, "up")
TRYING_STOPPED, GOING_STOPPED = Submitting("m", 3, 1, Stop.CANCELED), Sent("m", 3, "up", Stop.EXPIRED)
ENDED = [Succeeded(Source.CACHE), Errored(), Canceled(), Expired()]
OPEN = [Accepted(), EXACT, NEAR, Waiting(1), TRYING, TRYING_STOPPED, GOING, GOING_STOPPED]
LEGAL = {
    (Accepted(), CacheHit()): Succeeded(Source.CACHE),
    (Accepted(), DuplicateFound(4, Likeness.NEAR)): Duplicate(4, Likeness.NEAR),
    (Accepted(), Missed()): Waiting(),
    (Accepted(), CancelAsked()): Canceled(),
    (Accepted(), TimeRanOut()): Expired(),
    (EXACT, OriginalEnded(Ending.SUCCEEDED)): Succeeded(Source.DUPLICATE),
    (EXACT, OriginalEnded(Ending.ERRORED)): Errored(),
    (EXACT, OriginalEnded(Ending.CANCELED)): Canceled(),
    (EXACT, OriginalEnded(Ending.EXPIRED)): Expired(),
    (EXACT, CancelAsked()): Canceled(),
    (EXACT, TimeRanOut()): Expired(),
    (NEAR, OriginalEnded(Ending.SUCCEEDED)): Succeeded(Source.DUPLICATE),
    (NEAR, OriginalEnded(Ending.ERRORED)): Waiting(),  # its own wording may fare better
    (NEAR, OriginalEnded(Ending.CANCELED)): Canceled(),
    (NEAR, OriginalEnded(Ending.EXPIRED)): Expired(),
    (NEAR, CancelAsked()): Canceled(),
    (NEAR, TimeRanOut()): Expired(),
    (Waiting(1), Planned("m", 3)): TRYING,
    (Waiting(1), CacheHit()): Succeeded(Source.CACHE),
    (Waiting(1), CancelAsked()): Canceled(),
    (Waiting(1), TimeRanOut()): Expired(),
    (TRYING, Created("m", "up")): GOING,
    (TRYING, NotCreated("m")): Waiting(2),
    (TRYING, Refused("m")): Errored(),
    (TRYING, CancelAsked()): TRYING_STOPPED,
    (TRYING, TimeRanOut()): Submitting("m", 3, 1, Stop.EXPIRED),
    (TRYING_STOPPED, Created("m", "up")): Sent("m", 3, "up", Stop.CANCELED),
    (TRYING_STOPPED, NotCreated("m")): Canceled(),
    (TRYING_STOPPED, Refused("m")): Errored(),
    (TRYING_STOPPED, CancelAsked()): TRYING_STOPPED,
    (TRYING_STOPPED, TimeRanOut()): TRYING_STOPPED,  # the first reason stays
    (TRYING_STOPPED, GivenUp()): Canceled(),
    (GOING, Created("m", "up")): GOING,
    (GOING, ResultCame("m", Ending.SUCCEEDED)): Succeeded(Source.UPSTREAM),
    (GOING, ResultCame("m", Ending.ERRORED)): Errored(),
    (GOING, ResultCame("m", Ending.CANCELED)): Canceled(),
    (GOING, ResultCame("m", Ending.EXPIRED)): Expired(),
    (GOING, CancelAsked()): Sent("m", 3, "up", Stop.CANCELED),
    (GOING, TimeRanOut()): GOING_STOPPED,
    (GOING_STOPPED, Created("m", "up")): GOING_STOPPED,
    (GOING_STOPPED, ResultCame("m", Ending.SUCCEEDED)): Succeeded(Source.UPSTREAM),
    (GOING_STOPPED, ResultCame("m", Ending.ERRORED)): Errored(),
    (GOING_STOPPED, ResultCame("m", Ending.CANCELED)): Expired(),  # we canceled it upstream, the caller did not
    (GOING_STOPPED, ResultCame("m", Ending.EXPIRED)): Expired(),
    (GOING_STOPPED, CancelAsked()): GOING_STOPPED,
    (GOING_STOPPED, TimeRanOut()): GOING_STOPPED,
    (GOING_STOPPED, GivenUp()): Expired(),
}
EVENTS = [
    CacheHit(), DuplicateFound(4, Likeness.NEAR), Missed(), Planned("m", 3), Created("m", "up"), Created("m", "other"),
    Created("n", "up"), NotCreated("m"), NotCreated("n"), Refused("m"), Refused("n"), CancelAsked(), TimeRanOut(),
    GivenUp(), *(OriginalEnded(ending) for ending in Ending), *(ResultCame("m", ending) for ending in Ending),
    ResultCame("n", Ending.SUCCEEDED),
]  # fmt: skip


@pytest.mark.parametrize("state", OPEN, ids=str)
def test_only_the_ways_that_are_drawn_exist(state):
    for event in EVENTS:
        if (state, event) in LEGAL:
            assert transition(state, event) == LEGAL[state, event]
        elif isinstance(event, Created) and event.marker == "m" and isinstance(state, Submitting):
            assert transition(state, event).upstream_id == "other"
        else:
            with pytest.raises(IllegalTransition):
                transition(state, event)


@pytest.mark.parametrize("state", ENDED, ids=str)
def test_an_end_is_an_end_for_news_that_come_late(state):
    assert all(transition(state, event) == state for event in EVENTS if not isinstance(event, Planned))
    with pytest.raises(IllegalTransition, match="Planned cannot happen to a request that is"):
        transition(state, Planned("m", 1))


events = st.sampled_from(EVENTS)


@given(story=st.lists(events, max_size=30))
def test_between_two_sendings_lies_the_certainty_that_the_first_came_to_nothing(story):
    state, planned, created, failures = Accepted(), 0, 0, 0
    for event in story:
        try:
            after = transition(state, event)
        except IllegalTransition:
            continue
        planned += isinstance(event, Planned)
        created += isinstance(state, Submitting) and isinstance(after, Sent)
        failures += isinstance(state, Submitting) and isinstance(after, Waiting)
        state = after
        assert planned <= failures + 1
        assert created <= 1
        assert not (created and isinstance(state, Waiting | Submitting))


@given(story=st.lists(events, max_size=30))
def test_a_request_that_has_ended_never_ends_otherwise(story):
    state, endings = Accepted(), []
    for event in story:
        try:
            state = transition(state, event)
        except IllegalTransition:
            continue
        endings.append(ending_of(state))
    ended = [ending for ending in endings if ending is not None]
    assert len(set(ended)) <= 1
    assert endings == [None] * (len(endings) - len(ended)) + ended


def test_after_a_restart_the_state_alone_says_what_to_do():
    assert {type(state): work_of(state) for state in OPEN} == {
        Accepted: Work.LOOK_UP, Duplicate: Work.FOLLOW, Waiting: Work.SEND,
        Submitting: Work.RECONCILE, Sent: Work.POLL,
    }  # fmt: skip
    assert {work_of(state) for state in ENDED} == {Work.NONE}


def test_states_are_counted_as_claude_counts_them():
    assert tally([*OPEN, *ENDED, Errored()]) == Counts(len(OPEN), succeeded=1, errored=2, canceled=1, expired=1)


@pytest.mark.parametrize("state", [*OPEN, *ENDED], ids=str)
def test_a_state_is_read_back_as_it_was_spelled(state):
    assert unspell(spell(state)) == state


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"state": "frozen"}, id="unknown state"),
        pytest.param({"state": "sent"}, id="parts missing"),
        pytest.param({"state": "waiting", "since": 3}, id="unknown part"),
        pytest.param({"state": "succeeded", "source": "guess"}, id="unknown source"),
    ],
)
def test_a_state_of_another_version_is_refused(spelled):
    with pytest.raises(UnknownState):
        unspell(spelled)


BATCH_LEGAL = {
    (InProgress(), BatchCancelAsked()): Canceling(9.0),
    (InProgress(), BatchTimeRanOut()): Expiring(),
    (InProgress(), AllEnded()): BatchEnded(9.0),
    (Canceling(4.0), BatchCancelAsked()): Canceling(4.0),
    (Canceling(4.0), BatchTimeRanOut()): Canceling(4.0),
    (Canceling(4.0), AllEnded()): BatchEnded(9.0, 4.0),
    (Expiring(), BatchCancelAsked()): Expiring(),
    (Expiring(), BatchTimeRanOut()): Expiring(),
    (Expiring(), AllEnded()): BatchEnded(9.0),
    (BatchEnded(5.0, 4.0), BatchTimeRanOut()): BatchEnded(5.0, 4.0),
    (BatchEnded(5.0, 4.0), AllEnded()): BatchEnded(5.0, 4.0),
    (BatchEnded(5.0, 4.0), KeptLongEnough()): Archived(5.0, 9.0, 4.0),
    (Archived(5.0, 6.0), BatchTimeRanOut()): Archived(5.0, 6.0),
    (Archived(5.0, 6.0), AllEnded()): Archived(5.0, 6.0),
    (Archived(5.0, 6.0), KeptLongEnough()): Archived(5.0, 6.0),
}


@pytest.mark.parametrize("state", [InProgress(), Canceling(4.0), Expiring(), BatchEnded(5.0, 4.0), Archived(5.0, 6.0)])
def test_a_batch_goes_only_the_ways_that_are_drawn(state):
    for event in (BatchCancelAsked(), BatchTimeRanOut(), AllEnded(), KeptLongEnough()):
        if (state, event) in BATCH_LEGAL:
            assert batch_transition(state, event, 9.0) == BATCH_LEGAL[state, event]
        else:
            with pytest.raises(IllegalTransition):
                batch_transition(state, event, 9.0)


def test_a_batch_shows_counts_and_results_only_when_it_has_ended():
    batch = AcceptedBatch("msgbatch_1", 1_000.0, "http://here/x/")
    counts = Counts(1, 2, 3, 4, 5)
    running, ended = batch.shown(Canceling(1_005.0), counts), batch.shown(BatchEnded(1_009.0, 1_005.0), counts)
    assert (running.status, running.counts) == (ProcessingStatus.CANCELING, Counts(processing=15))
    assert (running.results_url, running.expires_at) == (None, 87_400.0)
    assert (ended.status, ended.counts, ended.cancel_initiated_at) == (ProcessingStatus.ENDED, counts, 1_005.0)
    assert ended.results_url == "http://here/x/v1/messages/batches/msgbatch_1/results"


@pytest.mark.parametrize("state", [InProgress(), Expiring()])
def test_a_batch_whose_time_ran_out_is_in_progress_until_the_last_request_has_ended(state):
    shown = AcceptedBatch("msgbatch_1", 1_000.0, "http://here").shown(state, Counts(1))
    assert (shown.status, shown.ended_at) == (ProcessingStatus.IN_PROGRESS, None)


def test_an_archived_batch_has_no_results_any_more():
    shown = AcceptedBatch("msgbatch_1", 1_000.0, "http://here").shown(Archived(1_009.0, 2_000.0), Counts(0, 3))
    assert (shown.results_url, shown.archived_at, shown.counts.succeeded) == (None, 2_000.0, 3)
