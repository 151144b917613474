"""A message as the event sequence in which Claude would have streamed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from semcache.events.framing import PING, encode_event
from semcache.message import Message
from semcache.request import Json, encode_json

_KNOWN_AT_END = ("stop_reason", "stop_sequence", "stop_details", "container")  # fields of message_delta.delta
_BESIDE_DELTA = ("context_management",)
_INPUT_USAGE = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_LATE_USAGE = ("output_tokens_details", "server_tool_use", "iterations", "fallback_credit")
_TOOL_TYPES = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_PIECES_WANTED = 48  # long answers are cut coarser, so that there are dozens of events, not thousands
_SHORTEST_PIECE, _LONGEST_PIECE = 24, 240  # characters: about 4 and 40 words


def replay(message: Message) -> Iterator[bytes]:
    """The events, one by one. `assemble` of them gives the message back."""
    yield encode_event("message_start", {"type": "message_start", "message": _opening(message.body)})
    for index, block in enumerate(message.blocks):
        start, deltas = _streamed(block)
        data = {"type": "content_block_start", "index": index, "content_block": start}
        yield encode_event("content_block_start", data)
        if index == 0:
            yield PING
        for delta in deltas:
            data = {"type": "content_block_delta", "index": index, "delta": delta}
            yield encode_event("content_block_delta", data)
        yield encode_event("content_block_stop", {"type": "content_block_stop", "index": index})
    yield encode_event("message_delta", _closing(message.body))
    yield encode_event("message_stop", {"type": "message_stop"})


def _opening(body: Json) -> Json:
    """The message as it looked before the first word."""
    usage = _usage(body)
    begun = {name: value for name, value in usage.items() if name not in _LATE_USAGE or value is None}
    begun["output_tokens"] = min(usage["output_tokens"], 1)
    unknown_yet = {name: None for name in (*_KNOWN_AT_END, *_BESIDE_DELTA) if name in body}
    return {**body, "content": [], **unknown_yet, "usage": begun}


def _closing(body: Json) -> Json:
    """What is known only at the end. Clients break without `usage.output_tokens`."""
    usage = _usage(body)
    totals = {name: usage[name] for name in (*_INPUT_USAGE, "output_tokens", *_LATE_USAGE) if name in usage}
    return {
        "type": "message_delta",
        "delta": {name: body[name] for name in _KNOWN_AT_END if name in body},
        "usage": totals,
        **{name: body[name] for name in _BESIDE_DELTA if name in body},
    }


def _usage(body: Json) -> Json:
    usage = body.get("usage")
    known = usage if isinstance(usage, dict) else {}
    return known if isinstance(known.get("output_tokens"), int) else {**known, "output_tokens": 0}


def _streamed(block: Json) -> tuple[Json, Iterator[Json]]:
    """How a block begins, and the deltas that complete it; what we do not know arrives whole."""
    match block:
        case {"type": "text", "text": str()} if isinstance(block.get("citations"), list | None):
            return _begun(block, {"text": "", "citations": []}), _text_deltas(block)
        case {"type": "thinking", "thinking": str(), "signature": str()}:
            return _begun(block, {"thinking": "", "signature": ""}), _thinking_deltas(block)
        case {"type": "compaction", "content": _}:
            return _begun(block, {"content": None, "encrypted_content": None}), _compaction_deltas(block)
        case {"type": str(kind), "input": _} if kind in _TOOL_TYPES:
            return _begun(block, {"input": {}}), _input_deltas(block["input"])
        case _:
            return block, iter(())


def _begun(block: Json, empty: Json) -> Json:
    return {**block, **{name: value for name, value in empty.items() if block.get(name)}}


def _text_deltas(block: Json) -> Iterator[Json]:
    for piece in _pieces(block["text"]):
        yield {"type": "text_delta", "text": piece}
    for citation in block.get("citations") or ():
        yield {"type": "citations_delta", "citation": citation}


def _thinking_deltas(block: Json) -> Iterator[Json]:
    for piece in _pieces(block["thinking"]):
        yield {"type": "thinking_delta", "thinking": piece}
    yield {"type": "signature_delta", "signature": block["signature"]}


def _compaction_deltas(block: Json) -> Iterator[Json]:
    carried: Json = {name: block[name] for name in ("content", "encrypted_content") if name in block}
    yield {"type": "compaction_delta", **carried}


def _input_deltas(value: Any) -> Iterator[Json]:
    yield {"type": "input_json_delta", "partial_json": ""}
    if value != {}:
        for piece in _pieces(encode_json(value).decode("utf-8")):
            yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str) -> Iterator[str]:
    """Cut before a space where one is near; in whole characters always."""
    size = min(max(len(text) // _PIECES_WANTED, _SHORTEST_PIECE), _LONGEST_PIECE)
    start = 0
    while start < len(text):
        space = text.find(" ", start + size, start + 2 * size)
        end = space if space >= 0 else start + size
        yield text[start:end]
        start = end
