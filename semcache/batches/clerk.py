"""One batch's whole life, in rounds: each does all there is to do now, and a crash between any two costs nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from semcache.batches.collecting import Collecting
from semcache.batches.docket import Docket, Step
from semcache.batches.looking import Looking
from semcache.batches.rules import Aside, Rules
from semcache.batches.sending import Dispatching
from semcache.batching.batch_life import (
    AllEnded,
    Archived,
    BatchEnded,
    BatchState,
    BatchTimeRanOut,
    Canceling,
    Expiring,
    InProgress,
    batch_transition,
)
from semcache.batching.item_events import CancelAsked, Event, GivenUp, TimeRanOut
from semcache.batching.message_batch import Counts
from semcache.batching.states import Accepted, Duplicate, Sent, Submitting, Waiting
from semcache.errors import SemcacheError
from semcache.stores.batch_store import BatchRecord

logger = logging.getLogger(__name__)

_OPEN = (Accepted, Duplicate, Waiting, Submitting, Sent)
_STEPS_AT_ONCE = 1000


@dataclass
class Clerk:
    """Works on one batch until it has ended. `wake` says that the caller has changed his mind about it."""

    docket: Docket
    looking: Looking
    dispatching: Dispatching
    collecting: Collecting
    rules: Rules
    clock: Callable[[], float]
    advance: Aside
    announce: Callable[[], Awaitable[None]]  # that all are looked up, and some must be sent
    finish: Callable[[Docket, BatchState, Counts], None]  # it has ended

    def __post_init__(self) -> None:
        self._woken = asyncio.Event()
        self._is_announced = False
        self._stopped: type | None = None  # the event that all requests have been told of

    def wake(self) -> None:
        self._woken.set()

    async def work(self) -> None:
        """Until the batch has ended, or is gone."""
        idle_rounds = 0
        while (record := await self.advance(self.docket.record)) is not None and not _has_ended(record.state):
            self._woken.clear()
            try:
                moved = await self._round(record)
                if await self.advance(self._ended):
                    return
            except SemcacheError as error:  # an outage postpones, and never drops
                logger.warning("batch %s is put off: %s: %s", self.docket.id, type(error).__name__, error)
                moved = False
            idle_rounds = 0 if moved else idle_rounds + 1
            await self._rest(idle_rounds)

    async def _round(self, record: BatchRecord) -> bool:
        is_stopping = await self.advance(lambda: self._stop_if_due(record))
        moved = False
        while not self._woken.is_set() and await self.advance(self._looked_up):
            moved = True
        if not self._is_announced and (await self.advance(self._counts)).processing:
            self._is_announced = True
            await self.announce()
        if not is_stopping and not self._woken.is_set():
            moved |= await self.dispatching.send()
        moved |= await self.dispatching.reconcile()
        moved |= await self.collecting.collect(is_stopping=is_stopping)
        return moved

    def _looked_up(self) -> bool:
        return self.looking.look_up() + self.looking.follow() > 0

    def _stop_if_due(self, record: BatchRecord) -> bool:
        """Whether nothing more is to be sent: the caller has canceled, or time has run out."""
        now, state = self.clock(), record.state
        if isinstance(state, InProgress) and now >= record.accepted_at + record.terms.expiry_seconds:
            expiring = batch_transition(state, BatchTimeRanOut(), now)
            state = expiring if self.docket.batches.move(self.docket.id, expiring, instead_of=state) else state
        match state:
            case Canceling(asked_at):
                self._tell_all(CancelAsked(), since=asked_at)
            case Expiring():
                self._tell_all(TimeRanOut(), since=record.accepted_at + record.terms.expiry_seconds)
            case _:
                return False
        return True

    def _tell_all(self, event: Event, *, since: float) -> None:
        """What is not upstream ends at once; what is, ends as the upstream says, or when patience does."""
        is_over = self.clock() >= since + self.rules.give_up_seconds
        if self._stopped is type(event) and not is_over:
            return
        steps: list[Step] = []
        for item in self.docket.all_items(*_OPEN):
            is_upstream = isinstance(item.state, Submitting | Sent)
            steps.append(Step(item, [event, GivenUp()] if is_over and is_upstream else [event]))
            if len(steps) == _STEPS_AT_ONCE:
                self.docket.take(steps)
                steps = []
        self.docket.take(steps)
        self.collecting.exchanges.close()
        self._stopped = type(event)

    def _counts(self) -> Counts:
        return self.docket.batches.counts(self.docket.id)

    def _ended(self) -> bool:
        counts = self._counts()
        record = self.docket.record()
        if counts.processing or record is None or record.state is None:
            return record is None
        state = batch_transition(record.state, AllEnded(), self.clock())
        self.finish(self.docket, state, counts)
        logger.info("batch %s ended: %s", self.docket.id, counts.body())
        return True

    async def _rest(self, idle_rounds: int) -> None:
        if not idle_rounds:
            return
        seconds = max(self.rules.rest_seconds(idle_rounds - 1), self.dispatching.rest_seconds)
        self.dispatching.rest_seconds = 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


def _has_ended(state: BatchState | None) -> bool:
    return isinstance(state, BatchEnded | Archived)
