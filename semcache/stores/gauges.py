"""What a store may say of its own memory, for metrics. Stores that hold nothing of the kind leave it out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Gauged(Protocol):
    """A store with an index in memory and a buffer of writes."""

    @property
    def index_bytes(self) -> int:
        """Memory that the loaded indexes take."""
        ...

    @property
    def pending_writes(self) -> int:
        """Hits and servings that are yet to be written."""
        ...
