"""How the batch endpoints of a simulator behave: how fast, how faulty, within which limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from semcache.request import Json

DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class BatchConduct:
    """By default a batch takes a minute, is worked on in no particular order, and finds every cached prefix."""

    seconds: float = 60.0  # until the last request but the slow ones is done
    slow_share: float = 0.0  # of requests that take `slow_seconds` longer
    slow_seconds: float = 0.0
    is_shuffled: bool = True
    cancel_seconds: float = 5.0  # what is done within it after a cancellation is still answered
    cold_share: float = 0.0  # of requests that miss the prompt cache whatever it holds: hits are best effort
    fails: Callable[[Json], int | None] | None = field(default=None, repr=False)  # by params; the status, or None
    expiry_seconds: float = DAY_SECONDS
    kept_seconds: float = 29 * DAY_SECONDS  # after the creation the results are archived
    results_base_url: str = "https://api.anthropic.com"
    max_requests: int = 100_000
    max_body_bytes: int = 256_000_000
    seed: int = 0  # of the order, and of who is slow or cold
