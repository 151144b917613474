"""The MessageBatch object: Claude's read, ours written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from semcache.errors import UpstreamTorn
from semcache.request import Json


class ProcessingStatus(Enum):
    """How far a batch is."""

    IN_PROGRESS = "in_progress"
    CANCELING = "canceling"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of a batch by what became of them."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def until_the_end(self) -> Counts:
        """As a batch shows them that has not ended: all still processing."""
        return Counts(processing=self.total)

    def body(self) -> Json:
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """A batch as its object tells. Times are seconds since the epoch."""

    id: str
    status: ProcessingStatus
    counts: Counts
    created_at: float
    expires_at: float
    ended_at: float | None = None
    cancel_initiated_at: float | None = None
    archived_at: float | None = None
    results_url: str | None = None

    @classmethod
    def parse(cls, body: Any) -> MessageBatch:
        """Read Claude's object; raises `UpstreamTorn` where it is none."""
        try:
            return cls(
                id=str(body["id"]),
                status=ProcessingStatus(body["processing_status"]),
                counts=Counts(**{each.name: int(body["request_counts"].get(each.name, 0)) for each in fields(Counts)}),
                created_at=_required(body["created_at"]),
                expires_at=_required(body["expires_at"]),
                ended_at=_seconds(body.get("ended_at")),
                cancel_initiated_at=_seconds(body.get("cancel_initiated_at")),
                archived_at=_seconds(body.get("archived_at")),
                results_url=body.get("results_url"),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UpstreamTorn("upstream sent something that is not a message batch") from None

    def body(self) -> Json:
        """The object in Claude's shape."""
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status.value,
            "request_counts": self.counts.body(),
            "created_at": instant(self.created_at),
            "expires_at": instant(self.expires_at),
            "ended_at": instant(self.ended_at),
            "cancel_initiated_at": instant(self.cancel_initiated_at),
            "archived_at": instant(self.archived_at),
            "results_url": self.results_url,
        }


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page of the list, newest first."""

    batches: tuple[MessageBatch, ...]
    has_more: bool

    @classmethod
    def parse(cls, body: Any) -> BatchPage:
        """Read Claude's page; raises `UpstreamTorn` where it is none."""
        try:
            return cls(tuple(MessageBatch.parse(each) for each in body["data"]), bool(body.get("has_more")))
        except (KeyError, TypeError, AttributeError):
            raise UpstreamTorn("upstream sent something that is not a list of message batches") from None

    @property
    def last_id(self) -> str | None:
        """What the next page goes on after."""
        return self.batches[-1].id if self.batches else None


def page_body(batches: Sequence[MessageBatch], *, has_more: bool) -> Json:
    """A page of ours in Claude's shape."""
    return {
        "data": [batch.body() for batch in batches],
        "has_more": has_more,
        "first_id": batches[0].id if batches else None,
        "last_id": batches[-1].id if batches else None,
    }


def results_path(batch_id: str) -> str:
    """Where the results of a batch are, below a base URL."""
    return f"/v1/messages/batches/{batch_id}/results"


def instant(seconds: float | None) -> str | None:
    """RFC 3339 in UTC, to the microsecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seconds(text: Any) -> float | None:
    return None if text is None else _required(text)


def _required(text: Any) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()
