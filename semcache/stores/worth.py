"""What keeping an entry is worth: uses that fade with time, times the cost they save, per byte.

A use at time t weighs 2^(t / half-life), so the sum over all uses, in log2, is a number that only a
new use changes: it orders entries at every later moment, and can be indexed. Nothing ages in place.
"""

from __future__ import annotations

import math

HALF_LIFE_SECONDS = 7 * 24 * 3600.0
COST_FLOOR_USD = 1e-4  # a hit saves time even where the call cost nothing


def heat_of(uses: float, *, at: float) -> float:
    """The log2 weight of so many uses at one time."""
    return at / HALF_LIFE_SECONDS + math.log2(uses)


def combined(heat: float, other: float) -> float:
    """The log2 weight of both; exact for weights that differ by any number of half-lives."""
    high, low = max(heat, other), min(heat, other)
    return high + math.log2(1.0 + math.exp2(low - high)) if low > high - 60 else high


def first_heat(created_at: float, *, hits: int, last_hit_at: float | None) -> float:
    """Storing counts as one use; hits that came with a copied entry count at the last of them."""
    heat = heat_of(1, at=created_at)
    if hits > 0:
        heat = combined(heat, heat_of(hits, at=created_at if last_hit_at is None else last_hit_at))
    return heat


def worth_of(heat: float, *, cost_usd: float, held_bytes: int) -> float:
    """Orders entries for eviction, lowest first."""
    return heat + density(cost_usd, held_bytes)


def density(cost_usd: float, held_bytes: int) -> float:
    """The log2 of what one use saves per byte held."""
    return math.log2((max(0.0, cost_usd) + COST_FLOOR_USD) / max(1, held_bytes))
