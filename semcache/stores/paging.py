"""The order of a listing, and its cursor: where the last page ended."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from semcache.errors import InvalidRequest


class Order(Enum):
    """What comes first in a listing; of equals, what was stored last."""

    NEWEST = "newest"
    HITS = "hits"  # as counted so far: an entry that is hit meanwhile may be listed twice


@dataclass(frozen=True, order=True)
class Position:
    """A place in a listing: what it is ordered by, then the store's own number where that is equal."""

    rank: float
    number: int

    def encode(self) -> str:
        return f"{self.rank.hex()}_{self.number}"

    @classmethod
    def decode(cls, cursor: str | None) -> Position | None:
        """Raises `InvalidRequest` for what `encode` did not make."""
        if cursor is None:
            return None
        rank, _, number = cursor.rpartition("_")
        try:
            position = cls(float.fromhex(rank), int(number))
        except (ValueError, OverflowError):
            position = cls(math.nan, 0)
        if not math.isfinite(position.rank) or not 0 <= position.number < 2**63:
            raise InvalidRequest("cursor: not one that a listing gave; leave it out to start at the first entry")
        return position


class Place(NamedTuple):
    """Which page of a listing is meant: how long it is, what it comes after, what is first."""

    limit: int
    after: Position | None
    order: Order


def check_page_size(limit: int) -> None:
    if limit < 1:
        raise InvalidRequest(f"limit: must be 1 or more, got {limit}")
