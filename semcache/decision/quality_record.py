"""The record of what audits have shown, since the start and day by day, and the certificate drawn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from semcache.decision.certificate import AUDIT_RATES, Evidence

_DAY_SECONDS = 86_400
KEPT_DAYS = 92


@dataclass(frozen=True)
class Certificate:
    """What may be said about the answers served from memory; rates are of hits, times in epoch seconds."""

    hits: int
    audited: int
    wrong: float
    estimate: float | None
    upper_bound: float
    alpha: float
    since: float | None
    window_days: int | None
    placebo_rate: float | None
    excess: tuple[float, float] | None

    def says(self) -> str:
        """One honest sentence."""
        if self.since is None or not self.hits:
            return f"No answer was served from memory {self._period()}, so nothing is certified."
        start = f"{_counted(self.hits, 'answer was', 'answers were')} served from memory {self._period()}"
        if not self.audited:
            return f"{start}, none of them audited, so nothing is certified."
        findings = f"{start}; {self.audited:,} audited, {self.wrong:.3g} of these wrong"
        bound = (
            f"with {1 - self.alpha:.0%} confidence at most {_percent(self.upper_bound)} were wrong"
            if self.upper_bound < 1
            else "too few to certify a rate"
        )
        return f"{findings} (estimate {_percent(self.estimate or 0.0)}): {bound}{self._noise()}."

    def _period(self) -> str:
        if self.window_days is not None:
            return f"in the last {self.window_days} days"
        return "so far" if self.since is None else f"since {datetime.fromtimestamp(self.since, UTC):%Y-%m-%d}"

    def _noise(self) -> str:
        if self.placebo_rate is None or self.excess is None:
            return ""
        low, high = self.excess
        interval = f"{100 * low:.1f} to {100 * high:.1f} points above it"
        return f"; the judge calls {_percent(self.placebo_rate)} of fresh answers different, the hits lie {interval}"


class Record:
    """Evidence of one namespace. The record of several is the sum of theirs; so is that of several replicas."""

    def __init__(self, *, since: float | None = None, total: Evidence | None = None) -> None:
        self.since = since
        self._total = Evidence() if total is None else total
        self._days: dict[int, Evidence] = {}

    @property
    def total(self) -> Evidence:
        return self._total

    def observe_hit(self, at_seconds: float, audit_rate: float, outcome: bool | float | None) -> None:
        """Book a hit served at this time; see `Evidence` for when."""
        one = Evidence().observe_hit(audit_rate, outcome)
        self._add(at_seconds, one)

    def observe_placebo(self, at_seconds: float, differed: bool | float) -> None:
        self._add(at_seconds, Evidence().observe_placebo(differed))

    def within(self, now: float, window_days: int | None) -> Evidence:
        """The evidence of the last days, today included; None: all of it."""
        if window_days is None:
            return self._total
        first = int(now // _DAY_SECONDS) - window_days + 1
        return sum((evidence for day, evidence in self._days.items() if day >= first), Evidence())

    def certificate(
        self,
        now: float,
        *,
        window_days: int | None = None,
        alpha: float = 0.05,
        rates: Sequence[float] = AUDIT_RATES,
    ) -> Certificate:
        """Each period's bound holds with 1 - alpha by itself; `rates`: those of the schedule, fixed beforehand."""
        evidence = self.within(now, window_days)
        since = self.since
        if since is not None and window_days is not None:
            since = max(since, (now // _DAY_SECONDS - window_days + 1) * _DAY_SECONDS)
        return Certificate(
            hits=evidence.hits,
            audited=evidence.audited,
            wrong=evidence.wrong,
            estimate=evidence.estimate(),
            upper_bound=evidence.upper(alpha, rates=rates),
            alpha=alpha,
            since=since,
            window_days=window_days,
            placebo_rate=evidence.placebo_rate(),
            excess=evidence.excess(),
        )

    def __add__(self, other: Record) -> Record:
        starts = [start for start in (self.since, other.since) if start is not None]
        merged = Record(since=min(starts, default=None), total=self._total + other._total)
        for record in (self, other):
            for day, evidence in record._days.items():
                merged._days[day] = merged._days.get(day, Evidence()) + evidence
        return merged

    def as_json(self) -> dict[str, Any]:
        days = {str(day): evidence.as_json() for day, evidence in sorted(self._days.items())}
        return {"since": self.since, "total": self._total.as_json(), "days": days}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        record = cls(since=data["since"], total=Evidence.from_json(data["total"]))
        record._days = {int(day): Evidence.from_json(evidence) for day, evidence in data["days"].items()}
        return record

    def to_bytes(self) -> bytes:
        return json.dumps(self.as_json(), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        return cls.from_json(json.loads(data))

    def _add(self, at_seconds: float, evidence: Evidence) -> None:
        self.since = at_seconds if self.since is None else min(self.since, at_seconds)
        self._total += evidence
        day = int(at_seconds // _DAY_SECONDS)
        if day not in self._days:
            newest = max(self._days, default=day)
            self._days = {kept: known for kept, known in self._days.items() if kept > max(day, newest) - KEPT_DAYS}
        if day > max(self._days, default=day) - KEPT_DAYS:
            self._days[day] = self._days.get(day, Evidence()) + evidence


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
