"""From a reply to a message: thinking first, then the content as far as the limits let it come."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from semcache.pricing import Model
from semcache.pricing.tokens import BYTES_PER_TOKEN
from semcache.request import Json, encode_json
from semcache.upstream.simulator.acceptance import ThinkingPlan
from semcache.upstream.simulator.answers import Reply
from semcache.upstream.simulator.prompt import count_text

_THINKING_TOKENS = {"low": 32, "medium": 64, "high": 128, "xhigh": 256, "max": 512}
_THINKING_SHARE = 4  # at most a quarter of max_tokens is thought away
_TOOL_TOKENS = 12
_THOUGHTS = "The question is read, its words are weighed, and the answer follows from them. "


@dataclass(frozen=True)
class Limits:
    """How far an answer may go, and what it says when it is cut off there."""

    tokens: int
    reason: str  # max_tokens, or model_context_window_exceeded
    stop_sequences: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: Json, model: Model, input_tokens: int) -> Limits:
        left = model.context_window - input_tokens
        sequences = tuple(body.get("stop_sequences") or ())
        if left < body["max_tokens"]:
            return cls(left, "model_context_window_exceeded", sequences)
        return cls(body["max_tokens"], "max_tokens", sequences)


@dataclass(frozen=True)
class Composed:
    """What an answer consists of, and what of it was thought."""

    content: tuple[Json, ...]
    stop_reason: str
    stop_sequence: str | None
    output_tokens: int
    thinking_tokens: int


@dataclass(frozen=True)
class Signer:
    """Gives what only the face knows: signatures and ids."""

    signature: str
    new_id: Callable[[str], str]


def compose(reply: Reply, plan: ThinkingPlan, limits: Limits, *, model: Model, signer: Signer) -> Composed:
    """The answer as it would come back. Limits count thinking too."""
    thought = _thinking_tokens(plan, limits.tokens) if reply.blocks else 0
    thinking = (_thinking_block(reply, plan, thought, signer),) if thought else ()
    content: list[Json] = []
    spent, stop, sequence = thought, reply.stop_reason, None
    for block in reply.blocks:
        cut, tokens, ending = _fitted(block, limits, limits.tokens - spent, model)
        spent += tokens
        if cut is not None:
            content.append(_identified(cut, signer))
        if ending is not None:
            stop, sequence = ending
            break
    if stop is None:
        is_calling = any(block["type"] == "tool_use" for block in content)
        stop = limits.reason if limits.tokens == 0 else "tool_use" if is_calling else "end_turn"
    return Composed((*thinking, *content), stop, sequence, spent, thought)


_Ending = tuple[str, str | None]  # stop reason, stop sequence


def _fitted(block: Json, limits: Limits, left: int, model: Model) -> tuple[Json | None, int, _Ending | None]:
    """What fits of a block, its tokens, and how the answer ends where it ends here."""
    if block["type"] != "text":
        tokens = _block_tokens(block, model)
        return (block, tokens, None) if tokens <= left else (None, left, (limits.reason, None))
    text, sequence = _until_stop(block["text"], limits.stop_sequences)
    tokens = count_text(text, model)
    if tokens > left:
        text, ending = _truncated(text, left, model), (limits.reason, None)
        return ({**block, "text": text} if text else None), left, ending
    kept = {**block, "text": text} if text else None
    return kept, tokens, None if sequence is None else ("stop_sequence", sequence)


def _until_stop(text: str, sequences: tuple[str, ...]) -> tuple[str, str | None]:
    found = [(text.index(sequence), sequence) for sequence in sequences if sequence in text]
    if not found:
        return text, None
    place, sequence = min(found)
    return text[:place], sequence


def _truncated(text: str, tokens: int, model: Model) -> str:
    size = math.floor(tokens / model.tokenizer_factor) * BYTES_PER_TOKEN
    return text.encode("utf-8", "surrogatepass")[:size].decode("utf-8", "ignore")


def _block_tokens(block: Json, model: Model) -> int:
    if block["type"] == "tool_use":
        return _TOOL_TOKENS + count_text(f"{block['name']}{encode_json(block['input']).decode()}", model)
    return count_text(encode_json(block).decode(), model)


def _thinking_tokens(plan: ThinkingPlan, limit: int) -> int:
    if not plan.is_on:
        return 0
    wanted = _THINKING_TOKENS.get(plan.effort or "high", 128)
    if plan.budget_tokens is not None:
        wanted = min(wanted, plan.budget_tokens)
    return min(wanted, limit // _THINKING_SHARE)


def _thinking_block(reply: Reply, plan: ThinkingPlan, tokens: int, signer: Signer) -> Json:
    """An omitted thought is billed and signed all the same."""
    text = ""
    if plan.display == "summarized":
        text = reply.thinking or (_THOUGHTS * math.ceil(tokens / 16)).strip()
    return {"type": "thinking", "thinking": text, "signature": signer.signature}


def _identified(block: Json, signer: Signer) -> Json:
    if block["type"] == "tool_use" and not block.get("id"):
        return {**block, "id": signer.new_id("toolu")}
    return block


def usage_body(input_side: Any, composed: Composed, *, speed: str, geo: str | None) -> Json:
    """Claude's usage object, as in real time."""
    written = input_side.cache_write_5m_tokens + input_side.cache_write_1h_tokens
    return {
        "input_tokens": input_side.input_tokens,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": input_side.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": input_side.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": input_side.cache_write_1h_tokens,
        },
        "output_tokens": composed.output_tokens,
        "output_tokens_details": {"thinking_tokens": composed.thinking_tokens},
        "service_tier": "standard",
        "speed": speed,
        "inference_geo": geo or "global",
    }
