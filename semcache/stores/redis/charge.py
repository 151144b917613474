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

    @property
    def is_held(self) -> bool:
        """Whether nobody else can be in charge."""
        with self._lock:
            return self._is_held()

    def take(self) -> bool:
        """Whether it is ours now, and was not before."""
        with self._lock:
            if self._is_held() or not self._acquire():
                return False
            if self._renewal is not None:  # it had been lost
                return True
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
            if self._renewal is not None and not self._is_held():
                raise StoreUnavailable("the charge of the batches has been lost; another replica has it, or none")

    def _is_held(self) -> bool:
        return self._lease is not None and self._monotonic() < self._good_until

    def _acquire(self) -> bool:
        asked_at = self._monotonic()
        given = self._leases.acquire(KEY, self._owner, seconds=self._seconds)
        self._lease = given if isinstance(given, Lease) else None
        self._good_until = asked_at + self._seconds
        return self._lease is not None

    def _renew_until(self, stopped: Event) -> None:
        while not stopped.wait(self._seconds / 3):
            with self._lock:
                if self._lease is None:
                    continue  # lost: whoever wants it takes it anew
                try:
                    if not self._acquire():
                        logger.warning("the charge of the batches has been lost")
                except StoreError as error:
                    logger.warning("the charge of the batches cannot be renewed now: %s", error)
