"""Which conversations Claude's prompt cache may still hold: those that spoke a short while ago."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

WARM_SECONDS = 300.0  # the shorter time to live of a cached prompt
_MOST_KEPT = 16_384


class LastSent:
    """When each conversation was last sent, and to which model. Thread-safe and bounded."""

    def __init__(self) -> None:
        self._sent: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._lock = Lock()

    def note(self, conversation: str, model: str, *, now: float) -> None:
        with self._lock:
            self._sent[conversation] = (model, now)
            self._sent.move_to_end(conversation)
            if len(self._sent) > _MOST_KEPT:
                self._sent.popitem(last=False)

    def is_warm(self, conversation: str, model: str, *, now: float) -> bool:
        """Whether this model may still hold what the conversation began with."""
        with self._lock:
            sent = self._sent.get(conversation)
        return sent is not None and sent[0] == model and now - sent[1] < WARM_SECONDS
