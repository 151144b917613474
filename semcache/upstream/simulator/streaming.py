"""A message as the events Claude would have streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from semcache.request import Json, encode_json

_INPUT_SIDE = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_ARGUMENT_CHARACTERS = 16


def stream_events(message: Json, *, chunk_characters: int) -> Iterator[bytes]:
    """Each event framed, in the documented order, with a ping behind the first block's start."""
    for event in _events(message, chunk_characters):
        yield framed(event)


def framed(event: Json) -> bytes:
    """One server-sent event: both the `event:` line and the `type` inside `data:`."""
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + encode_json(event) + b"\n\n"


def error_event(kind: str, message: str) -> bytes:
    """An error after the status 200 has already been sent."""
    return framed({"type": "error", "error": {"type": kind, "message": message}})


def _events(message: Json, chunk_characters: int) -> Iterator[Json]:
    opening = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    opening["usage"] = {**message["usage"], "output_tokens": min(1, message["usage"]["output_tokens"])}
    opening["usage"].pop("output_tokens_details", None)
    yield {"type": "message_start", "message": opening}
    for index, block in enumerate(message["content"]):
        yield {"type": "content_block_start", "index": index, "content_block": _opened(block)}
        if index == 0:
            yield {"type": "ping"}
        for delta in _deltas(block, chunk_characters):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    counts = (*_INPUT_SIDE, "output_tokens", "output_tokens_details")
    yield {"type": "message_delta", "delta": ending, "usage": {name: message["usage"][name] for name in counts}}
    yield {"type": "message_stop"}


def _opened(block: Json) -> Json:
    match block["type"]:
        case "text":
            return {**block, "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use":
            return {**block, "input": {}}
        case _:
            return block  # arrives whole


def _deltas(block: Json, chunk_characters: int) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for piece in _pieces(block["text"], chunk_characters):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in _pieces(block["thinking"], chunk_characters):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use":
            spelled = json.dumps(block["input"], ensure_ascii=False)
            for piece in ("", *_pieces(spelled, _ARGUMENT_CHARACTERS)):
                yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]
