"""One block of old turns in short: sentences chosen under a budget, in turns as before."""

from __future__ import annotations

from collections.abc import Sequence

from semcache.pricing.tokens import BYTES_PER_TOKEN
from semcache.request import Json
from semcache.strategies.compression.old_turns import OldTurns, text_size
from semcache.strategies.compression.selection import Judgement, chosen
from semcache.strategies.compression.terms import Budget, Share, Tokens
from semcache.strategies.compression.turns import Exchange, normal_messages


def shortened(
    messages: Sequence[Json], exchanges: Sequence[Exchange], *, budget_bytes: int, judgement: Judgement
) -> list[Json]:
    """The messages, in their normal form, with as much of their text as the budget holds; never longer than before."""
    old = OldTurns.read(messages, exchanges)
    if old.size <= budget_bytes:
        return list(messages)
    short = old.with_only(chosen(old, budget_bytes, judgement))
    return short if text_size(short) < text_size(messages) else list(messages)


def budget_in_bytes(budget: Budget, messages: Sequence[Json], *, tokenizer_factor: float) -> int:
    """What the budget leaves of these messages' text."""
    match budget:
        case Share(of_text=share):
            return int(share * text_size(normal_messages(messages)))
        case Tokens(per_block=tokens):
            return int(tokens * BYTES_PER_TOKEN / tokenizer_factor)
