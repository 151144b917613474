"""The audit schedule: which served hits are answered again upstream and compared, fixed before the draw."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class AuditPlan:
    """Whether this hit is audited.

    `rate` is the chance of the uniform draw and belongs into the certificate with every hit, drawn or not. A hit drawn
    only for its risk has `is_uniform` False: its outcome teaches the scorer, the certificate counts it as not drawn.
    `is_placebo`: ask upstream a second time too, and let the judge compare the two fresh answers.
    """

    rate: float
    is_drawn: bool
    is_uniform: bool
    is_placebo: bool


@dataclass(frozen=True)
class AuditSchedule:
    """All of the first hits of a namespace, then fewer as evidence grows; an alarm brings many back.

    The rate depends only on what was known before the hit, which is all that the certificate asks. A `floor` of 0 ends
    the audits after the last step: hits without any are then counted as possibly wrong. `placebo_share` is of audits.
    """

    first_hits: int = 50
    steps: tuple[tuple[int, float], ...] = ((150, 0.2), (600, 0.05))
    """Until so many audits have been made, this rate."""
    floor: float = 0.02
    alarm_rate: float = 0.2
    risky_rate: float = 0.1
    placebo_share: float = 0.08

    @property
    def rates(self) -> tuple[float, ...]:
        """Every rate that can come up without an alarm, for `Evidence.upper`."""
        return tuple(sorted({1.0, *(rate for _, rate in self.steps), self.floor} - {0.0}, reverse=True))

    def rate(self, *, hits: int, audited: int, is_certified: bool = False, is_alarmed: bool = False) -> float:
        """The chance of a uniform audit after so many hits and audits. `is_certified`: the bound is on target."""
        if hits < self.first_hits:
            return 1.0
        scheduled = next((rate for until, rate in self.steps if audited < until), self.floor)
        if is_alarmed:
            return max(self.alarm_rate, scheduled)
        return min(scheduled, self.steps[-1][1]) if is_certified and self.steps else scheduled

    def plan(self, rate: float, randomness: random.Random, *, is_risky: bool = False) -> AuditPlan:
        """Draw for one hit at this rate; `is_risky`: its confidence is among the lowest tenth of the hits."""
        is_uniform = randomness.random() < rate
        is_drawn = is_uniform or (is_risky and randomness.random() < self.risky_rate)
        is_placebo = is_uniform and randomness.random() < self.placebo_share
        return AuditPlan(rate, is_drawn, is_uniform, is_placebo)


NO_AUDITS = AuditSchedule(first_hits=0, steps=(), floor=0.0, alarm_rate=0.0, risky_rate=0.0)
"""Where nothing may be asked upstream that no caller asked: hits are then counted as possibly wrong."""
