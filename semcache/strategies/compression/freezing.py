"""Which old turns are frozen as blocks, under which digests, and which were frozen before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from semcache.canonical import canonical, digest
from semcache.message import THINKING_TYPES
from semcache.request import Json
from semcache.strategies.compression.outcomes import Memory
from semcache.strategies.compression.terms import Terms
from semcache.strategies.compression.turns import (
    Exchange,
    exchanges_of,
    kind_of,
    normal_messages,
    user_text,
)

_FORMAT = "compression 2"  # another one where the same block would give other bytes
_SEEN = 2  # user turns behind a block that bear on it; of these the last may not have been answered yet


@dataclass(frozen=True)
class Block:
    """Exchanges that are compressed together, once. The key covers all that decides the outcome."""

    exchanges: tuple[Exchange, ...]
    after: tuple[str, ...]  # the user turns right behind it
    key: str

    @property
    def start(self) -> int:
        return self.exchanges[0].start

    @property
    def end(self) -> int:
        return self.exchanges[-1].end


@dataclass(frozen=True)
class Plan:
    """How much of a conversation is compressed, from its beginning: blocks, and tool results masked behind them."""

    blocks: int
    masked_results: int

    @property
    def is_nothing(self) -> bool:
        return not self.blocks and not self.masked_results

    def record(self) -> str:
        return json.dumps([self.blocks, self.masked_results])

    @classmethod
    def of_record(cls, text: str) -> Plan | None:
        """None where the memory holds something else."""
        try:
            blocks, masked_results = json.loads(text)
        except (ValueError, TypeError):
            return None
        return cls(blocks, masked_results) if isinstance(blocks, int) and isinstance(masked_results, int) else None


class Chain:
    """Digests of a conversation's beginnings: each covers the messages before it, and the terms."""

    def __init__(self, messages: Sequence[Json], *, circumstances: Sequence[Any]) -> None:
        self._digests = [digest([_FORMAT, *circumstances])]
        for message in normal_messages(messages):
            spoken = [block for block in message["content"] if kind_of(block) not in THINKING_TYPES]
            told = canonical({**message, "content": spoken}).decode("utf-8", "surrogatepass")
            self._digests.append(digest([self._digests[-1], told]))

    def until(self, end: int) -> str:
        """Names the first `end` messages."""
        return self._digests[end]

    def key(self, purpose: str, end: int, *more: str) -> str:
        return digest([purpose, self._digests[end], *more])


def closed_blocks(messages: Sequence[Json], chain: Chain, terms: Terms) -> list[Block]:
    """The blocks that can be frozen now, in order; as the conversation grows, more follow and none changes."""
    exchanges = exchanges_of(messages)
    found = []
    for start in range(0, len(exchanges), terms.block_turns):
        end = start + terms.block_turns
        if end + terms.recent_turns > len(exchanges):
            break
        behind = exchanges[end : end + _SEEN]
        after = tuple(user_text(messages[exchange.start]) for exchange in behind)
        inside = tuple(exchanges[start:end])
        found.append(Block(inside, after, chain.key("block", inside[-1].end, *after)))
    return found


def maskable_results(count: int, terms: Terms) -> int:
    """How many of so many tool results may be masked: whole groups, with the last ones left."""
    groups = max(0, count - terms.results_kept) // terms.results_group
    return groups * terms.results_group


def frozen_before(blocks: Sequence[Block], memory: Memory | None) -> int:
    """How many blocks from the first on were frozen for good."""
    if memory is None:
        return 0
    known = (memory.get(block.key) is not None for block in blocks)
    return _leading(known)


def _leading(flags: Iterator[bool]) -> int:
    count = 0
    for flag in flags:
        if not flag:
            break
        count += 1
    return count
