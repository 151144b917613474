"""Histograms of seconds for the path of a request: an observation is a bisection and two additions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

# A stage takes microseconds or a second; an answer of Claude's may take minutes.
STAGE_SECONDS = (
    0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60,
)  # fmt: skip
REQUEST_SECONDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600,
)  # fmt: skip


class Durations(Collector):
    """One histogram, with one label or none. Observed by one thread, the event loop's; read by any."""

    def __init__(
        self, name: str, about: str, bounds: Sequence[float], *, label: str = "", values: Iterable[str] = ("",)
    ) -> None:
        """`values` of the label are there from the start, at 0, so that rates have a beginning."""
        self._name = name
        self._about = about
        self._label = label
        self._bounds = tuple(bounds)
        self._series: dict[str, _Series] = {value: _Series(len(self._bounds)) for value in values}

    def observe(self, seconds: float, value: str = "") -> None:
        series = self._series.get(value)
        if series is None:
            series = self._series[value] = _Series(len(self._bounds))
        series.counts[bisect_left(self._bounds, seconds)] += 1
        series.sum += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._about, labels=[self._label] if self._label else [])
        for value, series in list(self._series.items()):
            family.add_metric([value] if self._label else [], self._buckets(series.counts[:]), series.sum)
        yield family

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """What it is called, so that no other takes the name."""
        yield HistogramMetricFamily(self._name, self._about)

    def _buckets(self, counts: list[int]) -> list[tuple[str, float]]:
        buckets, total = [], 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return buckets


class _Series:
    __slots__ = ("counts", "sum")

    def __init__(self, bounds: int) -> None:
        self.counts = [0] * (bounds + 1)
        self.sum = 0.0
