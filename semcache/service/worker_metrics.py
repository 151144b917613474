"""Any worker behind one port speaks for all of them: what each counts lies where the others can read it.

Whatever a worker has ever shown lies there before it is shown, so no counter falls when a worker dies, however it dies;
what it counted in its last second and nobody has seen, is lost.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import cast

from prometheus_client.metrics_core import Metric

from semcache.request import Json
from semcache.service.merging import decode, encode, merged
from semcache.service.metrics import Metrics
from semcache.service.recent import Recent
from semcache.service.worker_slots import Note, WorkerSlot

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
_METRICS, _DECISIONS = "metrics.json", "decisions.json"


@asynccontextmanager
async def speaking_for_all(folder: Path, metrics: Metrics, recent: Recent) -> AsyncIterator[None]:
    """Within it a scrape of this worker, and its latest decisions, are those of all that share the folder.

    Where the folder cannot be used the worker speaks for itself alone, and says so: it serves in any case.
    """
    try:
        voice = await asyncio.to_thread(_Voice, WorkerSlot(folder), metrics, recent)
    except OSError as error:
        logger.error("METRICS ARE THIS WORKER'S ALONE: %s", error)
        yield
        return
    telling = asyncio.create_task(voice.keep_telling(), name="semcache-worker-metrics")
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        await asyncio.to_thread(voice.close)


class _Voice:
    """What one worker tells the others, and hears from them."""

    def __init__(self, slot: WorkerSlot, metrics: Metrics, recent: Recent) -> None:
        self._slot = slot
        self._metrics = metrics
        self._recent = recent
        self._lock = Lock()  # an older account must not overwrite a newer one
        self._is_closed = self._is_in_trouble = False
        self._told = -1  # decisions, when they were last told
        self._inherited = decode(slot.left(_METRICS) or b"[]")  # of those who had this slot before
        self._left: list[Json] = json.loads(slot.left(_DECISIONS) or b"[]")
        metrics.speak_for_all(self.all_metrics)
        recent.speak_for_all(self._decisions_elsewhere)
        self.tell()

    async def keep_telling(self) -> None:
        """Once a second, whatever happens."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await asyncio.to_thread(self.tell)
            except Exception as error:  # the others would never notice
                logger.error("telling the other workers failed: unforeseen %s", type(error).__name__)

    def tell(self) -> None:
        """Put down what this worker has counted and decided."""
        with self._lock:
            self._tell()

    def all_metrics(self) -> list[Metric]:
        """The sum over all workers, of this one as it is now, and of the others as of the last second."""
        with self._lock:
            own = self._tell()
        notes = [(decode(note.content), note.is_by_living) for note in self._heard(_METRICS)]
        living = [told for told, is_by_living in notes if is_by_living]
        return merged([own, *living], [told for told, is_by_living in notes if not is_by_living])

    def close(self) -> None:
        """The last account; then this worker counts as dead."""
        with self._lock:
            self._tell()
            self._is_closed = True
            self._slot.close()

    def _tell(self) -> list[Metric]:
        own = merged([self._metrics.own()], [self._inherited])
        if self._is_closed:
            return own
        try:
            self._slot.put(_METRICS, encode(own))
            if (noted := self._recent.noted) != self._told:
                self._slot.put(_DECISIONS, json.dumps(self._recent.own_and(self._left)).encode())
                self._told = noted
        except OSError as error:
            self._note_trouble(error)
        else:
            self._is_in_trouble = False
        return own

    def _decisions_elsewhere(self) -> list[Json]:
        notes = (cast("list[Json]", json.loads(note.content)) for note in self._heard(_DECISIONS))
        return [*self._left, *(decision for note in notes for decision in note)]

    def _heard(self, name: str) -> list[Note]:
        try:
            return list(self._slot.others(name))
        except OSError as error:
            self._note_trouble(error)
            return []

    def _note_trouble(self, error: OSError) -> None:
        if not self._is_in_trouble:
            logger.error("METRICS ARE THIS WORKER'S ALONE: %s", error)
        self._is_in_trouble = True
