"""Names of prompts up to a turn: signed thinking is bound to all that stood before it, and this is what that is called.

A name holds no text, and is the same whichever way the client has written the prompt down this time.
"""

from __future__ import annotations

from semcache.canonical import digest
from semcache.errors import UpstreamStatus
from semcache.request import Request
from semcache.strategies.compression.turns import blocks_of, first_thinking, normal_messages, unmarked


def name_of_prompt(request: Request) -> str:
    """Of all of it: what an answer's thinking will be bound to."""
    return _name(request, len(request.messages))


def name_before_thinking(request: Request) -> str | None:
    """Of what stood before the first thinking that is sent back; None: there is none."""
    place = first_thinking(normal_messages(request.messages), 0)
    return None if place is None else _name(request, place)


def refuses_signature(refusal: UpstreamStatus) -> bool:
    """Whether Claude refuses thinking that was sent back, because it is bound to another prompt."""
    return refusal.status == 400 and b"signature" in refusal.body and b"thinking" in refusal.body


def _name(request: Request, end: int) -> str:
    caller = [request.caller.namespace, request.caller.credential]
    system = unmarked(blocks_of(request.body.get("system")))
    return digest([caller, system, normal_messages(request.messages[:end])])[:20]
