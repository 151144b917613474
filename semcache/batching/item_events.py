"""What can happen to one request of an accepted batch: our decisions, and news of cache, upstream, caller and clock."""

from __future__ import annotations

from dataclasses import dataclass

from semcache.batching.states import Ending, Likeness


@dataclass(frozen=True, slots=True)
class CacheHit:
    """The cache knew the answer."""


@dataclass(frozen=True, slots=True)
class DuplicateFound:
    """Another request of the batch, before this one, asks the same."""

    of: int
    likeness: Likeness


@dataclass(frozen=True, slots=True)
class Missed:
    """Neither the cache nor another request has the answer."""


@dataclass(frozen=True, slots=True)
class Planned:
    """It shall be sent under this mark. The state that follows must be durable before a byte is sent."""

    marker: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Created:
    """The upstream acknowledged the create, or was found to hold the batch all the same."""

    marker: str
    upstream_id: str


@dataclass(frozen=True, slots=True)
class NotCreated:
    """It is certain that the create came to nothing: a 429, no connection, or a search upstream."""

    marker: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The upstream refused the create for good: trying again would not help."""

    marker: str


@dataclass(frozen=True, slots=True)
class ResultCame:
    """A result line upstream. A line that is missing from whole results, or lost for ever, came as errored."""

    marker: str
    ending: Ending


@dataclass(frozen=True, slots=True)
class OriginalEnded:
    """What a duplicate waits for."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The caller cancels the batch."""


@dataclass(frozen=True, slots=True)
class TimeRanOut:
    """The batch has reached its expiry."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The upstream was asked to stop and does not say how it ended; nobody waits any longer."""


Decision = Planned
News = (
    CacheHit
    | DuplicateFound
    | Missed
    | Created
    | NotCreated
    | Refused
    | ResultCame
    | OriginalEnded
    | CancelAsked
    | TimeRanOut
    | GivenUp
)
Event = Decision | News
