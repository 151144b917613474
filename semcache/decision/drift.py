"""The drift alarm: notices when hits become worse than tolerated, and says how careful to be until they are not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

_WORSE = 3.0  # the alarm is quickest for rates this many times the tolerated one
_BETTER = 2.0  # relaxing needs evidence of a rate below this many times the tolerated one
_RELAX_STAKE, _RELAX_AT = 0.7, 20.0
_SHIFT_TOLERANCE, _SHIFT_AT = 0.25, 50.0  # in standard deviations of one label
_SHIFT_WARM_UP = 100
_LEAST_VARIANCE = 0.01
_AUDITS_BETWEEN_FALSE_ALARMS = 5_000.0


class Caution(Enum):
    """How careful to be."""

    CALM = "calm"
    TIGHTENED = "tightened"
    EXACT_ONLY = "exact-only"

    @property
    def factor(self) -> float:
        """What the cut of the risk budget is multiplied by."""
        match self:
            case Caution.CALM:
                return 1.0
            case Caution.TIGHTENED:
                return 0.5
            case Caution.EXACT_ONLY:
                return 0.0


@dataclass(frozen=True)
class Change:
    """The alarm went off, or relaxed: the new state, why, and when."""

    caution: Caution
    reason: str
    at_seconds: float


@dataclass
class _Shift:
    """Page-Hinkley on standardised residuals: a lasting turn to the worse, compared with what was usual so far."""

    count: int = 0
    total: float = 0.0
    excess: float = 0.0

    def observe(self, residual: float) -> bool:
        """Whether the mean has risen; if so, start over with what comes now as the new normal."""
        self.count += 1
        self.total += residual
        if self.count <= _SHIFT_WARM_UP:
            return False
        self.excess = max(0.0, self.excess + residual - self.total / self.count - _SHIFT_TOLERANCE)
        if self.excess < _SHIFT_AT:
            return False
        self.count, self.total, self.excess = 0, 0.0, 0.0
        return True


class DriftAlarm:
    """Calm, tightened, exact-only, for one namespace; `tolerated` is the false-hit rate, per hit, that is still right.

    On every audit, R ← (1+R)·(1 + λ(Y - tolerated)), Shiryaev and Roberts: while the true rate is tolerable, false
    alarms are at least `audits_between_false_alarms` audits apart on average, whatever else changes. Uniform audits are
    drawn without regard to the outcome, so this needs no weights. A first alarm tightens, a second one falls back to
    exact hits; a gray zone that turns to the worse is no proof of wrong hits and only tightens. Relaxing, one step at a
    time, takes evidence that the rate is below twice the tolerated one: audits, and in exact-only, where there are
    none, the free outcomes of misses that would have been hits; at 1 % about 220 in a row without a fault.
    """

    def __init__(self, tolerated: float, *, audits_between_false_alarms: float = _AUDITS_BETWEEN_FALSE_ALARMS) -> None:
        if not 0 < tolerated < 1 / _BETTER:
            raise ValueError("tolerated must lie between 0 and 0.5")
        self.tolerated = tolerated
        self.audits_between_false_alarms = audits_between_false_alarms
        self.last_change: Change | None = None
        self._suspicion = 0.0
        self._relief = 1.0
        self._shift = _Shift()

    @property
    def caution(self) -> Caution:
        return Caution.CALM if self.last_change is None else self.last_change.caution

    @property
    def is_alarmed(self) -> bool:
        """Whether to audit more (see `AuditSchedule`)."""
        return self.caution is not Caution.CALM

    def observe_audit(self, wrong: bool | float, *, at_seconds: float) -> Change | None:
        """A uniformly drawn audit was judged; the change it brought about, if any."""
        stake = min(_WORSE - 1, 0.9 / self.tolerated)
        self._suspicion = (1 + self._suspicion) * (1 + stake * (float(wrong) - self.tolerated))
        if self._suspicion < self.audits_between_false_alarms:
            return self._relieved(wrong, at_seconds)
        self._suspicion = 0.0
        worse = Caution.TIGHTENED if self.caution is Caution.CALM else Caution.EXACT_ONLY
        return self._change(worse, f"audits find more than {100 * self.tolerated:.3g} % of hits wrong", at_seconds)

    def observe_would_be(self, wrong: bool | float, *, at_seconds: float) -> Change | None:
        """A miss that would be a hit were it not for the alarm told its outcome for free."""
        return self._relieved(wrong, at_seconds) if self.caution is Caution.EXACT_ONLY else None

    def observe_gray(self, confidence: float, same: bool, *, at_seconds: float) -> Change | None:
        """The free label of a candidate near the cut, which may be wrong more often than its confidence says."""
        spread = math.sqrt(max(confidence * (1 - confidence), _LEAST_VARIANCE))
        if not self._shift.observe((confidence - same) / spread) or self.caution is not Caution.CALM:
            return None
        return self._change(Caution.TIGHTENED, "answers below the cut are wrong more often than before", at_seconds)

    def as_json(self) -> dict[str, Any]:
        change = self.last_change
        return {
            "tolerated": self.tolerated,
            "audits_between_false_alarms": self.audits_between_false_alarms,
            "suspicion": self._suspicion,
            "relief": self._relief,
            "shift": asdict(self._shift),
            "last_change": None if change is None else [change.caution.value, change.reason, change.at_seconds],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DriftAlarm:
        alarm = cls(data["tolerated"], audits_between_false_alarms=data["audits_between_false_alarms"])
        alarm._suspicion, alarm._relief = data["suspicion"], data["relief"]
        alarm._shift = _Shift(**data["shift"])
        if data["last_change"] is not None:
            caution, reason, at_seconds = data["last_change"]
            alarm.last_change = Change(Caution(caution), reason, at_seconds)
        return alarm

    def _relieved(self, wrong: bool | float, at_seconds: float) -> Change | None:
        if self.caution is Caution.CALM:
            return None
        factor = 1 + _RELAX_STAKE * (_BETTER * self.tolerated - float(wrong))
        self._relief = max(1.0, self._relief * factor)
        if self._relief < _RELAX_AT:
            return None
        better = Caution.TIGHTENED if self.caution is Caution.EXACT_ONLY else Caution.CALM
        return self._change(better, "outcomes have been right again for long enough", at_seconds)

    def _change(self, caution: Caution, reason: str, at_seconds: float) -> Change:
        self._relief = 1.0
        self.last_change = Change(caution, reason, at_seconds)
        return self.last_change
