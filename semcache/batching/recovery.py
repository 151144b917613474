"""Whether a create that nobody answered for has made a batch upstream: the one gap that a durable record cannot close.

A batch object upstream shows neither custom ids nor anything else of ours; only its results do, once it has ended.
So a search rules out what cannot be ours by count and time, opens what has ended, and waits for what has not. Only
when nothing is left that could be ours, and the create has had time to arrive, is the sending known to be lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum

from semcache.batching.markers import read_mark
from semcache.batching.message_batch import MessageBatch, ProcessingStatus


@dataclass(frozen=True, slots=True)
class Sending:
    """A create as it was recorded before it was tried."""

    marker: str
    count: int
    tried_at: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How far clocks may differ, and how long a create that left us may take to show in the list."""

    skew_seconds: float = 300.0
    arrival_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the upstream: its list, back to before the sending, and what has been looked into."""

    listed: Sequence[MessageBatch]
    ours: AbstractSet[str] = frozenset()  # ids of upstream batches that are accounted for
    first_ids: Mapping[str, str] = field(
        default_factory=dict
    )  # the first custom id in the results of these batches; any line will do


@dataclass(frozen=True, slots=True)
class Found:
    """The create had arrived; this is its batch."""

    upstream_id: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The create came to nothing: the requests may be sent again."""


@dataclass(frozen=True, slots=True)
class LookInto:
    """The first result line of each of these batches must be read, then ask again."""

    upstream_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TooEarly:
    """It cannot be told yet. `running` may be ours and have no results; ask again when one has ended, or later."""

    running: tuple[str, ...] = ()


class CreateAnswer(Enum):
    """What the status of a create's answer says about the batch."""

    CREATED = "created"
    NOT_NOW = "not now"  # certainly none; worth another try later
    NEVER = "never"  # certainly none, and another try would fare no better
    UNKNOWN = "unknown"  # as with no answer at all: search


_NEVER = frozenset({400, 404, 405, 413, 415, 422})


def create_answer(status: int) -> CreateAnswer:
    """Read the status of a create; a failing gateway may hide a create that went well."""
    if 200 <= status < 300:
        return CreateAnswer.CREATED
    if status in _NEVER:
        return CreateAnswer.NEVER
    if status == 529 or (400 <= status < 500 and status != 408):
        return CreateAnswer.NOT_NOW
    return CreateAnswer.UNKNOWN


Search = Found | Lost | LookInto | TooEarly


def search(sending: Sending, seen: Seen, now: float, patience: Patience | None = None) -> Search:
    """What became of a sending, as far as what has been seen tells."""
    limits = patience or Patience()
    could_be = [batch for batch in seen.listed if _could_be(batch, sending, seen, limits)]
    for batch in could_be:
        mark = read_mark(seen.first_ids.get(batch.id, ""))
        if mark is not None and mark.marker == sending.marker:
            return Found(batch.id)
    unread = [batch for batch in could_be if batch.id not in seen.first_ids]
    if ended := tuple(batch.id for batch in unread if batch.status is ProcessingStatus.ENDED):
        return LookInto(ended)
    running = tuple(batch.id for batch in unread)
    if running or now < sending.tried_at + limits.arrival_seconds:
        return TooEarly(running)
    return Lost()


def lists_enough(listed: Sequence[MessageBatch], sending: Sending, patience: Patience | None = None) -> bool:
    """Whether the list, newest first, reaches back to before the sending; else its next page is needed."""
    limits = patience or Patience()
    return any(batch.created_at < sending.tried_at - limits.skew_seconds for batch in listed)


def _could_be(batch: MessageBatch, sending: Sending, seen: Seen, limits: Patience) -> bool:
    """Archived batches cannot be looked into; their results are lost to whoever they belong to."""
    return (
        batch.id not in seen.ours
        and batch.counts.total == sending.count
        and batch.created_at >= sending.tried_at - limits.skew_seconds
        and batch.archived_at is None
    )
