"""Whether cutting the history pays: what is saved on every later turn, against writing the prompt cache anew."""

from __future__ import annotations

from decimal import Decimal

from semcache.pricing import Prices

_PER_TOKEN = Decimal(1).scaleb(-6)


def pays(
    cut_tokens: int, rewritten_tokens: int, *, remaining_turns: int | Decimal, prices: Prices, is_cold: bool
) -> Decimal:
    """US dollars gained by the cut; below 0 it costs more than it saves.

    `rewritten_tokens` stand behind the cut. At a cold moment the prefix is written in any case: the
    cut saves its own writing now, and its reading on every later turn. In a warm prefix it pays
    only if r·ΔT·R > (w - r)·K. What this very turn no longer reads is not counted: the estimate of
    remaining turns errs by more.
    """
    write, read = prices.cache_write_5m, prices.cache_read
    later = read * cut_tokens * remaining_turns
    now = write * cut_tokens if is_cold else (read - write) * rewritten_tokens
    return (now + later) * _PER_TOKEN


def break_even_turns(cut_tokens: int, rewritten_tokens: int, prices: Prices) -> Decimal | None:
    """How many turns must remain before a cut in a warm prefix pays; None where no number of them is enough."""
    if cut_tokens <= 0 or prices.cache_read <= 0:
        return None
    return (prices.cache_write_5m - prices.cache_read) / prices.cache_read * rewritten_tokens / cut_tokens
