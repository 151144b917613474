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


@dataclass(frozen=True)
class Policy:
    """Modes, ages and sizes; a namespace may tighten the service's mode, as callers may."""

    mode: Mode = Mode.SEMANTIC
    ttl_seconds: float = 7 * 24 * 3600.0
    max_entry_bytes: int = 1_000_000
    writes_per_hour: int = 0  # answers that one credential may add to a shared namespace; 0: any number
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
