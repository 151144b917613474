"""Compresses a conversation: old turns in short, recent ones as they are, the same on every later request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from semcache.errors import EmbedderError
from semcache.pricing import Model
from semcache.request import Json, Request
from semcache.strategies.compression.asking import asks_about_everything
from semcache.strategies.compression.freezing import Block, Plan
from semcache.strategies.compression.outcomes import Compression, NotCompressed, Sizes, Stretch
from semcache.strategies.compression.reading import Means, Reading
from semcache.strategies.compression.scribe import FIRST_MARK
from semcache.strategies.compression.selection import Judgement
from semcache.strategies.compression.shortening import budget_in_bytes, shortened
from semcache.strategies.compression.sizes import message_tokens
from semcache.strategies.compression.terms import Terms
from semcache.strategies.compression.tool_results import ToolResult, handle_of, masked
from semcache.strategies.compression.turns import Exchange, blocks_of, kind_of, normal_messages, without_thinking
from semcache.strategies.compression.worth import shipped_weights

STRATEGY = "compression"
_MANAGED = ("thread", "compaction")  # Claude holds or shortens the history itself
_HARMLESS_EDIT = "clear_thinking_"
_MARKABLE = frozenset({"text", "image", "document", "tool_use", "tool_result", "search_result"})


class Moment(Enum):
    """Whether new blocks may be frozen, or only those be used that were frozen before."""

    COLD = "cold"
    WARM = "warm"


def compressed(
    request: Request, *, terms: Terms, model: Model, means: Means | None = None, moment: Moment = Moment.COLD
) -> Compression | NotCompressed:
    """The request in short. Call `remember` on the outcome if it is sent, whatever it is.

    Without a memory every request freezes all it can; with one, `Moment.WARM` leaves the prefix
    as it was sent last. `model` is the one that will answer.
    """
    reading = Reading(request, terms, model, means or Means())
    if (reason := _unfit(reading)) is not None:
        return NotCompressed(request, reason)
    if asks_about_everything(reading.question):
        return _left_alone(reading, "asks about everything so far")
    plan = reading.promised or (reading.most if moment is Moment.COLD else reading.before)
    try:
        draft = _drafted(reading, plan)
    except EmbedderError:
        if reading.promised is not None or plan == reading.before:
            return _left_alone(reading, "the embedding model failed")
        plan = reading.before  # what was frozen before needs no model
        draft = _drafted(reading, plan)
    if plan.is_nothing:
        return _left_alone(reading, "nothing is old enough")
    if draft.messages == list(request.messages):
        return _left_alone(reading, "nothing to leave out")
    return _outcome(reading, plan, draft)


def uncompressed(request: Request, *, terms: Terms, model: Model, means: Means, reason: str) -> NotCompressed:
    """What to send where compression is switched off for one request of a conversation that may know it."""
    reading = Reading(request, terms, model, means)
    return NotCompressed(request, reason) if _unfit(reading) is not None else _left_alone(reading, reason)


def _left_alone(reading: Reading, reason: str) -> NotCompressed:
    """As the caller sent it, but without thinking that was made behind a compressed prefix."""
    records = {}
    memory = reading.means.memory
    if memory is not None and memory.get(reading.sent_key) is not None:
        records[reading.sent_key] = Plan(0, 0).record()
    messages = [_rid_of_thinking(reading, place) for place in range(len(reading.messages))]
    if not reading.may_have_been_compressed or not reading.is_bound or messages == list(reading.messages):
        return NotCompressed(reading.request, reason, records)
    return NotCompressed(reading.request.reshaped(STRATEGY, {"messages": messages}), reason, records)


def _unfit(reading: Reading) -> str | None:
    body = reading.request.body
    if not reading.messages or any(not isinstance(message.get("role"), str) for message in reading.messages):
        return "no conversation that can be read"
    if any(name in body for name in _MANAGED) or _edits_context(body.get("context_management")):
        return "Claude manages the history"
    if reading.is_bound and reading.means.memory is None and body.get("tools"):
        return "thinking between tool calls is bound to what was sent: this needs a memory"
    return None


def _edits_context(management: Any) -> bool:
    edits = management.get("edits") if isinstance(management, Mapping) else None
    kinds = [kind_of(edit) for edit in edits] if isinstance(edits, list) else []
    return any(not kind.startswith(_HARMLESS_EDIT) for kind in kinds)


def unfrozen_blocks(reading: Reading) -> list[Block]:
    """Those that `compressed` would freeze now, at a cold moment."""
    memory = reading.means.memory
    if _unfit(reading) is not None or asks_about_everything(reading.question) or reading.promised is not None:
        return []
    return [block for block in reading.blocks if memory is None or memory.get(block.key) is None]


@dataclass
class _Draft:
    """The conversation as it grows, and what restores it."""

    messages: list[Json] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    recover: dict[str, str] = field(default_factory=dict)
    frozen: int = 0
    records: dict[str, str] = field(default_factory=dict)

    def add(self, originals: Sequence[Json], now: Sequence[Json]) -> None:
        if list(originals) != list(now):
            text = json.dumps(list(originals), ensure_ascii=False, separators=(",", ":"))
            digest = handle_of(text)
            self.recover[digest] = text
            self.stretches.append(Stretch(len(self.messages), len(now), digest))
        self.messages += now


def _drafted(reading: Reading, plan: Plan) -> _Draft:
    """The conversation by this plan. Raises `EmbedderError` where a block is not frozen yet."""
    draft = _Draft()
    blocks = reading.blocks[: plan.blocks]
    for block in blocks:
        originals = reading.messages[block.start : block.end]
        draft.add(originals, _in_place_of(originals, _frozen(reading, block, draft)))
    draft.frozen = len(draft.messages)
    tail = blocks[-1].end if blocks else 0
    stubs = _stubs(reading.results[: plan.masked_results])
    for place in range(tail, len(reading.messages)):
        message = _rid_of_thinking(reading, place) if reading.is_bound else reading.messages[place]
        if place in stubs:  # a turn of results holds no thinking: its blocks stand where they stood
            message = masked(message, stubs[place])
        draft.add([reading.messages[place]], [message])
    hidden = [result for result in reading.results if result.message < tail and result.pays]
    draft.recover |= {result.handle: result.content for result in [*hidden, *reading.results[: plan.masked_results]]}
    return draft


def _frozen(reading: Reading, block: Block, draft: _Draft) -> list[Json]:
    """The block in short, in normal form: from the memory, or worked out from the conversation."""
    memory = reading.means.memory
    known = None if memory is None else memory.get(block.key)
    if known is None and (written := reading.means.written.get(block.key)) is not None:
        draft.records[block.key] = known = written
    drafts = reading.means.drafts
    if known is None and drafts is not None and (worked_out := drafts.get(block.key)) is not None:
        draft.records[block.key] = known = worked_out
    if known is not None:
        messages: list[Json] = json.loads(known)
        return messages
    old, exchanges = old_messages(reading, block)
    budget = budget_in_bytes(reading.terms.budget, old, tokenizer_factor=float(reading.model.tokenizer_factor))
    judgement = Judgement(block.after, reading.means.embed, shipped_weights())
    short = shortened(old, exchanges, budget_bytes=budget, judgement=judgement)
    draft.records[block.key] = json.dumps(short, ensure_ascii=False, separators=(",", ":"))
    if drafts is not None:
        drafts.put(block.key, draft.records[block.key])
    return short


def old_messages(reading: Reading, block: Block) -> tuple[list[Json], list[Exchange]]:
    """A block in normal form, without thinking and with its results masked, and its exchanges from 0 on."""
    stubs = _stubs([result for result in reading.results if block.start <= result.message < block.end])
    originals = [
        masked(message, stubs[place]) if place in stubs else message
        for place, message in enumerate(reading.messages[block.start : block.end], block.start)
    ]
    old = [without_thinking(message, instead=FIRST_MARK) for message in normal_messages(originals)]
    return old, [Exchange(each.start - block.start, each.end - block.start) for each in block.exchanges]


def _stubs(results: Sequence[ToolResult]) -> dict[int, dict[int, ToolResult]]:
    """By message and block; results that are shorter than their stub stay."""
    found: dict[int, dict[int, ToolResult]] = {}
    for result in results:
        if result.pays:
            found.setdefault(result.message, {})[result.block] = result
    return found


def _in_place_of(originals: Sequence[Json], frozen: Sequence[Json]) -> list[Json]:
    """The frozen messages with the last mark that the originals bear; the originals where nothing was left out."""
    if list(frozen) == normal_messages(originals):
        return list(originals)
    marks = [
        block["cache_control"]
        for message in originals
        for block in blocks_of(message.get("content"))
        if isinstance(block, dict) and block.get("cache_control") is not None
    ]
    content = list(frozen[-1]["content"])
    if not marks or not content or kind_of(content[-1]) not in _MARKABLE:
        return list(frozen)
    content[-1] = {**content[-1], "cache_control": marks[-1]}
    return [*frozen[:-1], {**frozen[-1], "content": content}]


def _rid_of_thinking(reading: Reading, place: int) -> Json:
    """A turn without thinking, unless the assistant is still at work on it."""
    message = reading.messages[place]
    if reading.open_from is not None and place >= reading.open_from:
        return message
    return without_thinking(message, instead=FIRST_MARK)


def _outcome(reading: Reading, plan: Plan, draft: _Draft) -> Compression:
    counts = range(reading.terms.results_group, plan.masked_results + 1, reading.terms.results_group)
    draft.records |= {reading.mask_key(count): "masked" for count in counts}
    if reading.is_bound and reading.request.body.get("tools"):
        draft.records[reading.sent_key] = plan.record()
    return Compression(
        request=reading.request.reshaped(STRATEGY, {"messages": draft.messages}),
        recover=draft.recover,
        stretches=tuple(draft.stretches),
        sizes=_sizes(reading, plan, draft),
        blocks=plan.blocks,
        frozen_messages=draft.frozen,
        masked_results=plan.masked_results,
        records=draft.records,
    )


def _sizes(reading: Reading, plan: Plan, draft: _Draft) -> Sizes:
    model = reading.model
    size = message_tokens(draft.messages, model)
    cut = message_tokens(reading.messages, model) - size
    if plan == reading.before:
        return Sizes(cut, 0, 0)
    before = reading.messages if reading.before.is_nothing else _drafted(reading, reading.before).messages
    pairs = enumerate(zip(before, draft.messages, strict=False))
    first = next((place for place, (was, now) in pairs if was != now), min(len(before), len(draft.messages)))
    return Sizes(cut, message_tokens(before, model) - size, message_tokens(draft.messages[first:], model))
