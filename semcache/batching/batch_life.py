"""The life of one accepted batch: in progress, canceling, expiring, ended; and what its object shows meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from semcache.batching.message_batch import Counts, MessageBatch, ProcessingStatus, results_path
from semcache.batching.transitions import IllegalTransition

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a batch may take, and how long its results are kept, from its acceptance on."""

    expiry_seconds: float = DAY_SECONDS
    kept_seconds: float = 29 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class InProgress:
    """Requests are being answered."""


@dataclass(frozen=True, slots=True)
class Canceling:
    """The caller wants no more; what is under way may still end well."""

    asked_at: float


@dataclass(frozen=True, slots=True)
class Expiring:
    """Time has run out; what is upstream is being called back."""


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """Every request has ended. `asked_at` is when it was canceled, if it was."""

    ended_at: float
    asked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """Its results are gone; that there was such a batch is remembered."""

    ended_at: float
    archived_at: float
    asked_at: float | None = None


BatchState = InProgress | Canceling | Expiring | BatchEnded | Archived


@dataclass(frozen=True, slots=True)
class BatchCancelAsked:
    """The caller cancels."""


@dataclass(frozen=True, slots=True)
class BatchTimeRanOut:
    """`Terms.expiry_seconds` have passed."""


@dataclass(frozen=True, slots=True)
class AllEnded:
    """The last of its requests has ended."""


@dataclass(frozen=True, slots=True)
class KeptLongEnough:
    """`Terms.kept_seconds` have passed."""


BatchEvent = BatchCancelAsked | BatchTimeRanOut | AllEnded | KeptLongEnough


def batch_transition(state: BatchState, event: BatchEvent, at: float) -> BatchState:
    """The state after the event. Raises `IllegalTransition`; asking twice, and late alarms, change nothing."""
    match state:
        case InProgress():
            return _from_progress(state, event, at)
        case Canceling() | Expiring():
            return _from_stopping(state, event, at)
        case BatchEnded() | Archived():
            return _from_ended(state, event, at)
        case _:
            assert_never(state)


def _from_progress(state: InProgress, event: BatchEvent, at: float) -> BatchState:
    match event:
        case BatchCancelAsked():
            return Canceling(at)
        case BatchTimeRanOut():
            return Expiring()
        case AllEnded():
            return BatchEnded(at)
        case KeptLongEnough():
            raise _illegal(state, event)
        case _:
            assert_never(event)


def _from_stopping(state: Canceling | Expiring, event: BatchEvent, at: float) -> BatchState:
    match event:
        case BatchCancelAsked() | BatchTimeRanOut():
            return state
        case AllEnded():
            return BatchEnded(at, state.asked_at if isinstance(state, Canceling) else None)
        case KeptLongEnough():
            raise _illegal(state, event)
        case _:
            assert_never(event)


def _from_ended(state: BatchEnded | Archived, event: BatchEvent, at: float) -> BatchState:
    match event:
        case BatchCancelAsked():
            raise _illegal(state, event)
        case KeptLongEnough() if isinstance(state, BatchEnded):
            return Archived(state.ended_at, at, state.asked_at)
        case BatchTimeRanOut() | AllEnded() | KeptLongEnough():
            return state
        case _:
            assert_never(event)


def _illegal(state: BatchState, event: BatchEvent) -> IllegalTransition:
    return IllegalTransition(f"{type(event).__name__} cannot happen to a batch that is {type(state).__name__}")


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """What never changes of a batch of ours."""

    id: str
    accepted_at: float
    base_url: str  # under which its caller reaches us
    terms: Terms = Terms()

    def shown(self, state: BatchState, counts: Counts) -> MessageBatch:
        """Its object: counts stay with `processing` until the end, and the results are with us."""
        ended_at, asked_at, archived_at = _times(state)
        has_results = isinstance(state, BatchEnded)
        return MessageBatch(
            id=self.id,
            status=_status(state),
            counts=counts if ended_at is not None else counts.until_the_end(),
            created_at=self.accepted_at,
            expires_at=self.accepted_at + self.terms.expiry_seconds,
            ended_at=ended_at,
            cancel_initiated_at=asked_at,
            archived_at=archived_at,
            results_url=f"{self.base_url.rstrip('/')}{results_path(self.id)}" if has_results else None,
        )


def _status(state: BatchState) -> ProcessingStatus:
    match state:
        case InProgress() | Expiring():
            return ProcessingStatus.IN_PROGRESS
        case Canceling():
            return ProcessingStatus.CANCELING
        case BatchEnded() | Archived():
            return ProcessingStatus.ENDED
        case _:
            assert_never(state)


def _times(state: BatchState) -> tuple[float | None, float | None, float | None]:
    """When it ended, was canceled, was archived."""
    match state:
        case InProgress() | Expiring():
            return None, None, None
        case Canceling(asked_at):
            return None, asked_at, None
        case BatchEnded(ended_at, asked_at):
            return ended_at, asked_at, None
        case Archived(ended_at, archived_at, asked_at):
            return ended_at, asked_at, archived_at
        case _:
            assert_never(state)
