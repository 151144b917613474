"""Metrics of several processes made into one: counters and histograms add up, gauges as their meaning has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

_GROWING = ("counter", "histogram")  # what a dead process has counted still happened
_FOLDS: dict[str, Callable[[float, float], float]] = {  # gauges that do not add up
    "semcache_degraded": max,
    "semcache_event_loop_lag_seconds": max,
    "semcache_store_circuit": max,
    "process_start_time_seconds": min,
}
_Key = tuple[str, tuple[tuple[str, str], ...]]


def merged(living: Iterable[Sequence[Metric]], dead: Iterable[Sequence[Metric]] = ()) -> list[Metric]:
    """One family for each name. Of the dead only what grows is counted: their queues wait no more."""
    families: dict[str, _Family] = {}
    for metric in (metric for process in living for metric in process):
        families.setdefault(metric.name, _Family(metric)).add(metric)
    for metric in (metric for process in dead for metric in process if metric.type in _GROWING):
        families.setdefault(metric.name, _Family(metric)).add(metric)
    return [family.metric() for family in families.values()]


def encode(metrics: Iterable[Metric]) -> bytes:
    """As JSON, for `decode`."""
    return json.dumps([[each.name, each.documentation, each.type, _samples(each)] for each in metrics]).encode()


def decode(content: bytes) -> list[Metric]:
    """Raises `ValueError`, `TypeError` for what `encode` did not write."""
    found = []
    for name, documentation, kind, samples in json.loads(content):
        metric = Metric(name, documentation, kind)
        metric.samples = [Sample(sample, labels, value) for sample, labels, value in samples]
        found.append(metric)
    return found


def _samples(metric: Metric) -> list[list[Any]]:
    return [[each.name, each.labels, each.value] for each in metric.samples]


class _Family:
    """Samples keep the order in which they came, so that the buckets of a histogram stay sorted."""

    def __init__(self, like: Metric) -> None:
        self._like = like
        self._fold = _FOLDS.get(like.name, float.__add__)
        self._values: dict[_Key, float] = {}

    def add(self, metric: Metric) -> None:
        for sample in metric.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            value, known = float(sample.value), self._values.get(key)
            self._values[key] = value if known is None else self._fold(known, value)

    def metric(self) -> Metric:
        metric = Metric(self._like.name, self._like.documentation, self._like.type)
        metric.samples = [Sample(name, dict(labels), value) for (name, labels), value in self._values.items()]
        return metric
