"""A chore done on a thread of its own, some time after it was asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread

from semcache.errors import StoreError

PAUSE_SECONDS = 2.0  # after a failure: what fails once is asked for again at once

logger = logging.getLogger(__name__)


class Chore:
    """Runs `act` once for any number of wake-ups that come within `delay_seconds`. The thread starts at the first."""

    def __init__(self, name: str, act: Callable[[], None], *, delay_seconds: float = 0.0) -> None:
        self._name = name
        self._act = act
        self._delay_seconds = delay_seconds
        self._asked, self._now, self._stopped = Event(), Event(), Event()
        self._lock = Lock()
        self._thread: Thread | None = None

    def ask(self, *, at_once: bool = False) -> None:
        if at_once:
            self._now.set()
        if not self._asked.is_set():
            self._asked.set()
            self._start()

    def is_stopped(self) -> bool:
        """For `act` to look at while it works long."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Wait for a running act, and run no more. May be called twice."""
        self._stopped.set()
        self._now.set()
        self._asked.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopped.is_set():
                self._thread = Thread(target=self._run, name=f"semcache-{self._name}", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._asked.wait()
            self._now.wait(self._delay_seconds)
            self._now.clear()
            self._asked.clear()
            if self._stopped.is_set():
                return
            try:
                self._act()
                continue
            except StoreError as error:
                logger.warning("%s put off: %s", self._name, error)
            except Exception as error:  # a dead thread would never be noticed; its text may hold a prompt
                logger.error("%s failed: unforeseen %s", self._name, type(error).__name__)
            self._stopped.wait(PAUSE_SECONDS)
