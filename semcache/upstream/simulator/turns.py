"""Whether the turns of a conversation follow each other as Claude demands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from semcache.request import Json
from semcache.upstream.simulator.blocks import blocks_of

Problems = Iterator[str]


def turn_problems(body: Json) -> Problems:
    """What is wrong with a conversation whose parts all have the right shape."""
    yield from _content_problems(body["messages"])
    yield from _pairing_problems(body["messages"])


def _content_problems(messages: list[Json]) -> Problems:
    spoken = [message["role"] for message in messages if message["role"] != "system"]
    if not spoken or spoken[0] != "user":
        yield 'messages: first message must use the "user" role'
    for turn, message in enumerate(messages):
        is_final_assistant = turn == len(messages) - 1 and message["role"] == "assistant"
        if message["content"] in ("", []) and not is_final_assistant:
            yield (
                f"messages.{turn}: all messages must have non-empty content except for the optional final"
                " assistant message"
            )
        for block in blocks_of(message["content"]):
            if block.get("type") == "text" and block["text"] == "" and "cache_control" not in block:
                yield "messages: text content blocks must be non-empty"


def _pairing_problems(messages: list[Json]) -> Problems:
    """Each tool_use is answered in the very next turn, and each tool_result answers one."""
    asked: dict[str, int] = {}  # id of each tool_use in the turn just before, and where it stands
    for role, turns in _merged(messages):
        results = dict(_found(messages, turns, "tool_result", "tool_use_id"))
        yield from _unexpected(messages, turns, asked)
        yield from _unanswered(asked, results)
        asked = dict(_found(messages, turns, "tool_use", "id")) if role == "assistant" else {}
    yield from _unanswered(asked, {})


def _merged(messages: list[Json]) -> Iterator[tuple[str, list[int]]]:
    """Turns as Claude merges them: neighbours of one role are one turn, system messages stand aside."""
    spoken = [turn for turn, message in enumerate(messages) if message["role"] != "system"]
    for role, turns in groupby(spoken, key=lambda turn: str(messages[turn]["role"])):
        yield role, list(turns)


def _found(messages: list[Json], turns: list[int], kind: str, key: str) -> Iterator[tuple[str, int]]:
    for turn in turns:
        for block in blocks_of(messages[turn]["content"]):
            if block.get("type") == kind:
                yield block[key], turn


def _unanswered(asked: dict[str, int], results: dict[str, int]) -> Problems:
    missing = [id for id in asked if id not in results]
    if missing:
        yield (
            f"messages.{asked[missing[0]]}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next"
            " message."
        )


def _unexpected(messages: list[Json], turns: list[int], asked: dict[str, int]) -> Problems:
    for id, turn in _found(messages, turns, "tool_result", "tool_use_id"):
        if id not in asked:
            yield (
                f"messages.{turn}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` "
                "block must have a corresponding `tool_use` block in the previous message."
            )
