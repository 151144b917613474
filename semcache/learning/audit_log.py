"""The log of audits: what each found, without a word of a prompt or an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from semcache.request import Json
from semcache.stores.store import Observation, Store

AUDIT = "audit"
SAME, DIFFERENT, UNJUDGED = "same", "different", "unjudged"
KEPT = 10_000  # of each namespace
_PRUNE_EVERY = 500


@dataclass(frozen=True)
class Audited:
    """One served hit that was asked again upstream. `cost_usd` None: the model has no known price."""

    at: float
    namespace: str
    entry_id: str
    confidence: float
    verdict: str
    placebo: str | None  # the judge's word on two fresh answers, where they were asked for
    is_uniform: bool  # drawn without regard to its risk: it counts in the certificate
    cost_usd: float | None


class AuditLog:
    """Appends, and forgets the oldest. Raises `StoreError`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Counter[str] = Counter()

    def append(self, audited: Audited) -> None:
        body: Json = {
            "confidence": round(audited.confidence, 6),
            "verdict": audited.verdict,
            "placebo": audited.placebo,
            "uniform": audited.is_uniform,
            "cost_usd": audited.cost_usd,
        }
        self._store.observe([Observation(audited.namespace, AUDIT, audited.at, audited.entry_id, body)])
        self._counts[audited.verdict] += 1
        if self._counts.total() % _PRUNE_EVERY == 0:
            self._store.prune_observations(AUDIT, namespace=audited.namespace, keep=KEPT)

    @property
    def counts(self) -> Mapping[str, int]:
        """Audits by verdict since this process began."""
        return {verdict: self._counts[verdict] for verdict in (SAME, DIFFERENT, UNJUDGED)}


def recent_audits(store: Store, namespace: str | None, *, limit: int) -> list[Audited]:
    """The newest audits, newest first. Raises `StoreError`."""
    return [_audited(row) for row in store.observations(AUDIT, namespace=namespace, limit=limit)]


def verdict_of(same: bool | None) -> str:
    return UNJUDGED if same is None else SAME if same else DIFFERENT


def cost_of(spent: Sequence[Decimal | None]) -> float | None:
    """What calls have cost together; None where one of them has no known price."""
    known = [each for each in spent if each is not None]
    return float(sum(known)) if len(known) == len(spent) else None


def _audited(row: Observation) -> Audited:
    body = row.body
    return Audited(
        at=row.at,
        namespace=row.namespace,
        entry_id=row.entry_id,
        confidence=body["confidence"],
        verdict=body["verdict"],
        placebo=body["placebo"],
        is_uniform=body["uniform"],
        cost_usd=body["cost_usd"],
    )
