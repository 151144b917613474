"""What was learned and proved, for Prometheus: over all namespaces together, for a namespace may be a tenant."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from semcache.decision.drift import Caution
from semcache.errors import StoreError
from semcache.learning.learning import Learning
from semcache.learning.quality import NamespaceQuality, quality_of

logger = logging.getLogger(__name__)

_FRESH_SECONDS = 60.0  # the bounds take milliseconds a namespace


@dataclass(frozen=True)
class _Known:
    quality: NamespaceQuality
    at: float
    audits: int


class LearningCollector(Collector):
    """What takes long is computed anew after an audit, and otherwise once a minute."""

    def __init__(self, learning: Learning, *, clock: Callable[[], float]) -> None:
        self._learning = learning
        self._clock = clock
        self._known: _Known | None = None
        self._lock = Lock()

    def collect(self) -> Iterator[Metric]:
        try:
            quality = self._quality()
        except StoreError as error:
            logger.warning("quality could not be read: %s", type(error).__name__)
            return
        yield from _gauges(quality)

    def describe(self) -> Iterator[Metric]:
        """Nothing is read when it is registered."""
        return iter(())

    def _quality(self) -> NamespaceQuality:
        with self._lock:
            now, audits = self._clock(), sum(self._learning.audits.counts.values())
            known = self._known
            if known is None or audits != known.audits or not 0 <= now - known.at < _FRESH_SECONDS:
                known = self._known = _Known(quality_of(self._learning.book, None, now=now).overall, now, audits)
            return known.quality


def _gauges(quality: NamespaceQuality) -> Iterator[Metric]:
    certificate, recent = quality.since_start, quality.last_days
    yield GaugeMetricFamily("semcache_similar_hits", "Similar hits served since the start", value=certificate.hits)
    bound = GaugeMetricFamily(
        "semcache_false_hit_rate_upper_bound",
        "At most this share of similar hits is wrong, with 95 % confidence; absent: nothing was audited",
        labels=["window"],
    )
    for window, proved in (("start", certificate), (f"{recent.window_days}d", recent)):
        if proved.audited:
            bound.add_metric([window], proved.upper_bound)
    yield bound
    yield GaugeMetricFamily(
        "semcache_error_budget", "Tolerated share of requests answered wrongly", value=quality.error_budget
    )
    yield GaugeMetricFamily("semcache_cut", "The risk that a similar hit may have, where least", value=quality.cut)
    if quality.expected_spend is not None:
        yield GaugeMetricFamily(
            "semcache_expected_wrong", "Wrong answers so far, as audits estimate", value=quality.expected_spend
        )
    caution = GaugeMetricFamily("semcache_caution", "1 for the gravest state of any namespace", labels=["state"])
    for state in Caution:
        caution.add_metric([state.value], float(state.value == quality.caution))
    yield caution
