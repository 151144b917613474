"""How a store behind a network is doing, for Prometheus: read from memory, so also while nothing answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from semcache.stores.breaker import Health, State
from semcache.stores.store import Store


def store_health(store: Store) -> Iterator[Metric]:
    """Nothing for a store on this host, which has no `health`."""
    health: Health | None = getattr(store, "health", None)
    if health is None:
        return
    yield CounterMetricFamily("semcache_store_errors", "Calls to the store that failed", value=health.errors)
    circuit = GaugeMetricFamily(
        "semcache_store_circuit", "1 for the state of the circuit to the store", labels=["state"]
    )
    for state in get_args(State):
        circuit.add_metric([state], float(state == health.circuit))
    yield circuit
