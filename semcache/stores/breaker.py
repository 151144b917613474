"""A circuit breaker: a server that keeps failing is left alone for a while, and then asked by one caller alone.

The pattern is Nygard's (Release It!, 2nd edition, 5.2). What it guards fails with `StoreUnavailable`, timeouts
included; every other outcome, an error too, shows that the server answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from semcache.errors import StoreUnavailable

State = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class Health:
    """How a store behind a network is doing. `errors`: calls that failed since it was opened."""

    circuit: State
    errors: int


class Breaker:
    """Closed: all may call. Open, after so many failures in a row: nobody may. Half-open, after a pause: one may.

    Thread-safe. The one call that is let through closes the circuit by succeeding, or opens it for another pause.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, failures: int = 5, pause_seconds: float = 2.0
    ) -> None:
        self._clock = clock
        self._allowed = failures
        self._pause_seconds = pause_seconds
        self._lock = Lock()
        self._failures = 0  # in a row
        self._errors = 0
        self._last_said = ""
        self._retry_at: float | None = None  # None: closed
        self._is_probing = False

    @property
    def state(self) -> State:
        with self._lock:
            if self._retry_at is None:
                return "closed"
            return "half-open" if self._is_probing or self._clock() >= self._retry_at else "open"

    @property
    def health(self) -> Health:
        state = self.state
        with self._lock:
            return Health(state, self._errors)

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Raises `StoreUnavailable` at once where the circuit is open; counts how what it encloses ends."""
        is_probe = self._enter()
        try:
            yield
        except StoreUnavailable as error:
            self._fail(is_probe, str(error))
            raise
        except Exception:
            self._succeed(is_probe)
            raise
        except BaseException:  # says nothing about the server
            self._abandon(is_probe)
            raise
        self._succeed(is_probe)

    def _enter(self) -> bool:
        with self._lock:
            if self._retry_at is None:
                return False
            if self._is_probing or self._clock() < self._retry_at:
                raise StoreUnavailable(f"{self._last_said} (it has failed repeatedly, and is left alone for a moment)")
            self._is_probing = True
            return True

    def _fail(self, is_probe: bool, said: str) -> None:
        with self._lock:
            self._last_said = said
            self._errors += 1
            self._failures += 1
            if is_probe or self._failures == self._allowed:
                self._retry_at = self._clock() + self._pause_seconds
            if is_probe:
                self._is_probing = False

    def _succeed(self, is_probe: bool) -> None:
        with self._lock:
            if is_probe:
                self._is_probing, self._retry_at = False, None
            if self._retry_at is None:  # an answer that was under way when the circuit opened does not close it
                self._failures = 0

    def _abandon(self, is_probe: bool) -> None:
        if is_probe:
            with self._lock:
                self._is_probing = False
