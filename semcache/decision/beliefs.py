"""What one namespace has learned: the weights, the budget, the alarm and the record of audits. Safe to share."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from semcache.decision.audit_schedule import AuditPlan, AuditSchedule
from semcache.decision.drift import Caution, Change, DriftAlarm
from semcache.decision.evidence import FEATURES
from semcache.decision.quality_record import Record
from semcache.decision.risk_budget import RiskBudget
from semcache.decision.scorer import Contribution, Floats, Scorer
from semcache.journal import Journalled, operation

REFIT_EVERY = 100  # labels; a fit of the most kept takes 0.2 s, in the background
LABELS_KEPT = 10_000
LEAST_LABELS = 30  # before the first fit
HEAVIEST = 20.0  # what one audited hit may count for, however rarely hits are audited
TOLERATED = 2.0  # times the budget: the false-hit rate, per hit, above which the alarm should ring
_FIRST_REFITS = 50


@dataclass(frozen=True)
class LabelledCase:
    """Evidence about one candidate, and whether its answer turned out to be the right one."""

    values: tuple[float, ...]
    same: bool
    count: float = 1.0  # how many cases it stands for


@dataclass(frozen=True)
class Belief:
    """One consistent view for one decision: the scorer, and how much risk may be taken now."""

    scorer: Scorer
    cut: float
    caution: Caution
    min_confidence: float

    def accepts(self, confidence: float) -> bool:
        """Whether the risk 1 - confidence lies within the cut; see `RiskBudget`."""
        cut = self.cut * self.caution.factor
        return cut > 0 and confidence >= self.min_confidence and 1 - confidence <= cut


class Beliefs(Journalled):
    """Starts from the shipped prior. Served hits and judged outcomes come in; beliefs come out."""

    def __init__(self, prior: Scorer, *, error_budget: float, schedule: AuditSchedule) -> None:
        self._prior = prior
        self._scorer = prior
        self._schedule = schedule
        self._error_budget = error_budget
        self._budget = RiskBudget(error_budget)
        self._alarm = DriftAlarm(min(0.49, TOLERATED * error_budget))
        self._record = Record()
        self._shadow = ShadowCount()
        self._cases: deque[LabelledCase] = deque(maxlen=LABELS_KEPT)
        self._unfitted = 0
        self._hits = 0
        self._audited = 0
        self._is_certified = False  # as of the last audit: the bound takes a millisecond
        self._lock = Lock()

    # for the decision

    def now(self) -> Belief:
        with self._lock:
            return Belief(self._scorer, self._budget.cut, self._alarm.caution, self._budget.min_confidence)

    def explain(self, values: tuple[float, ...]) -> list[Contribution]:
        return self._scorer.contributions(np.array(values, np.float64))

    # from the request path

    @operation
    def book_other(self) -> None:
        """A request that was answered upstream, or by an exact repeat: it widens the budget."""
        with self._lock:
            self._budget.spend(None)

    def book_hit(self, confidence: float, randomness: random.Random) -> AuditPlan:
        """A similar answer was served; whether to audit it."""
        self._spend(confidence)
        with self._lock:
            rate = self._schedule.rate(
                hits=self._hits,
                audited=self._audited,
                is_certified=self._is_certified,
                is_alarmed=self._alarm.is_alarmed or self._budget.is_strained,
            )
            is_risky = 1 - confidence > 0.5 * self._budget.cut
            plan = self._schedule.plan(rate, randomness, is_risky=is_risky)
        self._count_hit(is_audited=plan.is_uniform)
        return plan

    @operation
    def _spend(self, confidence: float) -> None:
        with self._lock:
            self._budget.spend(confidence)

    @operation
    def _count_hit(self, *, is_audited: bool) -> None:
        with self._lock:
            self._hits += 1
            self._audited += is_audited

    # from the background

    @operation
    def settle_unaudited(self, plan: AuditPlan, at_seconds: float) -> None:
        """A hit that was not audited enters the record as such."""
        with self._lock:
            self._record.observe_hit(at_seconds, plan.rate, None)

    @operation
    def settle_audit(self, plan: AuditPlan, confidence: float, wrong: bool, at_seconds: float) -> Change | None:
        """An audit was judged; the change of caution it brought about, if any."""
        with self._lock:
            rate = plan.rate if plan.is_uniform else None
            self._budget.settle(confidence, wrong, rate=rate)
            self._record.observe_hit(at_seconds, plan.rate, wrong if plan.is_uniform else None)
            self._is_certified = self._record.total.upper(rates=self._schedule.rates) <= TOLERATED * self._error_budget
            return self._alarm.observe_audit(wrong, at_seconds=at_seconds) if plan.is_uniform else None

    @operation
    def settle_placebo(self, differed: bool, at_seconds: float) -> None:
        with self._lock:
            self._record.observe_placebo(at_seconds, differed)

    @operation
    def learn_free(self, confidence: float, same: bool, at_seconds: float) -> Change | None:
        """A miss told whether its likeliest candidate would have been right."""
        with self._lock:
            self._budget.learn(confidence, not same)
            if 1 - confidence <= max(self._budget.cut, 0.0) and confidence >= self._budget.min_confidence:
                return self._alarm.observe_would_be(not same, at_seconds=at_seconds)
            is_gray = confidence >= 0.5
            return self._alarm.observe_gray(confidence, same, at_seconds=at_seconds) if is_gray else None

    @operation
    def book_shadow(self, confidence: float | None, *, is_exact: bool = False) -> None:
        """Shadow mode: what going live would have done with one request, `confidence` of the similar hit it would be.

        It is booked as if it had been done, so that the cut is where it would be.
        """
        with self._lock:
            self._budget.spend(confidence)
            self._shadow = self._shadow.counting(is_similar=confidence is not None, is_exact=is_exact)

    @operation
    def settle_shadow(self, confidence: float, wrong: bool, at_seconds: float) -> Change | None:
        """A hit that shadow mode did not serve was judged; it steers like an audit, and certifies nothing."""
        with self._lock:
            self._budget.settle(confidence, wrong, rate=1.0)
            self._shadow = self._shadow.judging(wrong)
            return self._alarm.observe_audit(wrong, at_seconds=at_seconds)

    def learn(self, case: LabelledCase) -> bool:
        """Take in a labelled case; whether it is time to refit."""
        with self._lock:
            self._cases.append(case)
            self._unfitted += 1
            due = REFIT_EVERY if len(self._cases) > 10 * _FIRST_REFITS else _FIRST_REFITS
            return self._unfitted >= due and len(self._cases) >= LEAST_LABELS

    def refit(self) -> None:
        """Fit the weights to the labels anew. Slow: never on the path of a request."""
        with self._lock:
            cases, self._unfitted, scorer = list(self._cases), 0, self._scorer
        self._adopt(scorer.fitted(*_columns(cases)))

    @operation
    def _adopt(self, scorer: Scorer) -> None:
        with self._lock:
            self._scorer = scorer

    def take_cases(self, cases: Iterable[LabelledCase]) -> None:
        """Learn from these labels, those of other processes among them, in place of what was learned from."""
        with self._lock:
            self._cases.clear()
            self._cases.extend(case for case in cases if len(case.values) == len(FEATURES))
            self._unfitted = len(self._cases)

    # to look at and to keep

    @property
    def record(self) -> Record:
        return self._record

    @property
    def alarm(self) -> DriftAlarm:
        return self._alarm

    @property
    def budget(self) -> RiskBudget:
        return self._budget

    @property
    def shadow(self) -> ShadowCount:
        return self._shadow

    @property
    def labels(self) -> int:
        return len(self._cases)

    def as_json(self) -> dict[str, Any]:
        with self._lock:
            return {
                "features": list(FEATURES),
                "weights": self._scorer.all_weights,
                "prior": [round(float(weight), 6) for weight in self._prior.prior],
                "budget": self._budget.as_json(),
                "alarm": self._alarm.as_json(),
                "record": self._record.as_json(),
                "shadow": self._shadow.as_json(),
                "hits": self._hits,
                "audited": self._audited,
            }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take up what was kept. Weights of other features or of another prior are left behind; evidence never is."""
        with self._lock:
            self._record = Record.from_json(kept["record"])
            self._shadow = ShadowCount.from_json(kept["shadow"])
            self._hits, self._audited = kept["hits"], kept["audited"]
            if kept["budget"]["budget"] == self._error_budget:
                self._budget = RiskBudget.from_json(kept["budget"])
                self._alarm = DriftAlarm.from_json(kept["alarm"])
            fits = kept["features"] == list(FEATURES)
            prior = [round(float(weight), 6) for weight in self._prior.prior]
            if fits and kept["prior"] == prior:
                self._scorer = self._prior.with_weights(kept["weights"])


@dataclass(frozen=True)
class ShadowCount:
    """Requests seen in shadow mode, the hits they would have been, and of the similar ones the judged and the wrong."""

    requests: int = 0
    exact: int = 0
    similar: int = 0
    judged: int = 0
    wrong: int = 0

    def counting(self, *, is_similar: bool, is_exact: bool) -> ShadowCount:
        return replace(self, requests=self.requests + 1, exact=self.exact + is_exact, similar=self.similar + is_similar)

    def judging(self, wrong: bool) -> ShadowCount:
        return replace(self, judged=self.judged + 1, wrong=self.wrong + wrong)

    def as_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, int]) -> ShadowCount:
        return cls(**data)


def _columns(cases: list[LabelledCase]) -> tuple[Floats, Floats, Floats]:
    return (
        np.array([case.values for case in cases], np.float64),
        np.array([case.same for case in cases], np.float64),
        np.array([min(case.count, HEAVIEST) for case in cases], np.float64),
    )
