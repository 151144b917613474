"""The life of one request of an accepted batch: closed states, and the only ways between them.

Accepted ── CacheHit ──────────► Succeeded
         ├─ DuplicateFound ────► Duplicate ── OriginalEnded ──► as the original ended, or Waiting
         └─ Missed ────────────► Waiting ◄─────────┐ NotCreated
                                    │ Planned      │
                                    ▼              │
                                 Submitting ───────┤
                                    │ Created      └ Refused ─► Errored
                                    ▼
                                   Sent ── ResultCame ────────► Succeeded, Errored, Canceled, Expired

`Submitting` is made durable *before* the create is sent, and `Created` is the only way out of it that lets results
in, `NotCreated` the only one that lets the request be sent again. So a request is upstream twice only where the
upstream itself forgot a batch that it had made (see `recovery`).

News (what the cache, the upstream or the clock say) may come late: an ended request takes no notice. A decision
(`Planned`) on an ended request, or news that cannot be true, raise `IllegalTransition`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from semcache.batching.item_events import (
    CacheHit,
    CancelAsked,
    Created,
    DuplicateFound,
    Event,
    GivenUp,
    Missed,
    NotCreated,
    OriginalEnded,
    Planned,
    Refused,
    ResultCame,
    TimeRanOut,
)
from semcache.batching.states import (
    Accepted,
    Canceled,
    Duplicate,
    Ended,
    Ending,
    Errored,
    Expired,
    ItemState,
    Likeness,
    Sent,
    Source,
    Stop,
    Submitting,
    Succeeded,
    Waiting,
)
from semcache.errors import SemcacheError


class IllegalTransition(SemcacheError):
    """The event cannot happen to a request in this state: the caller's record and the world disagree."""


def transition(state: ItemState, event: Event) -> ItemState:
    """The state after the event; the same where it is no news. Raises `IllegalTransition`."""
    match state:
        case Accepted():
            return _from_accepted(state, event)
        case Duplicate():
            return _from_duplicate(state, event)
        case Waiting():
            return _from_waiting(state, event)
        case Submitting():
            return _from_submitting(state, event)
        case Sent():
            return _from_sent(state, event)
        case Succeeded() | Errored() | Canceled() | Expired():
            if isinstance(event, Planned):
                raise _illegal(state, event)
            return state
        case _:
            assert_never(state)


def _from_accepted(state: Accepted, event: Event) -> ItemState:
    match event:
        case CacheHit():
            return Succeeded(Source.CACHE)
        case DuplicateFound(of, likeness):
            return Duplicate(of, likeness)
        case Missed():
            return Waiting()
        case CancelAsked():
            return Canceled()
        case TimeRanOut():
            return Expired()
        case _:
            raise _illegal(state, event)


def _from_duplicate(state: Duplicate, event: Event) -> ItemState:
    """One that is merely near does not share an error: what Claude refused may have been the other wording."""
    match event:
        case OriginalEnded(Ending.SUCCEEDED):
            return Succeeded(Source.DUPLICATE)
        case OriginalEnded(Ending.ERRORED) if state.likeness is Likeness.NEAR:
            return Waiting()
        case OriginalEnded(ending):
            return _ended(ending, Source.DUPLICATE)
        case CancelAsked():
            return Canceled()
        case TimeRanOut():
            return Expired()
        case _:
            raise _illegal(state, event)


def _from_waiting(state: Waiting, event: Event) -> ItemState:
    match event:
        case Planned(marker, ordinal):
            return Submitting(marker, ordinal, state.failures)
        case CacheHit():  # another answer has warmed the cache meanwhile
            return Succeeded(Source.CACHE)
        case CancelAsked():
            return Canceled()
        case TimeRanOut():
            return Expired()
        case _:
            raise _illegal(state, event)


def _from_submitting(state: Submitting, event: Event) -> ItemState:
    match event:
        case Created(state.marker, upstream_id):
            return Sent(state.marker, state.ordinal, upstream_id, state.stop)
        case NotCreated(state.marker):
            return Waiting(state.failures + 1) if state.stop is None else _stopped(state.stop)
        case Refused(state.marker):
            return Errored()
        case CancelAsked() | TimeRanOut():
            return replace(state, stop=state.stop or _stop_for(event))
        case GivenUp() if state.stop is not None:
            return _stopped(state.stop)
        case _:
            raise _illegal(state, event)


def _from_sent(state: Sent, event: Event) -> ItemState:
    match event:
        case Created(state.marker, state.upstream_id):
            return state
        case ResultCame(state.marker, Ending.CANCELED) if state.stop is not None:
            return _stopped(state.stop)
        case ResultCame(state.marker, ending):
            return _ended(ending, Source.UPSTREAM)
        case CancelAsked() | TimeRanOut():
            return replace(state, stop=state.stop or _stop_for(event))
        case GivenUp() if state.stop is not None:
            return _stopped(state.stop)
        case _:
            raise _illegal(state, event)


def _ended(ending: Ending, source: Source) -> Ended:
    match ending:
        case Ending.SUCCEEDED:
            return Succeeded(source)
        case Ending.ERRORED:
            return Errored()
        case Ending.CANCELED:
            return Canceled()
        case Ending.EXPIRED:
            return Expired()
        case _:
            assert_never(ending)


def _stop_for(event: CancelAsked | TimeRanOut) -> Stop:
    return Stop.CANCELED if isinstance(event, CancelAsked) else Stop.EXPIRED


def _stopped(stop: Stop) -> Ended:
    return Canceled() if stop is Stop.CANCELED else Expired()


def _illegal(state: ItemState, event: Event) -> IllegalTransition:
    return IllegalTransition(f"{type(event).__name__} cannot happen to a request that is {type(state).__name__}")
