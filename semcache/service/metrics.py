"""What the service counts, for Prometheus: outcomes, times, tokens, dollars, faults. Never a tenant or a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from semcache import __version__
from semcache.errors import NotCached, SemcacheError, StoreError, UpstreamError, UpstreamStatus
from semcache.exchange import Answer
from semcache.learning.learning import Learning
from semcache.ledger import outcome_of
from semcache.service.quality_metrics import LearningCollector
from semcache.service.spending_metrics import SpendingCollector
from semcache.service.store_metrics import store_health
from semcache.spending import SpendingBook
from semcache.stores.store import Store
from semcache.strategies.breakpoints.breakers import Breakers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
_MOST_REASONS = 100  # reasons are a closed set; should one ever carry data, the rest are counted together


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self, *, upstream: str, embedder: str) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "semcache_requests", "Messages requests by outcome", ["outcome", "reason"], registry=self.registry
        )
        self._seconds = Histogram(
            "semcache_request_seconds",
            "From the first byte of a Messages request to the last of its answer",
            ["outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._lookup_seconds = Histogram(
            "semcache_lookup_seconds", "Time until it is known whether the upstream is needed",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._tokens = Counter(
            "semcache_tokens", "Tokens of answered requests", ["outcome", "direction"], registry=self.registry
        )
        self._cost = Counter("semcache_cost_usd", "What the upstream billed", registry=self.registry)
        self._saved = Counter("semcache_saved_usd", "What hits would have cost", registry=self.registry)
        self._routed = Counter(
            "semcache_routed", "Requests whose model was chosen", ["model", "how"], registry=self.registry
        )
        self._attempts = Counter(
            "semcache_attempts", "Calls paid for beside the one that answered", ["why"], registry=self.registry
        )
        self._faults = Counter(
            "semcache_upstream_errors", "Calls that failed, by status", ["status"], registry=self.registry
        )
        self._relayed = Counter(
            "semcache_relayed", "Requests passed through, by status", ["status"], registry=self.registry
        )
        self.degraded = Gauge("semcache_degraded", "1 while the cache cannot be used", registry=self.registry)
        info = Gauge("semcache_info", "What is running", ["version", "upstream", "embedder"], registry=self.registry)
        info.labels(__version__, upstream, embedder).set(1)
        self._reasons: set[str] = set()
        self._children: dict[tuple[str, str], _Children] = {}

    def watch(self, store: Store) -> None:
        """Read how full the store is at every scrape."""
        self.registry.register(_StoreCollector(store))

    def watch_learning(self, learning: Learning, *, clock: Callable[[], float]) -> None:
        """Read what was learned and proved at a scrape, if it is due."""
        self.registry.register(LearningCollector(learning, clock=clock))

    def watch_spending(self, spending: SpendingBook, breakers: Breakers, *, clock: Callable[[], float]) -> None:
        """Read at every scrape how far the limits of the day are used."""
        self.registry.register(SpendingCollector(spending, breakers, clock=clock))

    def looked_up(self, seconds: float) -> None:
        self._lookup_seconds.observe(seconds)

    def answered(self, answer: Answer, seconds: float) -> str:
        """Count an answer; returns its outcome."""
        outcome, reason = outcome_of(answer)
        children = self._children_of(outcome, self._bounded(reason))
        children.requests.inc()
        children.seconds.observe(seconds)
        usage = answer.message.usage
        children.input_tokens.inc(usage.prompt_tokens)
        children.output_tokens.inc(usage.output_tokens)
        self._cost.inc(float(answer.cost_usd or 0))
        self._saved.inc(max(0.0, float(answer.saved_usd or 0)))
        self._count_route(answer)
        return outcome

    def _count_route(self, answer: Answer) -> None:
        routed = None if answer.call is None else answer.call.routed
        if routed is not None:
            how = "failover" if routed.is_failover else "downshift" if routed.is_downshift else "auto"
            self._routed.labels(routed.model, how).inc()
        for attempt in answer.attempts:
            self._attempts.labels(attempt.why).inc()

    def failed(self, error: SemcacheError, seconds: float) -> str:
        """Count a request that ended in an error; returns its outcome."""
        outcome, reason = _fault_of(error)
        if isinstance(error, UpstreamError):
            self._faults.labels(reason).inc()
        return self.ended(outcome, reason, seconds)

    def ended(self, outcome: str, reason: str, seconds: float) -> str:
        """Count a request without an answer; returns its outcome."""
        children = self._children_of(outcome, self._bounded(reason))
        children.requests.inc()
        children.seconds.observe(seconds)
        return outcome

    def relayed(self, status: int) -> None:
        self._relayed.labels(str(status)).inc()

    def exposition(self) -> bytes:
        """The text format that Prometheus reads."""
        return generate_latest(self.registry)

    def _children_of(self, outcome: str, reason: str) -> _Children:
        children = self._children.get((outcome, reason))
        if children is None:
            children = self._children[outcome, reason] = _Children(
                self._requests.labels(outcome, reason),
                self._seconds.labels(outcome),
                self._tokens.labels(outcome, "input"),
                self._tokens.labels(outcome, "output"),
            )
        return children

    def _bounded(self, reason: str) -> str:
        if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            return "other"
        self._reasons.add(reason)
        return reason


class _Children:
    """The labelled counters of one outcome and reason: looked up once, used often."""

    __slots__ = ("input_tokens", "output_tokens", "requests", "seconds")

    def __init__(self, requests: Counter, seconds: Histogram, input_tokens: Counter, output_tokens: Counter) -> None:
        self.requests = requests
        self.seconds = seconds
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens


class _StoreCollector(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        yield from store_health(self._store)
        try:
            stats = self._store.stats()
        except StoreError:
            return
        for name, about, value in (
            ("semcache_entries", "Stored answers", stats.entries),
            ("semcache_faq_entries", "Curated answers", stats.faq_entries),
            ("semcache_exemplars", "Stored questions with their vectors", stats.exemplars),
            ("semcache_scopes", "Scopes that hold anything", stats.scopes),
            ("semcache_stored_bytes", "Bytes of stored messages and questions", stats.bytes),
        ):
            yield GaugeMetricFamily(name, about, value=value)

    def describe(self) -> Iterator[Metric]:
        """Nothing is read when it is registered."""
        return iter(())


def _fault_of(error: SemcacheError) -> tuple[str, str]:
    match error:
        case UpstreamStatus(status=status):
            return "upstream-error", str(status)
        case UpstreamError():
            return "upstream-error", type(error).__name__.removeprefix("Upstream").lower()
        case NotCached():
            return "refused", "only-if-cached"
        case _:
            return "refused", type(error).__name__
