"""For Prometheus: how far the limits of the day are used, what keeps prompts from being cached. Names no tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from semcache.spending import SpendingBook
from semcache.strategies.breakpoints.breakers import Breakers


class SpendingCollector(Collector):
    """Of many accounts of a kind the one that has used most of its limit."""

    def __init__(self, spending: SpendingBook, breakers: Breakers, *, clock: Callable[[], float]) -> None:
        self._spending = spending
        self._breakers = breakers
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        used: dict[str, float] = {}
        for account, spent in self._spending.spent(now=self._clock()).items():
            kind = account.split()[0]
            used[kind] = max(used.get(kind, 0.0), spent.used_share)
        shares = GaugeMetricFamily(
            "semcache_spending_limit_used_ratio",
            "Of a limit of the day: the account that has used most",
            labels=["account"],
        )
        for kind, share in used.items():
            shares.add_metric([kind], share)
        yield shares
        found = len(self._breakers.all())
        yield GaugeMetricFamily("semcache_prefix_breakers", "What keeps prompts from being cached", value=found)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing is read when it is registered."""
        return iter(())
