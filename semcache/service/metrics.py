"""What the service counts, for Prometheus: outcomes, times, calls, faults, the bill. Never a tenant or a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from semcache import __version__
from semcache.assembly import Assembly
from semcache.errors import UpstreamError
from semcache.exchange import CLASSIFIED, RUNAWAY, Answer
from semcache.service.bill_metrics import BillMetrics
from semcache.service.durations import REQUEST_SECONDS, STAGE_SECONDS, Durations
from semcache.service.ending import Ending
from semcache.service.quality_metrics import LearningCollector
from semcache.service.state_metrics import AssemblyState, StateCollector, workers_state
from semcache.service.watched import CallMetrics
from semcache.service.worker_threads import WorkerThreads
from semcache.stopwatch import STAGES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOST_REASONS = 100  # reasons are a closed set; should one ever carry data, the rest are counted together
_OUTCOMES = ("exact", "semantic", "faq", "coalesced", "miss", "bypass", "refused", "upstream-error", "abandoned")


class Metrics:
    """The counters of one service, in registries of their own: what this process counts, and what the store knows."""

    def __init__(self, *, upstream: str, embedder: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads
        self.registry = registry = CollectorRegistry()
        self._shared = CollectorRegistry()  # what each process on one store says alike
        self._all: Callable[[], Sequence[Metric]] = self.own
        self.calls = CallMetrics(registry)
        self._requests = Counter(
            "semcache_requests", "Messages requests by outcome", ["outcome", "reason"], registry=registry
        )
        self._times = _Times(registry)
        self._tokens = Counter(
            "semcache_tokens", "Tokens of answered requests", ["outcome", "direction"], registry=registry
        )
        self._cost = Counter("semcache_cost_usd", "What the answers to callers cost upstream", registry=registry)
        self._routed = Counter("semcache_routed", "Requests routed to a model", ["model", "how"], registry=registry)
        self._attempts = Counter(
            "semcache_attempts", "Calls paid for beside the one that answered", ["why"], registry=registry
        )
        for why in (CLASSIFIED, RUNAWAY):
            self._attempts.labels(why)
        self._faults = Counter(
            "semcache_upstream_errors", "Requests that failed at the upstream, by status", ["status"], registry=registry
        )
        self._relayed = Counter("semcache_relayed", "Requests passed through, by status", ["status"], registry=registry)
        self.degraded = Gauge("semcache_degraded", "1 while the cache cannot be used", registry=registry)
        self._lag = Gauge("semcache_event_loop_lag_seconds", "How late the event loop last woke", registry=registry)
        Gauge("semcache_processes", "Processes whose counts these are", registry=registry).set(1)
        info = Gauge("semcache_info", "What is running", ["version", "upstream", "embedder"], registry=self._shared)
        info.labels(__version__, upstream, embedder).set(1)
        ProcessCollector(registry=registry)
        self._reasons: set[str] = set()
        self._without_cache: StateCollector | None = None
        self._children: dict[tuple[str, str], _Children] = {}

    def watch(self, workers: WorkerThreads, assembly: Assembly | None, *, clock: Callable[[], float]) -> None:
        """Read at every scrape how busy the service is and, where there is a cache, all that it knows of itself."""
        reads = [partial(workers_state, workers)]
        if self._without_cache is not None:  # the cache has come since
            self.registry.unregister(self._without_cache)
            self._without_cache = None
        if assembly is None:
            self._without_cache = StateCollector(*reads)
            self.registry.register(self._without_cache)
            return
        bill = BillMetrics(assembly.prices, flush=assembly.ledger.flush)
        assembly.ledger.watch(bill.note)
        self.registry.register(bill)
        state = AssemblyState(assembly, clock=clock)
        self.registry.register(StateCollector(*reads, *state.own))
        self._shared.register(StateCollector(*state.shared))
        self._shared.register(LearningCollector(assembly.learning, clock=clock))

    def looked_up(self, seconds: float) -> None:
        self._times.lookups.observe(seconds)

    def note_lag(self, seconds: float) -> None:
        """By how much the event loop was late."""
        self._lag.set(max(0.0, seconds))

    def ended(self, ending: Ending) -> None:
        """Count a request that is over."""
        children = self._children_of(ending.outcome, self._bounded(ending.reason))
        children.requests.inc()
        self._times.requests.observe(ending.seconds, ending.outcome)
        for stage, seconds in ending.stages.items():
            self._times.stages.observe(seconds, stage)
        if ending.usage is not None:
            children.input_tokens.inc(ending.usage.prompt_tokens)
            children.output_tokens.inc(ending.usage.output_tokens)
        if ending.cost_usd:
            self._cost.inc(float(ending.cost_usd))

    def answered(self, answer: Answer) -> None:
        """Count how a request that was answered was routed."""
        routed = None if answer.call is None else answer.call.routed
        if routed is not None:
            how = "failover" if routed.is_failover else "downshift" if routed.is_downshift else "auto"
            self._routed.labels(routed.model, how).inc()
        for attempt in answer.attempts:
            self._attempts.labels(attempt.why).inc()

    def failed(self, error: Exception, reason: str) -> None:
        """Count what failed upstream."""
        if isinstance(error, UpstreamError):
            self._faults.labels(reason).inc()

    def relayed(self, status: int) -> None:
        self._relayed.labels(str(status)).inc()

    def exposition(self) -> bytes:
        """The text format that Prometheus reads."""
        return generate_latest(_Families([*self._all(), *self._shared.collect()]))

    def own(self) -> list[Metric]:
        """What this process counts."""
        return list(self.registry.collect())

    def speak_for_all(self, all_metrics: Callable[[], Sequence[Metric]]) -> None:
        """Show from now on what all workers have counted, as `all_metrics` tells, in place of `own`."""
        self._all = all_metrics

    def _children_of(self, outcome: str, reason: str) -> _Children:
        children = self._children.get((outcome, reason))
        if children is None:
            children = self._children[outcome, reason] = _Children(
                self._requests.labels(outcome, reason),
                self._tokens.labels(outcome, "input"),
                self._tokens.labels(outcome, "output"),
            )
        return children

    def _bounded(self, reason: str) -> str:
        if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            return "other"
        self._reasons.add(reason)
        return reason


class _Families(Collector):
    """Families that have been collected already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class _Times:
    """How long requests took, as a whole and by stage."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Durations(
            "semcache_request_seconds",
            "From the first byte of a Messages request to the last of its answer",
            REQUEST_SECONDS,
            label="outcome",
            values=_OUTCOMES,
        )
        self.stages = Durations(
            "semcache_stage_seconds",
            "Where the time of a request went, of those that came to the stage",
            STAGE_SECONDS,
            label="stage",
            values=STAGES,
        )
        self.lookups = Durations(
            "semcache_lookup_seconds", "Time until it is known whether the upstream is needed", REQUEST_SECONDS
        )
        for durations in (self.requests, self.stages, self.lookups):
            registry.register(durations)


class _Children:
    """The labelled counters of one outcome and reason: looked up once, used often."""

    __slots__ = ("input_tokens", "output_tokens", "requests")

    def __init__(self, requests: Counter, input_tokens: Counter, output_tokens: Counter) -> None:
        self.requests = requests
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
