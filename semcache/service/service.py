"""One running service: its parts, and what belongs to its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import token_bytes as random_bytes

from starlette.types import Scope

from semcache import curation
from semcache.batches.office import Office
from semcache.batches.rules import Rules
from semcache.canonical import identify
from semcache.drivers import blocking_send
from semcache.errors import EmbedderError, SemcacheError, StoreError, StoreUnavailable
from semcache.exchange import Answer
from semcache.flights import Flights
from semcache.request import Json
from semcache.request import Request as MessagesRequest
from semcache.rolling_up import roll_up
from semcache.service.access import AdminGate
from semcache.service.metrics import Metrics
from semcache.service.parts import Parts
from semcache.service.recent import Decision, Recent
from semcache.service.tracing import Tracing, Untraced
from semcache.service.watched import WatchedUpstream
from semcache.service.worker_threads import WorkerThreads
from semcache.traffic.recording import Recorder
from semcache.traffic.redaction import redactor

logger = logging.getLogger(__name__)

_LONGEST_TEXT = 10_000  # characters of a question or an answer in a log line
SYNC_SECONDS = 1.0  # after which other processes on the store know of answers judged and money spent here
_REOPEN_SECONDS = 2.0  # between attempts at a store that was away when the service started
SAVE_SECONDS = 30.0  # and of everything else that was learned
_PRUNE_SECONDS = 3600.0
_SERVINGS_KEPT_SECONDS = 30 * 24 * 3600.0  # as long feedback may name an answer by its message or request id


class Service:
    """What every endpoint is given. Lives as long as the event loop it was made in."""

    def __init__(self, parts: Parts, *, batch_rules: Rules | None = None, tracing: Tracing | None = None) -> None:
        self.office: Office | None = None  # None: batches are passed on
        self._batch_rules = batch_rules
        self._recorder: Recorder | None = None
        self.recent = Recent()
        self.settings = parts.settings
        self.upstream_name = parts.upstream.name
        self.gate = AdminGate(parts.settings)
        self.tracing = tracing or Untraced()
        self.metrics = Metrics(upstream=parts.upstream.name, embedder=parts.settings.embedder)
        self._trouble = ""  # what the last upkeep met; a store may fail long after it was opened
        self._former: list[Parts] = []  # requests that began with them may still be under way
        self._tasks: list[asyncio.Task[None]] = []
        self._texts = self._text_reader()
        self._adopt(parts)

    @classmethod
    def of(cls, scope: Scope) -> Service:
        """The service a request came to."""
        service: Service = scope["state"]["service"]
        return service

    @property
    def fault(self) -> str:
        """Why the cache cannot be used now; empty: it can."""
        return self.parts.fault or self._trouble

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        """Keep the store in order while serving; at the end let go of everything."""
        self._recorder = self._opened_recorder()
        if self.parts.reopen is None:
            self._start_cache()
        else:
            self._tasks.append(asyncio.create_task(self._stand_by(self.parts.reopen), name="semcache-stand-by"))
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            if self.parts.assembly is not None:
                await asyncio.to_thread(self.parts.assembly.learning.stop)
            if self.office is not None:
                await asyncio.to_thread(self.office.room.close)
            if self._recorder is not None:
                await asyncio.to_thread(self._recorder.close)
            await self.parts.upstream.aclose()
            for parts in (*self._former, self.parts):
                await asyncio.to_thread(parts.close)
            await asyncio.to_thread(self.tracing.close)

    def texts(self, request: MessagesRequest, answer: Answer) -> Json:
        """What was asked and answered, for the log; nothing unless the operator wants it there."""
        return self._texts(request, answer)

    def record(self, request: MessagesRequest, answer: Answer, *, seconds: float) -> None:
        """Keep what was decided, and what was asked and answered where the operator wants that kept."""
        at = self.parts.clock()
        self.recent.note(Decision.of(request, answer, at=at, ms=seconds * 1000))
        if self._recorder is not None:
            self._recorder.note(request, answer.message, at=at)

    def _adopt(self, parts: Parts) -> None:
        """Answer with these from the next request on."""
        self.parts = parts
        watched = WatchedUpstream(parts.upstream, self.metrics.calls, self.tracing)
        self.flights = Flights(
            watched,
            coalesce=parts.settings.coalesce,
            recall=None if parts.assembly is None else parts.assembly.cache.just_stored,
            turns=None if parts.assembly is None else parts.assembly.turns,
            on_lost=None if parts.assembly is None else parts.assembly.ledger.book_lost,
        )
        workers = WorkerThreads(parts.executor, threads=parts.settings.threads or os.cpu_count() or 1)
        self.advance = workers.advance
        self.metrics.watch(workers, parts.assembly, clock=parts.clock)
        self.metrics.degraded.set(bool(self.fault))

    def _start_cache(self) -> None:
        """What works beside the requests where there is a cache."""
        self._tasks.append(asyncio.create_task(self._keep_up(), name="semcache-upkeep"))
        self.office = self._opened_office()
        if self.parts.assembly is not None:
            send = blocking_send(self.flights, asyncio.get_running_loop())
            room = self.office.room if self.office is not None and self.settings.own_jobs_wait_seconds else None
            self.parts.assembly.learning.start(send, room=room)
        if self.office is not None:
            self._tasks.append(asyncio.create_task(self.office.run(), name="semcache-batches"))

    async def _stand_by(self, reopen: Callable[[], Parts]) -> None:
        """Open the cache as soon as its store can be reached; until then everything is passed on."""
        while True:
            await asyncio.sleep(_REOPEN_SECONDS)
            try:
                parts = await asyncio.to_thread(reopen)
            except StoreUnavailable:
                continue
            except SemcacheError as error:
                logger.error("the cache stays off until a restart: %s: %s", type(error).__name__, error)
                return
            except Exception as error:  # nobody looks at a task that has ended by itself
                logger.error("the cache stays off until a restart: unforeseen %s", type(error).__name__)
                return
            self.parts.unused = None  # it belongs to the new parts by now
            self._former.append(self.parts)
            self._adopt(parts)
            self._start_cache()
            logger.warning("THE CACHE IS ON: its store can be reached")
            return

    def _text_reader(self) -> Callable[[MessagesRequest, Answer], Json]:
        if not self.settings.log_texts:
            return lambda request, answer: {}
        logger.warning("every question and answer is logged: SEMCACHE_LOG_TEXTS is on")
        redact = redactor(random_bytes(32))

        def read(request: MessagesRequest, answer: Answer) -> Json:
            return {
                "question": redact(identify(request).question or "")[:_LONGEST_TEXT],
                "answer": redact(answer.message.text)[:_LONGEST_TEXT],
            }

        return read

    def _opened_recorder(self) -> Recorder | None:
        """Raises `SettingsError`."""
        if self.settings.record is None:
            return None
        assembly = self.parts.assembly
        secret = random_bytes(32) if assembly is None else assembly.store.secret("recording")
        redact = redactor(secret) if self.settings.record_redacted else lambda value: value
        logger.warning("every request and answer is recorded in %s", self.settings.record)
        return Recorder(self.settings.record, redact)

    def _opened_office(self) -> Office | None:
        """The office of batches, which needs a store to keep them in."""
        if self.parts.assembly is None:
            return None
        send = blocking_send(self.flights, asyncio.get_running_loop())
        try:
            return Office(
                self.parts.assembly, self.parts.upstream, send=send, clock=self.parts.clock, rules=self._batch_rules
            )
        except StoreError as error:
            logger.warning("batches go straight to the upstream: %s", error)
            return None

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        if self.parts.assembly is not None:
            self._note(await asyncio.to_thread(self._caught_up))
        swept_at, pruned_at = loop.time(), float("-inf")
        while True:
            slept_at = loop.time()
            await asyncio.sleep(SYNC_SECONDS)
            self.metrics.note_lag(loop.time() - slept_at - SYNC_SECONDS)
            if self.parts.assembly is None:
                continue
            sweep, prune = (loop.time() - swept_at >= SAVE_SECONDS, loop.time() - pruned_at >= _PRUNE_SECONDS)
            swept_at = loop.time() if sweep else swept_at
            pruned_at = loop.time() if prune else pruned_at
            self._note(await asyncio.to_thread(self._tidied, sweep=sweep, prune=prune))

    def _caught_up(self) -> str:
        """After a change of the embedding model, embed anew what the old one had embedded."""
        try:
            if count := curation.reembed(self.parts.cache_parts.cache):
                logger.info("embedded anew by %s: %d entries", self.settings.embedder, count)
        except (StoreError, EmbedderError) as error:
            return str(error)
        except Exception as error:  # what comes after it must not end with it
            logger.error("embedding anew failed: unforeseen %s", type(error).__name__)
            return f"embedding anew failed: {type(error).__name__}"
        return ""

    def _tidied(self, *, sweep: bool, prune: bool) -> str:
        """Write what is buffered and, now and then, forget what is old; what went wrong, if anything."""
        assembly = self.parts.cache_parts
        try:
            assembly.store.flush()
            assembly.sync()
            if sweep:
                expired, evicted = assembly.store.expire(), assembly.store.evict()
                if expired or evicted:
                    logger.info("upkeep expired=%d evicted=%d", expired, evicted)
                assembly.save()
            if prune:
                assembly.store.prune_servings(assembly.cache.now() - _SERVINGS_KEPT_SECONDS)
                assembly.learning.book.prune()
                days = {"rows_days": self.settings.ledger_rows_days, "sums_days": self.settings.ledger_sums_days}
                roll_up(assembly.store, now=assembly.cache.now(), **days)
        except StoreError as error:
            return str(error)
        except Exception as error:  # upkeep that stops for ever would be worse than any single failure
            logger.error("upkeep failed: unforeseen %s", type(error).__name__)
            return f"upkeep failed: {type(error).__name__}"
        return ""

    def _note(self, trouble: str) -> None:
        if trouble and not self._trouble:
            logger.error("the store is in trouble: %s", trouble)
        if self._trouble and not trouble:
            logger.warning("the store works again")
        self._trouble = trouble
        self.metrics.degraded.set(bool(self.fault))
