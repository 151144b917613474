"""Where one request of an accepted batch can stand, and what is to be done for it there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from semcache.batching.message_batch import Counts


class Ending(Enum):
    """How a request ends; as in Claude's counts."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"


class Likeness(Enum):
    """How a duplicate is like its original."""

    EXACT = "exact"
    NEAR = "near"


class Source(Enum):
    """Where an answer came from."""

    CACHE = "cache"
    DUPLICATE = "duplicate"
    UPSTREAM = "upstream"


class Stop(Enum):
    """Why the upstream batch of a request has been asked to stop."""

    CANCELED = "canceled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Not looked up yet."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Answered as soon as the request at `of`, in the same batch, is."""

    of: int
    likeness: Likeness


@dataclass(frozen=True, slots=True)
class Waiting:
    """To be sent. `failures` counts the sendings that came to nothing."""

    failures: int = 0


@dataclass(frozen=True, slots=True)
class Submitting:
    """In a create that may or may not have arrived. `marker` and `ordinal` make up its custom id upstream."""

    marker: str
    ordinal: int
    failures: int = 0
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """In an upstream batch that exists."""

    marker: str
    ordinal: int
    upstream_id: str
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """There is a message."""

    source: Source


@dataclass(frozen=True, slots=True)
class Errored:
    """There is an error in Claude's shape."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """Canceled by the caller, or upstream by somebody else."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Its time ran out."""


Ended = Succeeded | Errored | Canceled | Expired
Open = Accepted | Duplicate | Waiting | Submitting | Sent
ItemState = Open | Ended


class Work(Enum):
    """What is to be done next for a request, after a restart as at any other time."""

    LOOK_UP = "look up"
    FOLLOW = "follow the original"
    SEND = "send"
    RECONCILE = "find out whether it was sent"
    POLL = "poll"
    NONE = "nothing"


def work_of(state: ItemState) -> Work:
    """What is to be done for it."""
    match state:
        case Accepted():
            return Work.LOOK_UP
        case Duplicate():
            return Work.FOLLOW
        case Waiting():
            return Work.SEND
        case Submitting():
            return Work.RECONCILE
        case Sent():
            return Work.POLL
        case Succeeded() | Errored() | Canceled() | Expired():
            return Work.NONE
        case _:
            assert_never(state)


def ending_of(state: ItemState) -> Ending | None:
    """How it ended; None: it has not."""
    match state:
        case Succeeded():
            return Ending.SUCCEEDED
        case Errored():
            return Ending.ERRORED
        case Canceled():
            return Ending.CANCELED
        case Expired():
            return Ending.EXPIRED
        case Accepted() | Duplicate() | Waiting() | Submitting() | Sent():
            return None
        case _:
            assert_never(state)


def tally(states: Iterable[ItemState]) -> Counts:
    """How many requests stand where."""
    found = Counter(ending_of(state) for state in states)
    return Counts(found[None], *(found[ending] for ending in Ending))
