"""Leases: of several processes on one store, one does the work, and whoever outlives the others' patience takes over.

A lease is a row with an owner, an end and a fence. The fence grows by one whenever a dead holder is followed by
another, and begins anew at 1 once the row is gone; so whoever waits can tell a death from a release.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """What its holder shows when it renews, releases, or stores under it."""

    key: str
    owner: str  # random, of one process
    fence: int


@dataclass(frozen=True, slots=True)
class Held:
    """Another has it."""

    owner: str
    fence: int

    def is_followed_by(self, other: Held | Lease) -> bool:
        """Whether the other took over from this one, which died: it was not released in between."""
        return other.owner != self.owner and other.fence > self.fence


class Leases(Protocol):
    """Thread-safe; every method is atomic, goes by the store's clock, and raises `StoreError`."""

    def acquire(self, key: str, owner: str, *, seconds: float) -> Lease | Held:
        """Take the lease where it is free or its time is over; or else who has it.

        The owner who has it gets it again, with its fence, for so many seconds from now.
        """
        ...

    def renew(self, lease: Lease, *, seconds: float) -> bool:
        """Have it for so many seconds from now; False, and nothing changes, where it has been lost.

        One whose time is over, and that nobody has taken since, is not lost.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Give it back. One that has been lost is left alone."""
        ...
