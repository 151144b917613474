"""The risk budget: one cut over all requests, steered so that the tolerated share of wrong answers is kept and used.

A hit is served iff (1-p)·harm ≤ κ·value. κ is the smaller of two cuts:

- the *plan* spends `aim` of the budget by what the scorer itself expects, (1-p)·harm, times a factor of trust: how many
  more answers were wrong than expected, in all audits and in the free labels near the cut. When trust changes, what was
  spent before is valued anew, and the difference saved or given back;
- the *guard* believes only uniform audits: κ ← min(κ_max, κ + η(δ - harm·Y/q)), one step per request, never clipped
  below. Whatever the scorer says and however traffic moves, Σ harm·Y/q ≤ δT + κ₁/η + (1 + late)·(largest loss): each
  loss fell on a hit served while κ > 0. `late` is how many other audits are in flight at once: what they will say is
  not yet subtracted when the next hits are served. At κ ≤ 0 nothing semantic is served, and κ recovers by ηδ with
  every request.

The left side is an unbiased estimate of the harm of all hits, not that harm: benchmarks/certificate.py shows both, and
that a scorer which is too sure only above the cut, where no free label tells, can overspend within 8,000 requests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_HORIZON = 8_000  # requests over which the plan balances
_PLAN_START, _MOST_START = 8.0, 0.15  # times the budget: the plan's cut with a balance of nothing
_PLAN_GAIN = 0.02  # of the cut, per wrong answer saved
_MOST_SAVED = 50.0  # wrong answers; what quiet hours may lay by for busy ones
_LONGEST_PAUSE = 2_000  # requests; debt beyond this is forgiven
_PRIOR = 3.0  # expected wrong answers that the scorer's own word is worth
_CAUTION = 0.5  # standard errors added to the trust factor
_MOST_TRUST = 0.6
_FREE_WEIGHT, _FREE_KEPT = 0.3, 300  # free labels tell of the hits only by neighbourhood: a part, and the latest
_NEAR_CUT, _FAR_RISK = 4.0, 0.35
_AUDITS_KEPT = 1_000
_STRAINED = 0.5  # of what the guard begins with
_GUARD_ERRORS = 200.0  # κ₁/η = this · √δ: the noise of the audits grows with the root of what they count


@dataclass
class _State:
    """All that is kept; decayed counts unless said otherwise."""

    requests: int = 0  # not decayed
    accrued: float = 0.0  # requests of the plan's horizon
    expected: float = 0.0  # Σ (1-p)·harm of hits
    audit_wrong: float = 0.0
    audit_expected: float = 0.0
    free_wrong: float = 0.0
    free_expected: float = 0.0
    guard: float = 0.0  # the guard's κ/η, in wrong answers
    losses: float = 0.0  # Σ harm·Y/q, not decayed
    largest_loss: float = 1.0


class RiskBudget:
    """Spends `budget`, the tolerated share of requests answered wrongly; with a `harm` of 2 one counts twice."""

    def __init__(self, budget: float, *, aim: float | None = None, min_confidence: float = 0.75) -> None:
        if not 0 <= budget <= 1:
            raise ValueError("budget must lie in [0, 1]")
        self.budget = budget
        self.aim = recommended_aim(budget) if aim is None else aim
        self.min_confidence = min_confidence
        self._first = _GUARD_ERRORS * math.sqrt(budget)
        self._state = _State(guard=self._first)

    @property
    def trust(self) -> float:
        """How many times as many answers are wrong as the scorer expects, on the cautious side."""
        state = self._state
        wrong = _PRIOR + state.audit_wrong + _FREE_WEIGHT * state.free_wrong
        expected = _PRIOR + state.audit_expected + _FREE_WEIGHT * state.free_expected
        return max(_MOST_TRUST, (wrong + _CAUTION * math.sqrt(wrong)) / expected)

    @property
    def cut(self) -> float:
        """κ: the largest risk taken for a hit of value 1. At most 0: exact hits only."""
        return min(self._plan(), self._state.guard / self._first) if self.budget else 0.0

    @property
    def is_strained(self) -> bool:
        """Whether audits have brought the guard near its end: more of them make each weigh less."""
        return self._state.guard < _STRAINED * self._first

    @property
    def losses(self) -> float:
        """Σ harm·Y/q: what audits so far say all hits have cost, in wrong answers."""
        return self._state.losses

    @property
    def requests(self) -> int:
        return self._state.requests

    def accepts(self, confidence: float, *, value: float = 1.0, harm: float = 1.0, caution: float = 1.0) -> bool:
        """Whether a hit of this confidence is worth its risk; `caution` below 1 lowers the cut (see `drift`)."""
        cut = self.cut * caution
        return cut > 0 and confidence >= self.min_confidence and (1 - confidence) * harm <= cut * value

    def spend(self, confidence: float | None = None, *, harm: float = 1.0) -> None:
        """Book one request, once each; `confidence` of the hit that was served, None where none was."""
        state, keep = self._state, 1 - 1 / _HORIZON
        state.requests += 1
        state.accrued = state.accrued * keep + 1
        state.expected = state.expected * keep + (0.0 if confidence is None else (1 - confidence) * harm)
        state.guard = min(2 * self._first, state.guard + self.budget)
        self._bound_balance()

    def settle(self, confidence: float, wrong: bool | float, *, rate: float | None, harm: float = 1.0) -> None:
        """An audit of a served hit was judged, however late. `rate` None: drawn for its risk, tells of trust only."""
        state, keep = self._state, 1 - 1 / _AUDITS_KEPT
        state.audit_wrong = state.audit_wrong * keep + float(wrong)
        state.audit_expected = state.audit_expected * keep + 1 - confidence
        if rate is not None:
            state.losses += harm * float(wrong) / rate
            state.guard -= harm * float(wrong) / rate
            state.largest_loss = max(state.largest_loss, harm / rate)
        self._bound_balance()

    def learn(self, confidence: float, wrong: bool | float) -> None:
        """A miss told for free that its best candidate, of this confidence, would have been right or wrong."""
        risk = 1 - confidence
        if risk > min(_FAR_RISK, _NEAR_CUT * max(self.cut, 0.01)):
            return
        state, keep = self._state, 1 - 1 / _FREE_KEPT
        state.free_wrong = state.free_wrong * keep + float(wrong)
        state.free_expected = state.free_expected * keep + risk
        self._bound_balance()

    def slack(self, requests: int, *, late: int = 0) -> float:
        """How far audits may, at the very worst, put the error rate above the budget after so many requests."""
        return (self._first + (1 + late) * self._state.largest_loss) / max(1, requests)

    def as_json(self) -> dict[str, Any]:
        return {"budget": self.budget, "aim": self.aim, "min_confidence": self.min_confidence} | asdict(self._state)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RiskBudget:
        """As it was; where the user has changed the budget since, start a new one instead."""
        state = dict(data)
        budget, aim, least = (state.pop(name) for name in ("budget", "aim", "min_confidence"))
        restored = cls(budget, aim=aim, min_confidence=least)
        restored._state = _State(**state)
        return restored

    def _plan(self) -> float:
        return min(_MOST_START, _PLAN_START * self.budget) + _PLAN_GAIN * self._balance()

    def _balance(self) -> float:
        return self.aim * self.budget * self._state.accrued - self.trust * self._state.expected

    def _bound_balance(self) -> None:
        """Neither savings nor debts grow without end: move what has accrued, so that later changes still count."""
        allowance = self.aim * self.budget
        if not allowance:
            return
        balance = self._balance()
        bounded = min(_MOST_SAVED, max(balance, -allowance * _LONGEST_PAUSE))
        self._state.accrued += (bounded - balance) / allowance


def recommended_aim(budget: float) -> float:
    """The share of the budget to aim at, so that 8,000 requests stay within it: chance counts more in small budgets."""
    return min(0.85, max(0.5, 1 - 2.25 / math.sqrt(_HORIZON * budget))) if budget else 0.5
