"""What is known of routing in one namespace: certificates by category, escalations, and outcomes of like requests."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from semcache.decision.audit_schedule import AuditPlan, AuditSchedule
from semcache.decision.quality_record import Certificate, Record
from semcache.decision.routing.neighbours import MOST_KEPT, Neighbours
from semcache.decision.routing.quality import OUTCOMES, Outcome
from semcache.journal import Journalled, operation

if TYPE_CHECKING:
    from semcache.request import Vector

COMPARED_SHARES = ((0.8, 1.0), (0.6, 0.5), (0.4, 0.2), (0.2, 0.05))
"""Where a model was named: while the bound is above this part of the tolerance, so many are asked of both models.

All of them before there is a certificate; later as many as keep it, for what is not compared loosens the bound.
"""
LEAST_COMPARED = 0.02
CHOOSING = AuditSchedule(first_hits=0, steps=((20, 0.1), (100, 0.03)), floor=0.01, placebo_share=0.0)
"""Where the caller left the choice to us, and so nothing needs to be proven first; comparing costs the dearer model."""

ESCALATION_PRIOR = (1.0, 19.0)  # escalated, answered: one in twenty until more is known
_REVIEW_EVERY = 8  # requests that were not asked of both: they loosen the bound little by little
_FEWEST = 30  # outcomes before a category is moved up for what they show
_ALPHA = 0.05


@dataclass
class _Category:
    record: Record = field(default_factory=Record)
    tried: int = 0
    escalated: int = 0
    compared: int = 0  # asked of both models, whether or not anybody could judge the answers


@dataclass(frozen=True)
class CategoryReport:
    """What may be said of one kind of request on one arm; rates are of requests routed there, or that would be."""

    category: str
    certificate: Certificate
    is_certified: bool
    escalation_rate: float
    tried: int


class RouteEvidence(Journalled):
    """Thread-safe. `tolerance`: the share of cheaper answers that may be materially worse."""

    def __init__(self, *, tolerance: float, dims: int) -> None:
        self._tolerance = tolerance
        self._categories: dict[str, _Category] = {}
        self._neighbours = Neighbours.none(dims)
        self._bounds: dict[str, float] = {}
        self._lock = RLock()

    @property
    def neighbours(self) -> Neighbours:
        """The latest outcomes; immutable."""
        return self._neighbours

    def is_certified(self, category: str) -> bool:
        """Whether the cheaper model has been proven to be materially worse no more often than is tolerated."""
        return self._bounds.get(category, 1.0) <= self._tolerance

    def is_refuted(self, category: str) -> bool:
        """Whether what was seen speaks against the arm clearly enough to choose a stronger one unasked."""
        known = self._categories.get(category)
        if known is None or known.record.total.audited < _FEWEST:
            return False
        estimate = known.record.total.estimate()
        return estimate is not None and estimate > 2 * self._tolerance

    def escalation_rate(self, category: str) -> float:
        """How often an answer of this arm had to be asked again of a stronger one."""
        known = self._categories.get(category, _Category())
        escalated, answered = ESCALATION_PRIOR
        return (known.escalated + escalated) / (known.tried + escalated + answered)

    def plan(self, category: str, randomness: random.Random, *, was_named: bool) -> AuditPlan:
        """Whether this request is asked of both models. `was_named`: the caller named the dearer one."""
        with self._lock:
            known = self._category(category)
            rate = CHOOSING.rate(hits=known.compared, audited=known.compared)
            if was_named:
                used = self._bounds.get(category, 1.0) / self._tolerance
                rate = next((share for part, share in COMPARED_SHARES if used > part), LEAST_COMPARED)
            plan = CHOOSING.plan(rate, randomness)
        if plan.is_drawn:
            self._count_compared(category)
        return plan

    @operation
    def _count_compared(self, category: str) -> None:
        with self._lock:
            self._category(category).compared += 1

    @operation
    def settle(self, category: str, plan: AuditPlan, worse: bool | None, now: float) -> None:
        """Book a routed request; `worse` None: it was not asked of both."""
        with self._lock:
            record = self._category(category).record
            record.observe_hit(now, plan.rate, worse)
            if worse is not None or record.total.hits % _REVIEW_EVERY == 0:
                self._bounds[category] = self._bound(category)

    @operation
    def note_attempt(self, category: str, *, escalated: bool) -> None:
        with self._lock:
            known = self._category(category)
            known.tried += 1
            known.escalated += escalated

    @operation
    def learn(self, vector: Vector | None, outcome: Outcome) -> None:
        """An outcome of a request with this vector, for requests like it."""
        if vector is None or vector.shape != self._neighbours.vectors.shape[1:]:
            return
        with self._lock:
            self._neighbours = self._neighbours.with_outcome(vector, outcome)

    def reports(self, now: float) -> list[CategoryReport]:
        with self._lock:
            return [
                CategoryReport(
                    name,
                    known.record.certificate(now),
                    self.is_certified(name),
                    self.escalation_rate(name),
                    known.tried,
                )
                for name, known in sorted(self._categories.items())
            ]

    def as_json(self) -> dict[str, Any]:
        with self._lock:
            neighbours = self._neighbours
            categories = {
                name: {
                    "record": known.record.as_json(),
                    "attempts": [known.tried, known.escalated, known.compared],
                }
                for name, known in self._categories.items()
            }
        vectors = np.round(neighbours.vectors * 127).astype(np.int8)  # a hundredth is enough to find what is near
        return {
            "categories": categories,
            "vectors": base64.b64encode(vectors.tobytes()).decode("ascii"),
            "outcomes": neighbours.outcomes.argmax(axis=1).tolist(),
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Raises `ValueError`, `KeyError` or `TypeError` for what `as_json` did not write."""
        dims = self._neighbours.vectors.shape[1]
        flat = np.frombuffer(base64.b64decode(kept["vectors"]), np.int8).astype(np.float32) / np.float32(127)
        told = [int(place) for place in kept["outcomes"]]
        vectors = flat.reshape(len(told), dims) if flat.size == len(told) * dims else np.zeros((0, dims), np.float32)
        categories = {
            name: _Category(Record.from_json(row["record"]), *(int(count) for count in row["attempts"]))
            for name, row in kept["categories"].items()
        }
        with self._lock:
            self._categories = categories
            outcomes = np.eye(len(OUTCOMES), dtype=np.float64)[told[: len(vectors)]]
            self._neighbours = Neighbours(vectors[-MOST_KEPT:], outcomes[-MOST_KEPT:])
            self._bounds = {name: self._bound(name) for name in categories}

    def _category(self, name: str) -> _Category:
        return self._categories.setdefault(name, _Category())

    def _bound(self, category: str) -> float:
        record = self._category(category).record
        return record.total.upper(_ALPHA) if record.total.hits else 1.0
