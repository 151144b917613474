"""Our own custom ids upstream: they tell, of any batch we find there, which sending of ours it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass

RANDOM_BYTES = 15
_MARKER = re.compile(r"(?P<marker>semc_[0-9a-f]{30})-(?P<ordinal>0|[1-9][0-9]{0,9})")


@dataclass(frozen=True, slots=True)
class Mark:
    """One request within one sending: what its custom id upstream stands for."""

    marker: str  # of the sending
    ordinal: int  # its place in it

    @property
    def custom_id(self) -> str:
        return f"{self.marker}-{self.ordinal}"


def new_marker(chance: bytes) -> str:
    """The marker of a sending that has not been tried before; `chance` are `RANDOM_BYTES` fresh random bytes."""
    if len(chance) != RANDOM_BYTES:
        raise ValueError(f"expected {RANDOM_BYTES} random bytes, got {len(chance)}")
    return f"semc_{chance.hex()}"


def read_mark(custom_id: str) -> Mark | None:
    """The mark that a custom id is; None: it is not one of ours."""
    found = _MARKER.fullmatch(custom_id)
    return None if found is None else Mark(found["marker"], int(found["ordinal"]))
