"""Who is in charge of the batches: a lease that its holder renews, and that another takes over from the dead."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

from semcache.errors import StoreError, StoreUnavailable
from semcache.stores.leases import Lease, Leases

SECONDS = 30.0
KEY = "batches: the charge"

logger = logging.getLogger(__name__)


class Charge:
    """Thread-safe. Whoever cannot renew it in time is not in charge any more, and says so before it changes a batch."""

    def __init__(
        self, leases: Leases, *, seconds: float = SECONDS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._leases = leases
        self._seconds = seconds
        self._monotonic = monotonic
        self._owner = secrets.token_hex(16)
        self._lock = Lock()
        self._lease: Lease | None = None
        self._good_until = 0.0  # by this process' clock, counted from before the server was asked
        self._renewal: tuple[Thread, Event] | None = None

    def take(self) -> bool:
        with self._lock:
            if self._renewal is not None or not self._acquire():
                return False
            stopped = Event()
            thread = Thread(target=self._renew_until, args=(stopped,), name="semcache-batch-charge", daemon=True)
            self._renewal = (thread, stopped)
            thread.start()
            return True

    def leave(self) -> None:
        """Let others take charge. May be called by whoever does not have it."""
        with self._lock:
            renewal, self._renewal = self._renewal, None
        if renewal is None:
            return
        thread, stopped = renewal
        stopped.set()
        thread.join()
        with self._lock:
            lease, self._lease = self._lease, None
        if lease is not None:
            try:
                self._leases.release(lease)
            except StoreError as error:
                logger.warning("the charge of the batches runs out by itself: %s", error)

    def check(self) -> None:
        """Raises `StoreUnavailable` where it had been taken and could not be kept."""
        with self._lock:
            if self._renewal is not None and (self._lease is None or self._monotonic() >= self._good_until):
                raise StoreUnavailable("the charge of the batches has been lost; another replica has it, or none")

    def _acquire(self) -> bool:
        asked_at = self._monotonic()
        given = self._leases.acquire(KEY, self._owner, seconds=self._seconds)
        self._lease = given if isinstance(given, Lease) else None
        self._good_until = asked_at + self._seconds
        return self._lease is not None

    def _renew_until(self, stopped: Event) -> None:
        while not stopped.wait(self._seconds / 3):
            with self._lock:
                try:
                    had_it = self._lease is not None
                    if self._acquire() != had_it:
                        logger.warning("the charge of the batches has been %s", "lost" if had_it else "taken again")
                except StoreError as error:
                    logger.warning("the charge of the batches cannot be renewed now: %s", error)
