"""Whether two answers do the same: the tools that they call. What they say is for the judge of sameness."""

from __future__ import annotations

from enum import Enum
from typing import Any

from semcache.canonical import digest
from semcache.message import Message
from semcache.request import Json


class Acts(Enum):
    """How the tool calls of two answers compare. `UNCLEAR`: the same tools with other words in them."""

    NONE = "none"
    SAME = "same"
    DIFFERENT = "different"
    UNCLEAR = "unclear"


def compared_acts(one: Message, other: Message) -> Acts:
    """Order counts: a tool that is called first may change what the next one finds."""
    mine, others = _calls(one), _calls(other)
    if not mine and not others:
        return Acts.NONE
    if [call.get("name") for call in mine] != [call.get("name") for call in others]:
        return Acts.DIFFERENT
    pairs = [(a.get("input"), b.get("input")) for a, b in zip(mine, others, strict=True)]
    if all(digest(a) == digest(b) for a, b in pairs):
        return Acts.SAME
    return Acts.UNCLEAR if all(digest(_shape(a)) == digest(_shape(b)) for a, b in pairs) else Acts.DIFFERENT


def _calls(message: Message) -> list[Json]:
    return [block for block in message.blocks if block.get("type") == "tool_use"]


def _shape(value: Any) -> Any:
    """An input without its free text: names, numbers and single words stay."""
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return "…" if isinstance(value, str) and len(value.split()) > 1 else value
