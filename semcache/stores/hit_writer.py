"""When hits and servings that are buffered get written: behind the requests, and once more at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable

from semcache.errors import StoreError
from semcache.stores.hit_buffer import HitBuffer
from semcache.stores.store import Serving
from semcache.stores.upkeep import Chore

MOST_PENDING = 512  # written at once when this many wait,
DELAY_SECONDS = 2.0  # and in any case this long after the first

logger = logging.getLogger(__name__)


class HitWriter:
    """Thread-safe. `flush` writes what is in the buffer, and raises `StoreError`."""

    def __init__(
        self,
        buffer: HitBuffer,
        flush: Callable[[], None],
        *,
        most_pending: int = MOST_PENDING,
        delay_seconds: float = DELAY_SECONDS,
    ) -> None:
        self._buffer = buffer
        self._flush = flush
        self._most_pending = most_pending
        self._chore = Chore("hit-writing", flush, delay_seconds=delay_seconds)

    def count(self, entry_id: str, *, at: float, serving: Serving | None = None) -> None:
        """Count one hit, with what was served."""
        self._ask(self._buffer.count(entry_id, at=at, serving=serving))

    def note(self, serving: Serving) -> None:
        """Keep what was served."""
        self._ask(self._buffer.note(serving))

    def close(self) -> None:
        """Write what is left; what cannot be written is given up, and said. May be called twice."""
        self._chore.stop()
        try:
            self._flush()
        except StoreError as error:
            logger.warning("%d hits not counted: %s", self._buffer.give_up(), error)

    def _ask(self, pending: int) -> None:
        self._chore.ask(at_once=pending >= self._most_pending)
