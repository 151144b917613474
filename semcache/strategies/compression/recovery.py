"""The way back: the request as the caller sent it, and the full text behind a stub."""

from __future__ import annotations

import json

from semcache.request import Json, Request
from semcache.strategies.compression.outcomes import Compression


def restored(compression: Compression) -> Request:
    """The body that was compressed. The caller's bytes are gone with the first change, as is its signature."""
    request = compression.request
    messages: list[Json] = []
    place = 0
    for stretch in compression.stretches:
        messages += request.messages[place : stretch.start]
        messages += json.loads(compression.recover[stretch.digest])
        place = stretch.start + stretch.count
    return request.reshaped("restoration", {"messages": [*messages, *request.messages[place:]]})
