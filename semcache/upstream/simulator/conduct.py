"""How a simulator behaves: whom it lets in, how fast it is, what it remembers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from semcache.upstream.simulator.batch_conduct import BatchConduct

BATCHES = "/v1/messages/batches"


def random_id(prefix: str) -> str:
    """An id in Claude's form, such as `msg_0f3a…`."""
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(frozen=True)
class Conduct:
    """Settings of a simulator. The defaults let everyone in and answer at once."""

    valid_keys: frozenset[str] | None = field(default=None, repr=False)  # None: any credential will do
    head_delay_seconds: float = 0.0
    chunk_delay_seconds: float = 0.0
    chunk_characters: int = 24  # text in one streamed delta
    checks_thinking: bool = True  # signatures of thinking blocks that are sent back
    is_old_account: bool = False  # created before 2026-08-31: changed prefixes are refused by fewer models
    calls_kept: int = 10_000  # the bill and the count go on beyond it
    max_body_bytes: int = 32_000_000
    batches: BatchConduct = field(default_factory=BatchConduct)
    new_id: Callable[[str], str] = field(default=random_id, repr=False)

    def body_limit_bytes(self, path: str) -> int:
        """The largest body that this path takes."""
        return self.batches.max_body_bytes if path == BATCHES else self.max_body_bytes
