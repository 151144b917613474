"""Answers that an examination was given so far, kept until it is over: whoever begins it anew pays for them once."""

from __future__ import annotations

import json
from dataclasses import replace

from semcache.exchange import Call
from semcache.learning.comparing import Send
from semcache.message import Message
from semcache.request import Json
from semcache.stores.store import Store

DOCUMENT = "optimise-answers"
_MOST = 200  # the latest


class Remembered:
    """A way to ask that knows the answers to named questions that it was given before, in whatever process."""

    def __init__(self, store: Store, send: Send) -> None:
        self._store = store
        self._send = send
        self._used: set[str] = set()

    def __call__(self, call: Call) -> Message:
        """Raises `UpstreamError`, `StoreError`. What is remembered is booked."""
        if not call.name:
            return self._send(call)
        self._used.add(call.name)
        if (body := self._read().get(call.name)) is not None:
            return replace(Message(body), coalesced=True)
        message = self._send(call)
        known = [*self._read().items(), (call.name, message.body)]
        self._write(dict(known[-_MOST:]))
        return message

    def forget(self) -> None:
        """The examination is over; what others have been told is kept for them. Raises `StoreError`."""
        self._write({name: body for name, body in self._read().items() if name not in self._used})

    def _read(self) -> dict[str, Json]:
        """What another version of semcache wrote is nothing."""
        content = self._store.load_document(DOCUMENT)
        try:
            known = json.loads(content or b"{}")
        except ValueError:
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self, known: dict[str, Json]) -> None:
        self._store.save_document(DOCUMENT, json.dumps(known).encode("ascii"))
