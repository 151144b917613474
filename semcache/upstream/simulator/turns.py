"""Whether the turns of a conversation follow each other as Claude demands: content, tool pairs, marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from semcache.request import Json
from semcache.upstream.simulator.blocks import blocks_of

Problems = Iterator[str]

MAX_MARKS = 4
_MARK_FIELDS = frozenset({"type", "ttl"})


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
    pending: list[str] = []  # tool_use ids of the assistant's turn just before
    asked_in, seen_results = 0, set[str]()
    previous_role = ""
    for turn, message in enumerate(messages):
        if message["role"] == "system":
            continue
        if message["role"] == "assistant":
            yield from _unanswered(asked_in, pending, seen_results)
            if previous_role != "assistant":
                pending = []
            pending = [*pending, *_ids(message, "tool_use", "id")]
            asked_in, seen_results = turn, set()
        else:
            yield from _unexpected(turn, message, pending)
            seen_results |= set(_ids(message, "tool_result", "tool_use_id"))
        previous_role = message["role"]
    yield from _unanswered(asked_in, pending, seen_results)


def _unanswered(turn: int, pending: list[str], answered: set[str]) -> Problems:
    missing = [id for id in pending if id not in answered]
    if missing:
        yield (
            f"messages.{turn}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next"
            " message."
        )


def _unexpected(turn: int, message: Json, pending: list[str]) -> Problems:
    for place, block in enumerate(blocks_of(message["content"])):
        if block.get("type") == "tool_result" and block["tool_use_id"] not in pending:
            yield (
                f"messages.{turn}.content.{place}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in the"
                " previous message."
            )


def _ids(message: Json, kind: str, key: str) -> list[str]:
    return [block[key] for block in blocks_of(message["content"]) if block.get("type") == kind]


def mark_problems(body: Json) -> Problems:
    """What is wrong with the cache_control marks, the automatic one included."""
    marks = list(_marks(body))
    for where, block, mark in marks:
        yield from _mark_shape_problems(where, block, mark)
    automatic = body.get("cache_control")
    count = len(marks) + (1 if automatic is not None and (len(marks) == MAX_MARKS or not _last_is_marked(body)) else 0)
    if count > MAX_MARKS:
        yield f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. Found {count}."
    if automatic is not None and _last_is_marked(body) and _ttl(marks[-1][2]) != _ttl(automatic):
        yield "cache_control.ttl: the last block already has a cache_control with a different ttl"
    ttls = [(where, _ttl(mark)) for where, _, mark in marks]
    if automatic is not None:
        ttls.append(("", _ttl(automatic)))
    for place, (where, ttl) in enumerate(ttls):
        if ttl == "1h" and "5m" in [earlier for _, earlier in ttls[:place]]:
            yield (
                f"{where}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
                "`messages`."
            ).lstrip(".")


def _marks(body: Json) -> Iterator[tuple[str, Json, Any]]:
    for where, block in _markable(body):
        if block.get("cache_control") is not None:
            yield where, block, block["cache_control"]


def _markable(body: Json) -> Iterator[tuple[str, Json]]:
    for place, tool in enumerate(body.get("tools") or []):
        yield f"tools.{place}", tool
    for place, block in enumerate(blocks_of(body.get("system"))):
        yield f"system.{place}", block
    for turn, message in enumerate(body["messages"]):
        for place, block in enumerate(blocks_of(message["content"])):
            where = f"messages.{turn}.content.{place}"
            if block.get("type") == "tool_result":
                for inner, nested in enumerate(blocks_of(block.get("content"))):
                    yield f"{where}.tool_result.content.{inner}", nested
            yield where, block


def _last_is_marked(body: Json) -> bool:
    blocks = [block for _, block in _markable(body) if block.get("type") not in ("thinking", "redacted_thinking")]
    return bool(blocks) and blocks[-1].get("cache_control") is not None


def _mark_shape_problems(where: str, block: Json, mark: Any) -> Problems:
    if not isinstance(mark, dict):
        yield f"{where}.cache_control: Input should be a valid dictionary"
    elif mark.get("type") != "ephemeral":
        yield f"{where}.cache_control.type: Input should be 'ephemeral'"
    elif "ttl" in mark and mark["ttl"] not in ("5m", "1h"):
        yield f"{where}.cache_control.ttl: Input should be '5m' or '1h'"
    else:
        yield from (
            f"{where}.cache_control.{name}: Extra inputs are not permitted" for name in mark if name not in _MARK_FIELDS
        )
    if block.get("type") == "text" and block.get("text") == "":
        yield f"{where}.text: cache_control cannot be set for empty text blocks"


def _ttl(mark: Any) -> Any:
    return mark.get("ttl", "5m") if isinstance(mark, dict) else None
