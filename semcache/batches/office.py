"""The office that works on all accepted batches: one in all processes that share a store, for as long as it lives."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from semcache.assembly import Assembly
from semcache.batches.answering import Answering, Answers, OpenExchanges, Send
from semcache.batches.clerk import Clerk
from semcache.batches.collecting import Collecting
from semcache.batches.courier import Courier
from semcache.batches.docket import Docket
from semcache.batches.leaders import Leaders
from semcache.batches.looking import Looking
from semcache.batches.own_answering import OWNER, ErrandAnswering, OwnAnswering, errand_outcome
from semcache.batches.rules import Rules
from semcache.batches.sending import Dispatching
from semcache.batches.waiting_room import OwnDocket, WaitingRoom
from semcache.batching.batch_life import BatchState, KeptLongEnough, batch_transition
from semcache.batching.message_batch import Counts
from semcache.decision.deciding import LearnedDecision
from semcache.decision.evidence import Witness
from semcache.drivers import on_threads
from semcache.entry import Embedding
from semcache.errors import EmbedderError, SemcacheError, StoreError
from semcache.exchange import Answer
from semcache.request import Request
from semcache.stores.batch_store import BatchRecord, batches_of
from semcache.upstream.upstream import Upstream

logger = logging.getLogger(__name__)

_STALE_ARRIVAL_SECONDS = 3600.0
_TIDY_SECONDS = 300.0
_AGAIN_SECONDS = 60.0  # after a mistake of ours


class Office:
    """Lives in one event loop. `send` asks upstream in real time, from a thread."""

    def __init__(
        self,
        assembly: Assembly,
        upstream: Upstream,
        *,
        send: Send,
        clock: Callable[[], float],
        rules: Rules | None = None,
    ) -> None:
        self.rules = rules or Rules()
        self.store = assembly.store
        self.batches = batches_of(assembly.store)
        self.clock = clock
        wait_seconds = assembly.settings.own_jobs_wait_seconds
        self.room = WaitingRoom(assembly, clock=clock, wait_seconds=wait_seconds)
        self._assembly = assembly
        self._upstream = upstream
        self._answering = Answering(assembly.forward, assembly.cache, assembly.ledger, send=send, spend=self._spend)
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="semcache-batches")
        self.advance = on_threads(self._executor)
        self._clerks: dict[str, tuple[Clerk, asyncio.Task[None]]] = {}
        self._resting: dict[str, float] = {}
        self._woken = asyncio.Event()
        self._ended = asyncio.Condition()
        self._announced: set[str] = set()  # batches with news that no clerk has finished with
        self._is_in_charge = False
        self._tidied_at = float("-inf")

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self._look_around()
                except SemcacheError as error:
                    logger.warning("batches are put off: %s", type(error).__name__)
                except Exception as error:  # an office that is gone would keep all waiting for ever, and nobody told
                    logger.error("batches are put off: unforeseen %s", type(error).__name__)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.rules.watch_seconds):
                        await self._woken.wait()
        finally:
            await self._close()

    def wake(self, batch_id: str) -> None:
        """There is news of this batch: it has been accepted, or canceled."""
        self._announced.add(batch_id)
        self._woken.set()
        if batch_id in self._clerks:
            self._clerks[batch_id][0].wake()

    async def looked_up(self, batch_id: str, *, timeout_seconds: float) -> bool:
        """Wait until a batch that has just been accepted has ended, or must wait for the upstream; False: neither is
        known within that time.
        """
        if not self._is_in_charge:
            return False
        try:
            async with asyncio.timeout(timeout_seconds), self._ended:
                await self._ended.wait_for(lambda: batch_id not in self._announced)
        except TimeoutError:
            return False
        return True

    async def _look_around(self) -> None:
        if self._is_in_charge and not self.batches.keeps_charge():
            logger.warning("not in charge of batches any more pid=%d", os.getpid())
            self._is_in_charge = False
            await self._dismiss_clerks()
            await self.advance(self.batches.leave_charge)  # for good: a renewal that comes late must not keep it
        await self.advance(self.room.send)
        if not self._is_in_charge:
            self._is_in_charge = await self.advance(self.batches.take_charge)
            if not self._is_in_charge:
                return
            logger.info("in charge of batches pid=%d", os.getpid())
        if self.clock() - self._tidied_at >= _TIDY_SECONDS:
            self._tidied_at = self.clock()
            await self.advance(self._tidy)
        now = asyncio.get_running_loop().time()
        for record in await self.advance(self.batches.unended):
            if record.id not in self._clerks and self._resting.get(record.id, now) <= now:
                clerk = self._clerk(record)
                task = asyncio.create_task(self._worked(record.id, clerk), name=f"semcache-{record.id}")
                self._clerks[record.id] = clerk, task

    async def _worked(self, batch_id: str, clerk: Clerk) -> None:
        try:
            await clerk.work()
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("batch %s: unforeseen %s; it is tried again", batch_id, type(error).__name__)
            self._resting[batch_id] = asyncio.get_running_loop().time() + _AGAIN_SECONDS
        finally:
            clerk.collecting.exchanges.close()
            self._clerks.pop(batch_id, None)
            await self._announce(batch_id)

    async def _announce(self, batch_id: str) -> None:
        self._announced.discard(batch_id)
        async with self._ended:
            self._ended.notify_all()

    def _clerk(self, record: BatchRecord) -> Clerk:
        rules, assembly = self.rules, self._assembly
        docket, answering = self._handled(record)
        exchanges = OpenExchanges(rules.open_exchanges, most_bytes=rules.open_bytes)
        courier = Courier(self._upstream, docket.asked)
        decider = LearnedDecision(Witness(assembly.embedder.words), assembly.learning.beliefs)
        leaders = Leaders(decider, self._embed)
        return Clerk(
            docket,
            Looking(docket, answering, leaders, exchanges, rules.portion, rules.limits.max_bytes),
            Dispatching(docket, courier, rules, self.clock, self.advance),
            Collecting(docket, courier, answering, exchanges, self.advance, rules.portion),
            rules,
            self.clock,
            self.advance,
            partial(self._announce, record.id),
            self._finish,
        )

    def _handled(self, record: BatchRecord) -> tuple[Docket, Answers]:
        if record.credential == OWNER:
            return OwnDocket(self.store, record), OwnAnswering()
        outcome = errand_outcome(record)
        answering = self._answering if outcome is None else ErrandAnswering(self._assembly.ledger, outcome)
        return Docket(self.store, record), answering

    def _finish(self, docket: Docket, state: BatchState, counts: Counts) -> None:
        if isinstance(docket, OwnDocket):
            self.room.learn_from(docket)
        else:
            docket.batches.end(docket.id, state, counts)

    def _embed(self, text: str) -> Embedding | None:
        try:
            return self._assembly.embedder.embed(text)
        except EmbedderError:
            return None

    def _spend(self, request: Request, answer: Answer) -> None:
        usage, cost_usd = answer.message.usage, float(answer.cost_usd or 0)
        if cost_usd > 0:
            tokens = usage.prompt_tokens + usage.output_tokens
            self._assembly.spending.add(request.caller.namespace, usd=cost_usd, tokens=tokens, now=self.clock())

    def _tidy(self) -> None:
        """Forget what nobody finished sending, and results that have been kept long enough."""
        now = self.clock()
        self.batches.discard_arriving(before=now - _STALE_ARRIVAL_SECONDS)
        for record in self.batches.ended_before(now - self.rules.terms.kept_seconds):
            if record.state is not None and now >= record.accepted_at + record.terms.kept_seconds:
                self.batches.archive(record.id, batch_transition(record.state, KeptLongEnough(), now))

    async def _dismiss_clerks(self) -> None:
        """They stop where they are; what they have begun is in the store."""
        tasks = [task for _, task in self._clerks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self) -> None:
        self.room.stop_asking()
        await self._dismiss_clerks()
        await asyncio.to_thread(self._executor.shutdown)
        if self._is_in_charge:
            with suppress(StoreError):
                self.batches.leave_charge()
