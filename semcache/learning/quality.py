"""What may be said about the answers served from memory: for a namespace, and for all together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from semcache.decision.beliefs import Beliefs, ShadowCount
from semcache.decision.quality_record import Certificate, Record
from semcache.learning.keeping import BeliefBook

WINDOW_DAYS = 30
_Z = 1.96
Interval = tuple[float, float]


@dataclass(frozen=True)
class ShadowForecast:
    """What going live would give, from requests looked up in shadow mode; rates with 95 % intervals.

    `hit_rate`: exact repeats and similar hits, of requests. `false_hit_rate`: of the similar hits that were judged.
    `wrong_rate`: of requests, the unjudged hits taken to be as often wrong as the judged.
    """

    requests: int
    exact: int
    similar: int
    judged: int
    wrong: int
    hit_rate: float
    hit_rate_interval: Interval
    false_hit_rate: float | None
    false_hit_rate_interval: Interval | None
    wrong_rate: float | None
    wrong_rate_interval: Interval | None


@dataclass(frozen=True)
class NamespaceQuality:
    """One namespace, or `None`: all."""

    namespace: str | None
    since_start: Certificate
    last_days: Certificate
    error_budget: float
    expected_spend: float | None  # wrong answers that audits estimate so far; None: nothing was audited
    requests: int
    cut: float
    caution: str
    caution_reason: str
    labels: int
    shadow: ShadowForecast | None


@dataclass(frozen=True)
class QualityReport:
    """The overall certificate and one for each namespace. `caution` of the whole is the gravest of all."""

    overall: NamespaceQuality
    namespaces: tuple[NamespaceQuality, ...]


def quality_of(book: BeliefBook, namespace: str | None, *, now: float) -> QualityReport:
    """The report over one namespace, or over all, as every process on the store would give it. Raises `StoreError`."""
    book.catch_up()
    names = book.namespaces() if namespace is None else [namespace]
    known = [_Known(name, book.looked_at(name), book.labels(name)) for name in names]
    parts = tuple(_of(each.namespace, [each], now) for each in known)
    return QualityReport(_of(namespace, known or [_Known("", book.fresh(), 0)], now), parts)


@dataclass(frozen=True)
class _Known:
    namespace: str
    beliefs: Beliefs
    labels: int


def _of(namespace: str | None, known: list[_Known], now: float) -> NamespaceQuality:
    several = [each.beliefs for each in known]
    record = sum((beliefs.record for beliefs in several), Record())
    gravest = min(several, key=lambda beliefs: beliefs.alarm.caution.factor)
    change = gravest.alarm.last_change
    is_audited = record.total.audited > 0 or any(beliefs.shadow.judged for beliefs in several)
    return NamespaceQuality(
        namespace=namespace,
        since_start=record.certificate(now),
        last_days=record.certificate(now, window_days=WINDOW_DAYS),
        error_budget=several[0].budget.budget,
        expected_spend=sum(beliefs.budget.losses for beliefs in several) if is_audited else None,
        requests=sum(beliefs.budget.requests for beliefs in several),
        cut=min(beliefs.budget.cut * beliefs.alarm.caution.factor for beliefs in several),
        caution=gravest.alarm.caution.value,
        caution_reason="" if change is None else change.reason,
        labels=sum(each.labels for each in known),
        shadow=_forecast([beliefs.shadow for beliefs in several]),
    )


def _forecast(counts: list[ShadowCount]) -> ShadowForecast | None:
    requests, exact, similar = (sum(getattr(c, name) for c in counts) for name in ("requests", "exact", "similar"))
    judged, wrong = sum(c.judged for c in counts), sum(c.wrong for c in counts)
    if not requests:
        return None
    share = similar / requests
    rate, interval = (wrong / judged, wilson(wrong, judged)) if judged else (None, None)
    return ShadowForecast(
        requests=requests,
        exact=exact,
        similar=similar,
        judged=judged,
        wrong=wrong,
        hit_rate=(exact + similar) / requests,
        hit_rate_interval=wilson(exact + similar, requests),
        false_hit_rate=rate,
        false_hit_rate_interval=interval,
        wrong_rate=None if rate is None else share * rate,
        wrong_rate_interval=None if interval is None else (share * interval[0], share * interval[1]),
    )


def wilson(successes: int, trials: int) -> Interval:
    """The 95 % interval of a share (Wilson 1927)."""
    share = successes / trials
    centre = share + _Z * _Z / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + _Z * _Z / (4 * trials * trials))
    scale = 1 + _Z * _Z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
