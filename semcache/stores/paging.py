"""The cursor of a listing: where the last page ended, newest first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from semcache.errors import InvalidRequest


@dataclass(frozen=True, order=True)
class Position:
    """A place in a listing: creation time, then the store's own number where times are equal."""

    created_at: float
    number: int

    def encode(self) -> str:
        return f"{self.created_at.hex()}_{self.number}"

    @classmethod
    def decode(cls, cursor: str | None) -> Position | None:
        """Raises `InvalidRequest` for what `encode` did not make."""
        if cursor is None:
            return None
        created_at, _, number = cursor.rpartition("_")
        try:
            position = cls(float.fromhex(created_at), int(number))
        except (ValueError, OverflowError):
            position = cls(math.nan, 0)
        if not math.isfinite(position.created_at) or not 0 <= position.number < 2**63:
            raise InvalidRequest("cursor: not one that a listing gave; leave it out to start at the newest entry")
        return position


def check_page_size(limit: int) -> None:
    if limit < 1:
        raise InvalidRequest(f"limit: must be 1 or more, got {limit}")
