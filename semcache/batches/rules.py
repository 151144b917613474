"""How patiently batches are worked on, and in what portions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from semcache.batching.batch_life import Terms
from semcache.batching.recovery import Patience
from semcache.batching.splitting import Limits

T = TypeVar("T")


class Aside(Protocol):
    """Does work on another thread, and waits for it without holding up the event loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Claude allows larger batches than these; smaller ones cost nothing and keep memory flat."""

    limits: Limits = field(default_factory=lambda: Limits(max_requests=10_000, max_bytes=40_000_000))
    patience: Patience = field(default_factory=Patience)
    terms: Terms = field(default_factory=Terms)
    first_rest_seconds: float = 0.5  # before the upstream is asked again; then longer and longer
    rest_growth: float = 1.6
    longest_rest_seconds: float = 60.0
    portion: int = 64  # requests that are looked up, or results that are stored, at a time
    open_exchanges: int = 10_000  # kept in memory until their answers come; others are told what was recorded
    open_bytes: int = 16_000_000  # of their requests; in memory they take several times as much
    give_up_seconds: float = 3600.0  # after a cancellation upstream that nobody confirms
    logins: int = 4  # creates that may be refused for their credential before the requests end as errored
    watch_seconds: float = 2.0  # how often batches are looked for that other processes have accepted

    def rest_seconds(self, idle_rounds: int) -> float:
        """How long to rest after so many rounds in which nothing happened."""
        growth: float = self.rest_growth ** min(idle_rounds, 64)
        return min(self.longest_rest_seconds, self.first_rest_seconds * growth)
