"""The batch endpoints: batches by account, worked on as time passes, seen by nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import assert_never

from semcache.request import Json
from semcache.upstream.simulator.batch import Batch
from semcache.upstream.simulator.batch_answering import Clerk, Done
from semcache.upstream.simulator.conduct import Conduct
from semcache.upstream.simulator.delivery import Lines, Outcome, Page
from semcache.upstream.simulator.gate import Visitor
from semcache.upstream.simulator.packing import PackedRequests
from semcache.upstream.simulator.paging import cut_of, page_body
from semcache.upstream.simulator.paths import Act, BatchErrand
from semcache.upstream.simulator.responses import Problem


@dataclass(frozen=True)
class SimulatedBatch:
    """A batch as it stands: what was asked, what became of it, what it has cost so far."""

    id: str
    status: str
    counts: dict[str, int]
    cost_usd: Decimal
    requests: PackedRequests = field(repr=False)
    packed_bytes: int


class BatchDesk:
    """All batches. Safe to share between threads."""

    def __init__(self, clerk: Clerk, conduct: Conduct) -> None:
        self._clerk = clerk
        self._conduct = conduct
        self._accounts: dict[bytes, dict[str, Batch]] = {}  # oldest first
        self._unfinished: list[Batch] = []
        self._lock = threading.Lock()

    def advance(self, now: float, *, at_most: int) -> Decimal | None:
        """Do some of what is due by now; what it cost, or None where nothing is due any more."""
        with self._lock:
            due = sorted((batch for batch in self._unfinished if batch.next_at <= now), key=lambda batch: batch.next_at)
            if not due:
                return None
            batch = due[0]  # only until another's turn comes: they share the prompt cache
            until = min(now, due[1].next_at) if len(due) > 1 else now
            before_usd = batch.cost_usd
            batch.advance(until, self._answer, at_most=at_most)
            if batch.ended_at is not None:
                self._unfinished.remove(batch)
            return batch.cost_usd - before_usd

    def outcome(self, errand: BatchErrand, visitor: Visitor, query: str, now: float) -> Outcome:
        """What this errand brings."""
        with self._lock:
            batches = self._accounts.setdefault(visitor.account, {})
            match errand.act:
                case Act.CREATE:
                    return self._created(visitor, batches, now)
                case Act.LIST:
                    return _listed(batches, query, now)
                case Act.RETRIEVE:
                    return _with(batches, errand, lambda batch: Page(batch.body(now)))
                case Act.CANCEL:
                    return _with(batches, errand, lambda batch: _canceled(batch, now))
                case Act.DELETE:
                    return _with(batches, errand, lambda batch: _deleted(batches, batch))
                case Act.RESULTS:
                    return _with(batches, errand, lambda batch: _results(batch, now))
                case _:
                    assert_never(errand.act)

    def records(self) -> list[SimulatedBatch]:
        """All batches that have not been deleted, account by account, oldest first."""
        with self._lock:
            batches = [batch for known in self._accounts.values() for batch in known.values()]
            return [
                SimulatedBatch(each.id, each.status, each.counts, each.cost_usd, each.requests, each.packed_bytes)
                for each in batches
            ]

    def _created(self, visitor: Visitor, batches: dict[str, Batch], now: float) -> Page:
        batch = Batch(self._conduct.new_id("msgbatch"), visitor, self._conduct.batches, created_at=now)
        batches[batch.id] = batch
        self._unfinished.append(batch)
        return Page(batch.body(now))

    def _answer(self, request: Json, creator: Visitor, now: float, is_cold: bool) -> Done:
        return self._clerk.answer(request, creator, now, is_cold=is_cold)


def _with(batches: dict[str, Batch], errand: BatchErrand, act: Callable[[Batch], Outcome]) -> Outcome:
    batch = batches.get(errand.batch_id)
    return Problem(404, f"Message Batch {errand.batch_id[:100]} not found") if batch is None else act(batch)


def _listed(batches: dict[str, Batch], query: str, now: float) -> Outcome:
    """The newest first."""
    ids = list(reversed(batches))
    cut = cut_of(ids, query, kind="message batch")
    if isinstance(cut, Problem):
        return cut
    return Page(page_body(ids, [batches[id].body(now) for id in ids[cut.start : cut.end]], cut))


def _canceled(batch: Batch, now: float) -> Outcome:
    if batch.ended_at is not None:
        return Problem(400, f"Message Batch {batch.id} has ended and cannot be canceled")
    batch.cancel(now)
    return Page(batch.body(now))


def _deleted(batches: dict[str, Batch], batch: Batch) -> Outcome:
    if batch.ended_at is None:
        return Problem(400, f"Message Batch {batch.id} is still processing; cancel it before deleting it")
    del batches[batch.id]
    return Page({"id": batch.id, "type": "message_batch_deleted"})


def _results(batch: Batch, now: float) -> Outcome:
    if batch.ended_at is None:
        return Problem(400, f"Message Batch {batch.id} has no results yet; it is still processing")
    if not batch.has_results(now):
        return Problem(404, f"The results of Message Batch {batch.id} are no longer available")
    return Lines(batch.results, batch.result_lines)
