"""Which conversations were begun with the hint: signed thinking is bound to all that stood before it, hint included."""

from __future__ import annotations

import json
from collections import OrderedDict
from threading import Lock

from semcache.journal import Journalled, operation
from semcache.request import Request
from semcache.strategies.prompt_names import name_before_thinking, name_of_prompt

_MOST = 20_000


class Begun(Journalled):
    """A bounded set of names of prompts. Thread-safe."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    @property
    def is_empty(self) -> bool:
        return not self._names

    def note(self, request: Request) -> None:
        """An answer with thinking came to this request, hinted: what follows it must be hinted too."""
        self._note(name_of_prompt(request))

    @operation
    def _note(self, name: str) -> None:
        with self._lock:
            self._names[name] = None
            if len(self._names) > _MOST:
                self._names.popitem(last=False)

    def holds(self, request: Request) -> bool | None:
        """Whether the thinking that is sent back was thought behind the hint; None: none is."""
        name = name_before_thinking(request)
        if name is None:
            return None
        with self._lock:
            return name in self._names

    def to_bytes(self) -> bytes:
        with self._lock:
            return json.dumps(list(self._names)).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        names = OrderedDict((str(name), None) for name in json.loads(content))
        with self._lock:
            self._names = names
