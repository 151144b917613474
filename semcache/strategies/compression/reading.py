"""A request as compression reads it: blocks, tool results, what of both was compressed before, what is bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from semcache.canonical import system_digest
from semcache.pricing import Model, Preserved
from semcache.request import Json, Request
from semcache.strategies.compression.freezing import (
    Block,
    Chain,
    Plan,
    closed_blocks,
    frozen_before,
    maskable_results,
)
from semcache.strategies.compression.outcomes import Memory
from semcache.strategies.compression.relevance import Embed
from semcache.strategies.compression.terms import Terms, Tokens
from semcache.strategies.compression.tool_results import ToolResult, tool_results_of
from semcache.strategies.compression.turns import exchanges_of, first_thinking, open_turn, user_text

_DROP_BETA = "thinking-binding-controls-2026-08-01"


@dataclass(frozen=True)
class Means:
    """What compression may use: an embedder for relevance, a memory of what it froze, and blocks written elsewhere.

    `drafts` spares work alone: what was worked out for a block, and may never have been sent.
    """

    embed: Embed | None = None
    memory: Memory | None = None
    drafts: Memory | None = None
    written: Mapping[str, str] = field(default_factory=dict, repr=False)  # by the key of the block


@dataclass(frozen=True)
class Reading:
    """Works out each part once."""

    request: Request = field(repr=False)
    terms: Terms
    model: Model
    means: Means

    @property
    def messages(self) -> Sequence[Json]:
        return self.request.messages

    @cached_property
    def question(self) -> str:
        """The last that the user said."""
        exchanges = exchanges_of(self.messages)
        return user_text(self.messages[exchanges[-1].start]) if exchanges else ""

    @cached_property
    def chain(self) -> Chain:
        """Conversations of two callers, models or system prompts share nothing."""
        caller = self.request.caller
        circumstances = [caller.namespace, caller.partition, self.model.id, system_digest(self.request)]
        circumstances += [repr(self.terms), "embedded" if self.means.embed is not None else "words alone"]
        if isinstance(self.terms.budget, Tokens):
            circumstances.append(str(self.model.tokenizer_factor))
        return Chain(self.messages, circumstances=circumstances)

    @cached_property
    def blocks(self) -> list[Block]:
        return closed_blocks(self.messages, self.chain, self.terms)

    @cached_property
    def results(self) -> list[ToolResult]:
        return tool_results_of(self.messages)

    @cached_property
    def most(self) -> Plan:
        """All that is old enough."""
        return Plan(len(self.blocks), maskable_results(len(self.results), self.terms))

    @cached_property
    def before(self) -> Plan:
        """What the conversation was sent as already."""
        memory = self.means.memory
        masked = 0
        if memory is not None:
            counts = range(self.terms.results_group, self.most.masked_results + 1, self.terms.results_group)
            masked = max((count for count in counts if memory.get(self.mask_key(count)) is not None), default=0)
        return Plan(frozen_before(self.blocks, memory), masked)

    @property
    def may_have_been_compressed(self) -> bool:
        """Whether thinking of earlier turns may have been made behind a compressed prefix."""
        return not (self.most if self.means.memory is None else self.before).is_nothing

    def mask_key(self, count: int) -> str:
        """Names the fact that the first `count` results are masked."""
        return self.chain.key("masked", self.results[count - 1].message + 1, str(count))

    @property
    def sent_key(self) -> str:
        """Names the plan by which this very request is sent."""
        return self.chain.key("sent", len(self.messages))

    @cached_property
    def is_bound(self) -> bool:
        """Whether thinking is refused behind a changed prefix."""
        thinking = self.request.body.get("thinking")
        binding = thinking.get("block_binding") if isinstance(thinking, Mapping) else None
        drops = isinstance(binding, Mapping) and binding.get("prefix_mismatch_behavior") == "drop_block"
        is_lenient = drops and _DROP_BETA in self.request.betas
        return self.model.preserved_thinking is not Preserved.NEVER and not is_lenient

    @cached_property
    def open_from(self) -> int | None:
        """From here on thinking must stay: the assistant is at work."""
        return open_turn(self.messages)

    @cached_property
    def promised(self) -> Plan | None:
        """The plan that thinking of the open turn was made under; None: there is no such thinking."""
        if not self.is_bound or self.open_from is None:
            return None
        thought = first_thinking(self.messages, self.open_from)
        if thought is None:
            return None
        record = None if self.means.memory is None else self.means.memory.get(self.chain.key("sent", thought))
        plan = (Plan.of_record(record) if record is not None else None) or Plan(0, 0)
        return Plan(min(plan.blocks, len(self.blocks)), min(plan.masked_results, len(self.results)))
