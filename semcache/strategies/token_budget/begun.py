"""Which conversations were begun with the hint: signed thinking is bound to all that stood before it, hint included."""

from __future__ import annotations

import json
from collections import OrderedDict
from threading import Lock

from semcache.canonical import digest
from semcache.journal import Journalled, operation
from semcache.request import Request
from semcache.strategies.compression.turns import blocks_of, first_thinking, normal_messages, unmarked

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
        self._note(_name(request, len(request.messages)))

    @operation
    def _note(self, name: str) -> None:
        with self._lock:
            self._names[name] = None
            if len(self._names) > _MOST:
                self._names.popitem(last=False)

    def holds(self, request: Request) -> bool | None:
        """Whether the thinking that is sent back was thought behind the hint; None: none is."""
        place = first_thinking(normal_messages(request.messages), 0)
        if place is None:
            return None
        with self._lock:
            return _name(request, place) in self._names

    def to_bytes(self) -> bytes:
        with self._lock:
            return json.dumps(list(self._names)).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        names = OrderedDict((str(name), None) for name in json.loads(content))
        with self._lock:
            self._names = names


def _name(request: Request, end: int) -> str:
    """Names a prompt up to a turn, whichever way the client has written it down this time."""
    caller = [request.caller.namespace, request.caller.credential]
    system = unmarked(blocks_of(request.body.get("system")))
    return digest([caller, system, normal_messages(request.messages[:end])])[:20]
