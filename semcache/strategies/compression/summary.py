"""Old turns summarised by the cheapest model: once for each frozen block, never again."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from semcache.errors import UpstreamError
from semcache.exchange import Call
from semcache.message import Message
from semcache.pricing import Disabled, Model
from semcache.pricing.tokens import BYTES_PER_TOKEN
from semcache.request import Json, Request, encode_json
from semcache.strategies.compression.compressing import compressed, old_messages, unfrozen_blocks
from semcache.strategies.compression.freezing import Block
from semcache.strategies.compression.keeps import bound_keeps
from semcache.strategies.compression.old_turns import OldTurns
from semcache.strategies.compression.outcomes import Compression, NotCompressed
from semcache.strategies.compression.reading import Means, Reading
from semcache.strategies.compression.scribe import MARK
from semcache.strategies.compression.shortening import budget_in_bytes
from semcache.strategies.compression.sizes import message_tokens
from semcache.strategies.compression.terms import Terms
from semcache.strategies.compression.turns import is_prose, kind_of

_TOLD = frozenset({"text", "tool_use", "tool_result"})  # a block with anything else is shortened, not summarised
_BYTES_PER_WORD = 6
_LEAST_WORDS = 40
_TOKENS_PER_WORD = 3  # room enough, whatever the language
_STEERING = frozenset({"anthropic-beta"})

Summarising = Generator[Call, Message, Compression | NotCompressed]


@dataclass(frozen=True)
class Effort:
    """What summarising takes, and what it spares beyond choosing sentences, estimated. Read and written tokens are the
    cheapest model's at worst, spared ones those of the model that will answer.
    """

    calls: int
    read_tokens: int
    written_tokens: int
    spared_tokens: int


def effort_of(request: Request, *, terms: Terms, model: Model, means: Means, of_budget: float) -> Effort:
    """Nothing is asked of anybody; see `summarised`."""
    reading = Reading(request, terms, model, means)
    told = [old_messages(reading, block)[0] for block in unfrozen_blocks(reading)] if means.memory is not None else []
    told = [old for old in told if _can_be_told(old)]
    read = sum(message_tokens(old, model) for old in told)
    words = sum(_words(terms, old, model, of_budget) for old in told)
    kept = sum(budget_in_bytes(terms.budget, old, tokenizer_factor=float(model.tokenizer_factor)) for old in told)
    spared = int(kept * (1 - of_budget) / BYTES_PER_TOKEN * float(model.tokenizer_factor))
    return Effort(len(told), read, words * _TOKENS_PER_WORD, spared)


def _words(terms: Terms, old: Sequence[Json], model: Model, of_budget: float) -> int:
    budget = of_budget * budget_in_bytes(terms.budget, old, tokenizer_factor=float(model.tokenizer_factor))
    return max(_LEAST_WORDS, int(budget / _BYTES_PER_WORD))


def summarised(  # noqa: PLR0913 - as `compressed`, and who tells it in how many words
    request: Request, *, terms: Terms, model: Model, means: Means, cheapest: Model, of_budget: float = 1.0
) -> Summarising:
    """As `compressed` at a cold moment, with blocks that are frozen now in the words of `cheapest`.

    Yields one call for each such block. A block that cannot be summarised, or whose summary is cut
    off, refused or too long, is shortened instead. Without a memory every one would be paid for
    again on every request: then all are shortened. A summary may have `of_budget` of what sentences would have.
    """
    reading = Reading(request, terms, model, means)
    written: dict[str, str] = {}
    for block in unfrozen_blocks(reading) if means.memory is not None else []:
        old, exchanges = old_messages(reading, block)
        if not _can_be_told(old):
            continue
        try:
            message = yield Call(_asked(request, old, cheapest, words=_words(terms, old, model, of_budget)))
        except UpstreamError:
            continue
        turns = _turns_of(message, OldTurns.read(old, exchanges), block)
        if turns is not None:
            written[block.key] = json.dumps(turns, ensure_ascii=False, separators=(",", ":"))
    return compressed(request, terms=terms, model=model, means=replace(means, written=written))


def _can_be_told(messages: Sequence[Json]) -> bool:
    return all(
        message.get("role") != "system" and {kind_of(block) for block in message["content"]} <= _TOLD
        for message in messages
    )


def _asked(request: Request, old: Sequence[Json], cheapest: Model, *, words: int) -> Request:
    """A request of its own, under the caller's credential."""
    transcript = "\n\n".join(f"{message['role']}: {_told(message)}" for message in old)
    body: Json = {
        "model": cheapest.id,
        "max_tokens": words * _TOKENS_PER_WORD,
        "system": _wording()["prompt"].strip().format(words=words),
        "messages": [{"role": "user", "content": f"<conversation>\n{transcript}\n</conversation>"}],
    }
    if cheapest.thinking.on_by_default and cheapest.thinking.disabled is not Disabled.NO:
        body["thinking"] = {"type": "disabled"}
    if (place := request.body.get("inference_geo")) is not None:  # where the caller wants it read
        body["inference_geo"] = place
    headers = tuple((name, value) for name, value in request.headers if name not in _STEERING)
    return Request(body, caller=request.caller, headers=headers)


def _told(message: Json) -> str:
    return "\n".join(_told_block(block) for block in message["content"])


def _told_block(block: Any) -> str:
    match kind_of(block):
        case "text":
            return str(block["text"])
        case "tool_use":
            return f"[calls {block.get('name')}: {json.dumps(block.get('input'), ensure_ascii=False)}]"
        case _:
            inner = block.get("content") or []
            return "\n".join(str(each["text"]) for each in inner if is_prose(each))


def _turns_of(message: Message, old: OldTurns, block: Block) -> list[Json] | None:
    """The summary in place of the block; None where there is none that is worth having."""
    text = message.text.strip()
    if message.stop_reason != "end_turn" or not text:
        return None
    bound = [old.units[place] for place in sorted(bound_keeps(old, block.after))]
    missing = [unit.text for unit in bound if unit.is_users and unit.text not in text]
    if missing:
        text = "\n".join([text, _wording()["verbatim"], *missing])
    turns: list[Json] = [{"role": "user", "content": [{"type": "text", "text": f"{_wording()['opening']}\n{text}"}]}]
    if old.messages[-1]["role"] == "assistant":
        turns.append({"role": "assistant", "content": [{"type": "text", "text": MARK}]})
    return turns if len(encode_json(turns)) < len(encode_json(old.messages)) else None


@cache
def _wording() -> Mapping[str, str]:
    return tomllib.loads(files("semcache.strategies.compression").joinpath("summary.toml").read_text("utf-8"))
