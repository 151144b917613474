"""What the operator decided about keeping and serving, for the service and for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from semcache.request import Mode


@dataclass(frozen=True)
class ServiceKey:
    """A key that callers of the service must show, and the operator's name for it."""

    label: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Namespace:
    """How one namespace is kept. `members` are labels of service keys; empty: everyone."""

    shared: bool = False
    members: tuple[str, ...] = ()
    mode: Mode | None = None
    ttl_seconds: float | None = None
    usd_per_day: float | None = None  # misses are refused when it is spent; None: any amount
    tokens_per_day: int | None = None
    downshift: bool = False  # requests that name a model may be answered by a cheaper one that is proven as good
    strategies: tuple[str, ...] | None = None  # None: those of the service


@dataclass(frozen=True)
class TaskPolicy:
    """What the operator says of a task; None and empty: as in models/routing.toml."""

    arm: str | None = None
    max_tokens: int | None = None
    answer_pattern: str | None = None  # a regular expression that an answer's text must match, or it is asked again


@dataclass(frozen=True)
class RouteRule:
    """Requests that meet every given condition are of this task, or go to this arm. The first rule that fits counts."""

    task: str = ""
    arm: str = ""
    namespace: str | None = None
    tag: str | None = None
    system: str | None = None  # the beginning of the system prompt's hash, as `semcache lookup --explain` shows it
    question: str | None = None  # a regular expression that occurs in the last user text


@dataclass(frozen=True)
class RoutingPolicy:
    """Where misses may go. Arms are texts: a model, or `model@effort`; empty: as in models/routing.toml."""

    simple: str = ""
    moderate: str = ""
    complex: str = ""
    baseline: str = ""
    tasks: Mapping[str, TaskPolicy] = field(default_factory=dict)
    rules: tuple[RouteRule, ...] = ()
    classifier: str = ""  # the Claude model that is asked how hard a request is; empty: none
    tolerance: float = 0.05  # share of cheaper answers that may be materially worse
    cascade_streams: bool = False  # hold a stream back until its answer has been checked


PROMPT_CACHING, COMPRESSION, SUMMARIES = "prompt_caching", "compression", "summaries"
STRATEGIES = (
    "tiering", "routing", "cascade", "failover", "prompt_optimisation", "tidying", COMPRESSION, SUMMARIES,
    "trimming", "token_budget", "conciseness", PROMPT_CACHING,
)  # fmt: skip
"""What can be switched on and off for a request, a namespace, or everywhere."""
LOSSY = frozenset({COMPRESSION, SUMMARIES, "trimming", "conciseness", "prompt_optimisation"})
"""Those that leave out something of what the caller said: only where the operator asks for them."""
ESCORTS = frozenset({"cascade", "failover"})
"""Those that save nothing by themselves: they make good what a cheaper model, or a failing one, did not."""
DEFAULT_STRATEGIES = tuple(name for name in STRATEGIES if name not in LOSSY)


@dataclass(frozen=True)
class Policy:
    """Modes, ages and sizes; a namespace may tighten the service's mode, as callers may."""

    mode: Mode = Mode.SEMANTIC
    ttl_seconds: float = 7 * 24 * 3600.0
    max_entry_bytes: int = 1_000_000
    writes_per_hour: int = 0  # answers that one credential may add to a shared namespace; 0: any number
    refresh_seconds: float = 0.0  # an answer that is served so near to its end is asked anew; 0: none is
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)

    def mode_in(self, namespace: str) -> Mode:
        narrower = self._rules(namespace).mode
        return self.mode if narrower is None else self.mode.tightened_by(narrower)

    def ttl_in(self, namespace: str) -> float:
        """Seconds that a learned answer lives in this namespace."""
        own = self._rules(namespace).ttl_seconds
        return self.ttl_seconds if own is None else own

    def is_shared(self, namespace: str) -> bool:
        return self._rules(namespace).shared

    def _rules(self, namespace: str) -> Namespace:
        return self.namespaces.get(namespace, Namespace())
