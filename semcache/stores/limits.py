"""How much a store may hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what is stored, FAQ included; None: no bound.

    `max_bytes` counts messages and questions, as `StoreStats.bytes` does. Exemplars and servings come on top, and
    go with their entry: how many there may be is for those to bound who add them.
    """

    max_entries: int | None = 200_000
    max_bytes: int | None = 2_000_000_000

    def surplus(self, *, entries: int, held_bytes: int) -> tuple[int, int]:
        """By how many entries and how many bytes these totals exceed the limits."""
        over_entries = 0 if self.max_entries is None else entries - self.max_entries
        over_bytes = 0 if self.max_bytes is None else held_bytes - self.max_bytes
        return max(0, over_entries), max(0, over_bytes)

    def refuses(self, entry_bytes: int) -> bool:
        """Whether a single entry is larger than the whole store may be."""
        return self.max_bytes is not None and entry_bytes > self.max_bytes


def making_room(
    least_valuable_first: Iterable[tuple[int, int]], *, surplus: int, surplus_bytes: int, spared: int
) -> list[int]:
    """The numbers of the first entries, each given with its bytes, whose removal leaves no surplus."""
    chosen: list[int] = []
    for number, entry_bytes in least_valuable_first:
        if surplus <= 0 and surplus_bytes <= 0:
            break
        if number != spared:
            chosen.append(number)
            surplus, surplus_bytes = surplus - 1, surplus_bytes - entry_bytes
    return chosen
