"""One batch in time: what is done by now, what it has cost, and when it ends. Time is the only thing that drives it."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from semcache.request import Json
from semcache.upstream.simulator.batch_answering import Done, unanswered
from semcache.upstream.simulator.batch_conduct import BatchConduct
from semcache.upstream.simulator.gate import Visitor
from semcache.upstream.simulator.packing import BLOCK_LINES, PackedLines, PackedRequests

KINDS = ("succeeded", "errored", "canceled", "expired")
T = TypeVar("T")
Answer = Callable[[Json, Visitor, float, bool], Done]  # request, creator, when, whether the prompt cache is cold


class Batch:
    """A batch of one account. Not thread-safe: its owner holds the lock."""

    def __init__(self, id: str, creator: Visitor, conduct: BatchConduct, *, created_at: float) -> None:
        self.id = id
        self.account = creator.account
        self.requests: PackedRequests = creator.body["requests"]
        self.created_at = created_at
        self.canceled_at: float | None = None
        self.ended_at: float | None = None
        self.cost_usd = Decimal(0)
        self._creator = creator
        self._conduct = conduct
        self._order, self._usual = _order(len(self.requests), conduct)
        self._cursor = 0
        self._counts: Counter[str] = Counter()
        self._lines = PackedLines()

    def advance(self, now: float, answer: Answer, *, at_most: int) -> None:
        """Do what is due by now, up to so many requests."""
        stop = self._stop()
        for turn in range(self._cursor, min(self._cursor + at_most, len(self._order))):
            place, due = self._order[turn], self._due(turn)
            if due <= min(now, stop):
                self._keep(answer(self.requests[place], self._creator, due, self._is_cold(place)))
            elif now >= stop:
                self._keep(unanswered(self.requests[place], "expired" if self._expires_first() else "canceled"))
            else:
                break
        if self.ended_at is None and self._cursor == len(self.requests):
            self.ended_at = max(self.created_at, min(stop, self._due(self._cursor - 1)))

    def cancel(self, now: float) -> None:
        """Ask for the end; asking again changes nothing."""
        if self.canceled_at is None:
            self.canceled_at = now

    def body(self, now: float) -> Json:
        """The MessageBatch object. Counts stay with `processing` until the end."""
        is_archived = now >= self._archived_at
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": self.counts,
            "created_at": instant(self.created_at),
            "expires_at": instant(self.created_at + self._conduct.expiry_seconds),
            "ended_at": instant(self.ended_at),
            "cancel_initiated_at": instant(self.canceled_at),
            "archived_at": instant(self._archived_at) if is_archived else None,
            "results_url": self._results_url() if self.ended_at is not None and not is_archived else None,
        }

    @property
    def next_at(self) -> float:
        """When there is something to do again, where it has not ended."""
        return min(self._due(self._cursor), self._stop())

    @property
    def status(self) -> str:
        if self.ended_at is not None:
            return "ended"
        return "in_progress" if self.canceled_at is None else "canceling"

    @property
    def counts(self) -> dict[str, int]:
        if self.ended_at is None:
            return {"processing": len(self.requests), **dict.fromkeys(KINDS, 0)}
        return {"processing": 0, **{kind: self._counts[kind] for kind in KINDS}}

    def has_results(self, now: float) -> bool:
        return self.ended_at is not None and now < self._archived_at

    def results(self) -> Iterator[bytes]:
        """JSON lines, in the order in which the requests were done, many to a chunk."""
        for lines in self._lines.blocks():
            yield b"\n".join(lines) + b"\n"

    def result_lines(self) -> Iterator[bytes]:
        """The same, each line by itself."""
        for lines in self._lines.blocks():
            yield from (line + b"\n" for line in lines)

    @property
    def packed_bytes(self) -> int:
        """What its requests and results weigh in memory."""
        return self.requests.packed_bytes + self._lines.packed_bytes

    @property
    def _archived_at(self) -> float:
        return self.created_at + self._conduct.kept_seconds

    def _keep(self, done: Done) -> None:
        self._lines.append(done.line)
        self._counts[done.kind] += 1
        self.cost_usd += done.cost_usd
        self._cursor += 1

    def _due(self, turn: int) -> float:
        """When the request that is `turn`-th in the order of work is done."""
        conduct = self._conduct
        if turn < self._usual:
            return self.created_at + conduct.seconds * (turn + 1) / self._usual
        return self.created_at + conduct.seconds + conduct.slow_seconds

    def _stop(self) -> float:
        """After which nothing is answered any more."""
        expires_at = self.created_at + self._conduct.expiry_seconds
        return expires_at if self.canceled_at is None else min(expires_at, self._cancel_ends_at(self.canceled_at))

    def _expires_first(self) -> bool:
        expires_at = self.created_at + self._conduct.expiry_seconds
        return self.canceled_at is None or self._cancel_ends_at(self.canceled_at) > expires_at

    def _cancel_ends_at(self, canceled_at: float) -> float:
        return canceled_at + self._conduct.cancel_seconds

    def _is_cold(self, place: int) -> bool:
        share = self._conduct.cold_share
        return share > 0 and random.Random(f"{self._conduct.seed}/{place}").random() < share

    def _results_url(self) -> str:
        return f"{self._conduct.results_base_url.rstrip('/')}/v1/messages/batches/{self.id}/results"


def instant(seconds: float | None) -> str | None:
    """RFC 3339 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _order(count: int, conduct: BatchConduct) -> tuple[array[int], int]:
    """The order of work, and how many of it are not slow. Whole blocks are shuffled, so that each is unpacked once."""
    chance = random.Random(conduct.seed)
    blocks = [range(start, min(start + BLOCK_LINES, count)) for start in range(0, count, BLOCK_LINES)]
    mixed = _shuffled(blocks, chance) if conduct.is_shuffled else blocks
    usual, slow = array("I"), array("I")
    for block in mixed:
        for place in _shuffled(block, chance) if conduct.is_shuffled else block:
            (slow if chance.random() < conduct.slow_share else usual).append(place)
    return usual + slow, len(usual)


def _shuffled(items: Iterable[T], chance: random.Random) -> list[T]:
    kept = list(items)
    chance.shuffle(kept)
    return kept
