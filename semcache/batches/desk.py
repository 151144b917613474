"""What a caller may do with his batches: see, list, cancel and delete them, and read their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from semcache.batching.batch_life import (
    AcceptedBatch,
    Archived,
    BatchCancelAsked,
    BatchEnded,
    BatchState,
    batch_transition,
)
from semcache.batching.message_batch import Counts, MessageBatch, page_body
from semcache.errors import InvalidRequest
from semcache.request import Json
from semcache.stores.batch_store import BatchRecord, BatchStore

_PAGE_LINES = 500
MOST_LISTED = 1000


class NoSuchBatch(InvalidRequest):
    """There is no such batch for this caller; whose it is otherwise, he is not told."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"Message Batch {batch_id[:100]} not found")


class ResultsGone(NoSuchBatch):
    """The batch is remembered, its results are not."""


@dataclass(frozen=True)
class Desk:
    """Every method is for one caller, named by the HMAC of his credential. Raises `StoreError`."""

    batches: BatchStore
    clock: Callable[[], float]

    def find(self, batch_id: str, credential: str) -> BatchRecord:
        """Raises `NoSuchBatch`."""
        record = self.batches.batch(batch_id)
        if record is None or record.credential != credential:
            raise NoSuchBatch(batch_id)
        return record

    def is_known(self, batch_id: str) -> bool:
        """Whether it is one of ours, whoever's it is: as it was accepted, or as it was sent."""
        return self.batches.batch(batch_id) is not None or batch_id in self.batches.upstream_ids()

    def retrieve(self, batch_id: str, credential: str) -> Json:
        """Claude's object, and how far it is: he tells only at the end."""
        record = self.find(batch_id, credential)
        counts = record.counts or self.batches.counts(batch_id)
        settled = {name: count for name, count in counts.body().items() if name != "processing"}
        return {**shown(record).body(), "semcache": {"settled": settled, "total": record.total}}

    def listed(self, credential: str, *, limit: int, after_id: str | None, before_id: str | None) -> Json:
        """A page, newest first. Raises `InvalidRequest`."""
        if not 1 <= limit <= MOST_LISTED:
            raise InvalidRequest(f"limit: Input should be between 1 and {MOST_LISTED}")
        for name, batch_id in (("after_id", after_id), ("before_id", before_id)):
            if batch_id is not None and not self._is_his(batch_id, credential):
                raise InvalidRequest(f"{name}: no message batch with the id {batch_id[:100]}")
        page = self.batches.listing(credential, limit=limit, after_id=after_id, before_id=before_id)
        return page_body([shown(record) for record in page.records], has_more=page.has_more)

    def cancel(self, batch_id: str, credential: str) -> Json:
        """Raises `NoSuchBatch`; `InvalidRequest` for one that has ended."""
        while True:
            record = self.find(batch_id, credential)
            state = _accepted(record)
            if isinstance(state, BatchEnded | Archived):
                raise InvalidRequest(f"Message Batch {batch_id} has ended and cannot be canceled")
            canceling = batch_transition(state, BatchCancelAsked(), self.clock())
            if canceling == state or self.batches.move(batch_id, canceling, instead_of=state):
                return shown(self.find(batch_id, credential)).body()

    def delete(self, batch_id: str, credential: str) -> Json:
        """Raises `NoSuchBatch`; `InvalidRequest` for one that has not ended."""
        record = self.find(batch_id, credential)
        if not isinstance(record.state, BatchEnded | Archived):
            raise InvalidRequest(f"Message Batch {batch_id} is still processing; cancel it before deleting it")
        self.batches.delete(batch_id)
        return {"id": batch_id, "type": "message_batch_deleted"}

    def results(self, batch_id: str, credential: str, *, skipped: int = 0) -> Iterator[bytes]:
        """JSON lines in the order of the requests, some at a time, behind so many. Raises as `find`, and at once."""
        record = self.find(batch_id, credential)
        match record.state:
            case BatchEnded():
                return self._pages(batch_id, after=skipped - 1)
            case Archived():
                raise ResultsGone(batch_id)
            case _:
                raise InvalidRequest(f"Message Batch {batch_id} has no results yet; it is still processing")

    def _pages(self, batch_id: str, *, after: int) -> Iterator[bytes]:
        while page := self.batches.results(batch_id, after=after, limit=_PAGE_LINES):
            yield b"".join(line for _, line in page)
            after = page[-1][0]

    def _is_his(self, batch_id: str, credential: str) -> bool:
        record = self.batches.batch(batch_id)
        return record is not None and record.credential == credential


def shown(record: BatchRecord) -> MessageBatch:
    """Claude's object of a batch of ours."""
    batch = AcceptedBatch(record.id, record.accepted_at, record.base_url, record.terms)
    return batch.shown(_accepted(record), record.counts or Counts(processing=record.total))


def _accepted(record: BatchRecord) -> BatchState:
    if record.state is None:
        raise NoSuchBatch(record.id)
    return record.state
