"""A stored message as the caller who is served it should see it, and the names under which answers are known."""

from __future__ import annotations

from dataclasses import replace

from semcache.entry import Hit, HitKind, Kind
from semcache.message import Message, new_message_id
from semcache.pricing import estimate_tokens
from semcache.request import Request


def replayed(request: Request, hit: Hit, *, is_shared: bool) -> Message:
    """The entry's message under a fresh id; without thinking where that was signed for another conversation."""
    message = hit.entry.message
    if hit.entry.kind is Kind.FAQ:
        message = _spoken_by(request, message)
    elif hit.kind is not HitKind.EXACT or is_shared:
        message = message.without_thinking()
    return message.with_id(new_message_id())


def names_of(message: Message) -> list[str]:
    """The ids under which its caller knows an answer from upstream: of the message, and of the request."""
    told = (value for name, value in message.headers if name.lower() == "request-id")
    return [name for name in (str(message.body.get("id", "")), *told) if name]


def _spoken_by(request: Request, message: Message) -> Message:
    """A FAQ answer as a message of the model that was asked, with usage estimated: nothing was billed."""
    usage = {
        "input_tokens": estimate_tokens(request.content().decode("utf-8", "replace")),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": estimate_tokens(message.text),
    }
    return replace(message, body={**message.body, "model": request.model, "usage": usage}, raw=None)
