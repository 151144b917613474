"""Writes what a service answers to a traffic file, redacted, beside the path of the request."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from semcache.errors import SettingsError
from semcache.message import Message
from semcache.request import Request
from semcache.traffic.recorded import Recorded

logger = logging.getLogger(__name__)

_MOST_WAITING = 1000  # beyond, what is recorded has holes; what is answered has none


class Recorder:
    """Appends lines on a thread of its own. A disk that fails costs the recording, never an answer.

    Raises `SettingsError` where the file cannot be written to.
    """

    def __init__(self, path: Path, redact: Callable[[Any], Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise SettingsError(f"record: {path} cannot be written: {error.strerror}") from error
        path.chmod(0o600)
        self._redact = redact
        self._waiting: deque[Recorded] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._write, name="semcache-recorder", daemon=True)
        self._thread.start()

    def note(self, request: Request, message: Message, *, at: float) -> None:
        """Keep a request and its answer, as the caller sent the one and was given the other."""
        recorded = Recorded(
            request.body,
            at,
            message,
            request.caller.namespace,
            request.directives.task,
            request.directives.tags,
            no_store=request.directives.no_store,
        )
        with self._changed:
            if len(self._waiting) < _MOST_WAITING and not self._is_closing:
                self._waiting.append(recorded)
                self._changed.notify()

    def close(self) -> None:
        """Write what is waiting, and close. May be called twice."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()
        self._file.close()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    return
                waiting, self._waiting = self._waiting, deque()
            try:
                self._file.writelines(self._line(each) for each in waiting)
                self._file.flush()
            except (OSError, ValueError) as error:
                logger.error("%d requests were not recorded: %s", len(waiting), type(error).__name__)

    def _line(self, each: Recorded) -> bytes:
        message = None if each.response is None else Message(self._redact(each.response.body))
        return replace(each, params=self._redact(each.params), response=message).content()
