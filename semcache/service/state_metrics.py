"""What stands somewhere at the moment of a scrape: how full, how much waits, how busy, how much is spent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from semcache.assembly import Assembly
from semcache.batching.message_batch import Counts
from semcache.errors import StoreError
from semcache.service.store_metrics import store_health
from semcache.service.worker_threads import WorkerThreads
from semcache.stores.batch_store import BatchStore, counted
from semcache.stores.gauges import Gauged

logger = logging.getLogger(__name__)

Read = Callable[[], Iterable[Metric]]

_EVERY = 100_000  # accounts: more than are kept


class StateCollector(Collector):
    """Reads each part anew; what a broken store cannot tell is absent, and the rest is still there."""

    def __init__(self, *reads: Read) -> None:
        self._reads = reads

    def collect(self) -> Iterator[Metric]:
        for read in self._reads:
            try:
                yield from list(read())
            except StoreError as error:
                logger.warning("a part of the metrics could not be read: %s", type(error).__name__)

    def describe(self) -> Iterator[Metric]:
        """Nothing is read when it is registered."""
        return iter(())


class AssemblyState:
    """What stands in an opened cache: some of it in this process, some in the store, where others see the same."""

    def __init__(self, assembly: Assembly, *, clock: Callable[[], float]) -> None:
        self._assembly = assembly
        self._clock = clock

    @property
    def own(self) -> tuple[Read, ...]:
        """Of this process: over several, they add up."""
        return self.health, self.audits, self.index, self.queues

    @property
    def shared(self) -> tuple[Read, ...]:
        """Of all processes on one store: each says the same, or will within half a minute."""
        return self.fullness, self.limits, self.batches, self.spending, self.prompts

    def audits(self) -> Iterator[Metric]:
        audits = CounterMetricFamily(
            "semcache_audits", "Hits asked again upstream, by what was found", labels=["result"]
        )
        for result, count in self._assembly.learning.audits.counts.items():
            audits.add_metric([result], count)
        yield audits

    def health(self) -> Iterator[Metric]:
        return store_health(self._assembly.store)

    def fullness(self) -> Iterator[Metric]:
        stats = self._assembly.store.stats()
        for name, about, value in (
            ("semcache_entries", "Stored answers", stats.entries),
            ("semcache_faq_entries", "Curated answers", stats.faq_entries),
            ("semcache_exemplars", "Stored questions with their vectors", stats.exemplars),
            ("semcache_scopes", "Scopes that hold anything", stats.scopes),
            ("semcache_stored_bytes", "Bytes of stored messages and questions", stats.bytes),
        ):
            yield GaugeMetricFamily(name, about, value=value)

    def limits(self) -> Iterator[Metric]:
        settings = self._assembly.settings
        limits = GaugeMetricFamily("semcache_store_limit", "What the store may hold before it evicts", labels=["what"])
        limits.add_metric(["entries"], settings.max_entries)
        limits.add_metric(["bytes"], settings.max_bytes)
        yield limits

    def index(self) -> Iterator[Metric]:
        store = self._assembly.store
        if isinstance(store, Gauged):
            yield GaugeMetricFamily("semcache_index_bytes", "Memory of the loaded indexes", value=store.index_bytes)

    def queues(self) -> Iterator[Metric]:
        learning, store = self._assembly.learning, self._assembly.store
        waiting = {
            "lessons": learning.waiting,
            "audits": learning.waiting_audits,
            "ledger": self._assembly.ledger.waiting,
        }
        if isinstance(store, Gauged):
            waiting["store_writes"] = store.pending_writes
        yield _by("semcache_queue_depth", "What waits to be done; audits are among the lessons", "queue", waiting)

    def batches(self) -> Iterator[Metric]:
        kept: BatchStore | None = getattr(self._assembly.store, "batches", None)
        if kept is None:
            return
        unended = kept.unended()
        yield GaugeMetricFamily("semcache_batches", "Accepted batches that have not ended", value=len(unended))
        total = sum((counts for _, counts in counted(kept, unended)), Counts())
        states = {each.name: getattr(total, each.name) for each in fields(Counts)}
        yield _by("semcache_batch_items", "Requests of these batches by state", "state", states)

    def spending(self) -> Iterator[Metric]:
        used: dict[str, float] = {}
        for account, spent in self._assembly.spending.standings(now=self._clock(), most=_EVERY).items():
            kind = account.split()[0]
            used[kind] = max(used.get(kind, 0.0), spent.used_share)
        about = "Share of the day's spending limit that is used, by kind of account: of a kind, the fullest"
        yield _by("semcache_spending_limit_used_ratio", about, "account", used)

    def prompts(self) -> Iterator[Metric]:
        found = len(self._assembly.miss_path.shaping.caching.breakers.all())
        yield GaugeMetricFamily("semcache_prefix_breakers", "What keeps prompts from being cached", value=found)


def workers_state(workers: WorkerThreads) -> Iterator[Metric]:
    """How busy the threads are."""
    yield GaugeMetricFamily("semcache_worker_threads", "Threads for lookups and strategies", value=workers.threads)
    yield GaugeMetricFamily("semcache_worker_tasks", "Work on these threads, or waiting for one", value=workers.tasks)


def _by(name: str, about: str, label: str, values: dict[str, int] | dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
