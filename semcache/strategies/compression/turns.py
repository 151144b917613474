"""A conversation as exchanges: a user turn and all that follows until the next one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from semcache.message import THINKING_TYPES
from semcache.request import Json

_ROLES = ("user", "assistant")
_TEXT_FIELDS = frozenset({"type", "text"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """Messages from `start` up to `end`."""

    start: int
    end: int


def exchanges_of(messages: Sequence[Json]) -> list[Exchange]:
    """Every message belongs to one; what stands before the first user turn belongs to its exchange."""
    starts = [place for place, message in enumerate(messages) if _opens(message)]
    if starts:
        starts[0] = 0
    return [Exchange(start, end) for start, end in zip(starts, [*starts[1:], len(messages)], strict=True)]


def normal_messages(messages: Sequence[Json]) -> list[Json]:
    """In blocks and without marks: what the model reads, whichever way the client has written it down this time."""
    return [{**message, "content": unmarked(blocks_of(message.get("content")))} for message in messages]


def blocks_of(content: Any) -> list[Any]:
    """A bare text is one block; what is neither text nor list has none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else []


def unmarked(value: Any) -> Any:
    """Content blocks without their marks, nested ones of tool results too."""
    if not isinstance(value, list):
        return value
    return [_unmarked_block(block) for block in value]


def kind_of(block: Any) -> str:
    return str(block.get("type")) if isinstance(block, dict) else ""


def is_prose(block: Any) -> bool:
    """Text and nothing else: no citations, no field that we do not know."""
    return (
        isinstance(block, dict)
        and block.get("type") == "text"
        and isinstance(block.get("text"), str)
        and _TEXT_FIELDS.issuperset(block)
    )


def is_plain(message: Json) -> bool:
    """A user or assistant turn of nothing but text, thinking aside."""
    blocks = [block for block in message["content"] if kind_of(block) not in THINKING_TYPES]
    return is_speech(message) and all(is_prose(block) for block in blocks)


def is_speech(message: Json) -> bool:
    """A turn of user or assistant without fields that we do not know."""
    return message.get("role") in _ROLES and message.keys() == {"role", "content"}


def user_text(message: Json) -> str:
    """What is said in a turn, as one text."""
    return "\n\n".join(_texts(message))


def open_turn(messages: Sequence[Json]) -> int | None:
    """Where the user turn stands that the assistant is still at work on: its tools run, or its answer is begun."""
    place = len(messages) - 1
    is_open = False
    while place >= 0 and messages[place].get("role") != "assistant":  # Claude reads neighbours of one role as one turn
        is_open = is_open or _brings_results(messages[place])
        place -= 1
    is_begun = all(message.get("role") == "system" for message in messages[place + 1 :])
    if place < 0 or not (is_open or is_begun):
        return None
    return next((at for at in range(place, -1, -1) if _opens(messages[at])), 0)


def first_thinking(messages: Sequence[Json], start: int) -> int | None:
    """The first turn from `start` on that holds thinking."""
    return next((at for at in range(start, len(messages)) if _thinks(messages[at])), None)


def without_thinking(message: Json, *, instead: str) -> Json:
    """The same message where it holds none; `instead` stands where nothing else is left."""
    if not _thinks(message):
        return message
    kept = [block for block in message["content"] if kind_of(block) not in THINKING_TYPES]
    return {**message, "content": kept or [{"type": "text", "text": instead}]}


def _opens(message: Json) -> bool:
    return message.get("role") == "user" and not _brings_results(message)


def _brings_results(message: Json) -> bool:
    return any(kind_of(block) == "tool_result" for block in blocks_of(message.get("content")))


def _thinks(message: Json) -> bool:
    return any(kind_of(block) in THINKING_TYPES for block in blocks_of(message.get("content")))


def _texts(message: Json) -> Iterator[str]:
    for block in blocks_of(message.get("content")):
        if kind_of(block) == "text" and isinstance(block.get("text"), str):
            yield block["text"]


def _unmarked_block(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    plain = {name: value for name, value in block.items() if name != "cache_control"}
    if plain.get("type") == "tool_result" and "content" in plain:
        plain["content"] = unmarked(blocks_of(plain.get("content")))
    return plain
