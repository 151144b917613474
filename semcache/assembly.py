"""The one place that wires all parts."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from semcache.cache import Cache
from semcache.decision.audit_schedule import NO_AUDITS, AuditSchedule
from semcache.decision.deciding import LearnedDecision
from semcache.decision.evidence import Witness
from semcache.decision.sameness.judge import Judge
from semcache.decision.sameness.local import LocalJudge
from semcache.decision.scorer import Scorer
from semcache.embedders.embedder import Embedder
from semcache.embedders.opening import model_name, open_embedder
from semcache.exchange import Forward, stack
from semcache.learning.comparing import Comparing
from semcache.learning.keeping import BeliefBook
from semcache.learning.learning import Learning
from semcache.learning.routes import RouteBook, RouteComparing
from semcache.learning.working import Working
from semcache.ledger import Ledger
from semcache.miss_path import MissPath, open_miss_path
from semcache.opening import find_models_dir, open_prior, open_settings_store, spending_limits
from semcache.policy import Policy
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Request
from semcache.settings import Settings
from semcache.spending import SpendingBook
from semcache.stores.ledger_book import LedgerRow
from semcache.stores.store import Store
from semcache.strategies.admission import Admission
from semcache.strategies.consent import Consent
from semcache.strategies.keeping import Keeping
from semcache.strategies.routing.choice import Chooser
from semcache.strategies.routing.classifier import Classifier
from semcache.strategies.routing.conversations import Conversations
from semcache.strategies.routing.health import Health
from semcache.strategies.routing.memory import Memory
from semcache.strategies.routing.opening import Routes, open_routes
from semcache.strategies.routing.opinions import Opinions
from semcache.strategies.routing.step import Routing
from semcache.tariff import counts, price_at, recounts
from semcache.tenants import Tenants
from semcache.turns import Turns

logger = logging.getLogger(__name__)

Clock = Callable[[], float]


@dataclass
class Assembly:
    """All parts, joined. `forward` answers requests; `close` lets go of everything."""

    settings: Settings
    store: Store
    embedder: Embedder
    cache: Cache
    learning: Learning
    ledger: Ledger
    routing: Routing
    miss_path: MissPath
    spending: SpendingBook
    keeping: Keeping
    prices: PriceBook
    tenants: Tenants
    turns: Turns | None  # where other processes share the store
    forward: Forward
    executor: ThreadPoolExecutor = field(repr=False)

    def save(self) -> None:
        """Keep what was learned. A store that fails costs that, and nothing else."""
        self.learning.book.save()
        self.routing.memory.book.save()
        self.keeping.save()

    def sync(self) -> None:
        """Where others share the store: hand out what was decided and spent here, and take up what they have.

        What only makes a miss cheaper waits for `save`.
        """
        if self.store.is_shared:
            self.learning.book.save()
            self.keeping.save(only_urgent=True)

    def catch_up(self) -> None:
        """Before a report on what strategies learn and limits count: as the store has it, where others share it."""
        if self.store.is_shared:
            self.keeping.save()

    def close(self) -> None:
        """Write what is buffered and close. May be called twice."""
        self.executor.shutdown(wait=True)
        self.learning.stop()
        self.save()
        self.ledger.close()
        self.store.close()
        self.embedder.close()


@dataclass(frozen=True)
class Brought:
    """Parts of the caller's own, used instead of those that the settings name; closed like them."""

    embedder: Embedder | None = None
    store: Store | None = None
    judge: Judge | None = None
    randomness: random.Random | None = None  # which hits are audited


def assemble(settings: Settings, *, clock: Clock = time.time, brought: Brought | None = None) -> Assembly:
    """Open the parts that the settings name, and stack the steps of a request, outermost first.

    Raises `SettingsError`, `ManifestError`, `EmbedderError`, `StoreError`.
    """
    ground = _ground(settings, clock, brought or Brought())
    book = RouteBook(ground.store, tolerance=settings.routing.tolerance, dims=ground.embedder.dims)
    memory = Memory(book, Conversations(), Health())
    keeping = Keeping(ground.store)
    keeping.keep("routing-conversations", memory.conversations)
    keeping.keep("spending", ground.spending, is_urgent=True)
    miss_path = open_miss_path(ground.prices, ground.consent, ground.store, keeping, clock=clock)
    keeping.restore()
    opinions = Opinions(ground.routes.table, ground.routes.judges)
    chooser = Chooser(ground.routes.table, ground.prices, opinions, consent=ground.consent, memory=memory, clock=clock)
    learning = _learning(ground, memory, lambda request: miss_path.shaping.marked(chooser.as_sent(request)))
    turns = Turns(ground.store.leases) if ground.store.is_shared else None
    cache = _cache(ground, learning, turns)
    routing = _routing(ground, chooser, memory, learning)
    return Assembly(
        settings,
        ground.store,
        ground.embedder,
        cache,
        learning,
        ground.ledger,
        routing,
        miss_path,
        ground.spending,
        keeping,
        ground.prices,
        Tenants(ground.store.secret("tenants"), keys=settings.api_keys, namespaces=settings.namespaces),
        turns,
        stack([ground.ledger.step, cache.step, _admission(ground).step, routing.step, *miss_path.steps]),
        ThreadPoolExecutor(settings.threads or os.cpu_count() or 1, thread_name_prefix="semcache"),
    )


@dataclass(frozen=True)
class _Ground:
    """What every other part stands on."""

    settings: Settings
    clock: Clock
    prices: PriceBook
    prior: Scorer
    embedder: Embedder
    store: Store
    routes: Routes
    consent: Consent
    ledger: Ledger
    spending: SpendingBook
    judge: Judge
    randomness: random.Random


def _ground(settings: Settings, clock: Clock, brought: Brought) -> _Ground:
    models_dir = find_models_dir(settings)
    prices = PriceBook.load(find_claude_manifest(models_dir))
    name = model_name(settings.embedder, models_dir=models_dir)
    routes = open_routes(settings.routing, prices, embedder=name, models_dir=models_dir)
    prior = open_prior(settings.embedder, models_dir=models_dir)
    embedder = brought.embedder or open_embedder(settings.embedder, models_dir=models_dir)
    store = brought.store or open_settings_store(settings, embedder, clock)
    spending = SpendingBook(spending_limits(settings))
    return _Ground(
        settings,
        clock,
        prices,
        prior,
        embedder,
        store,
        routes,
        Consent(settings.strategies, settings.namespaces),
        Ledger(
            store,
            price_at(prices, clock),
            clock=clock,
            recount=recounts(prices, routes.table.baseline),
            count=counts(prices),
            on_spent=_spends(spending),
        ),
        spending,
        brought.judge or LocalJudge(embedder.embed),
        brought.randomness or random.Random(),
    )


def _spends(book: SpendingBook) -> Callable[[LedgerRow, str], None]:
    """What we spend for ourselves counts towards limits, and what was paid for in vain."""

    def spend(row: LedgerRow, credential: str) -> None:
        tokens = row.input_tokens + row.output_tokens
        book.add(row.namespace, credential, usd=float(row.cost_usd), tokens=tokens, now=row.at)

    return spend


def _admission(ground: _Ground) -> Admission:
    price = price_at(ground.prices, ground.clock)
    usual = ground.routes.table.baseline
    return Admission(ground.spending, ground.prices, usual, price=price, clock=ground.clock)


def _learning(ground: _Ground, memory: Memory, as_sent: Callable[[Request], Request]) -> Learning:
    """`as_sent` gives a call of our own the shape in which the caller's would go."""
    settings, clock = ground.settings, ground.clock
    comparing = Comparing(ground.judge, ground.ledger, claude_model=settings.judge_model)
    schedule = AuditSchedule(floor=settings.audit_floor) if settings.audits else NO_AUDITS
    book = BeliefBook(ground.store, ground.prior, error_budget=settings.error_budget, schedule=schedule)
    working = Working(ground.store, book, comparing, ground.ledger, clock=clock, as_sent=as_sent)
    routes = RouteComparing(memory.book, comparing, ground.ledger, clock=clock)
    return Learning(book, working, routes, clock=clock, randomness=ground.randomness)


def _cache(ground: _Ground, learning: Learning, turns: Turns | None) -> Cache:
    settings, price = ground.settings, price_at(ground.prices, ground.clock)
    return Cache(
        ground.store,
        ground.embedder,
        LearnedDecision(Witness(ground.embedder.words), learning.beliefs),
        learning,
        policy=Policy(
            settings.mode,
            settings.ttl_seconds,
            settings.max_entry_bytes,
            settings.writes_per_hour,
            settings.refresh_seconds,
            settings.namespaces,
        ),
        consent=ground.consent.serving_objection,
        cost_usd=lambda model, usage: float(price(model, usage) or 0),
        clock=ground.clock,
        turns=turns,
    )


def _routing(ground: _Ground, chooser: Chooser, memory: Memory, learning: Learning) -> Routing:
    table = ground.routes.table
    return Routing(
        chooser,
        ground.consent,
        memory,
        learning,
        classifier=Classifier(table, table.classifier) if table.classifier is not None else None,
        cascade_streams=ground.settings.routing.cascade_streams,
        compares=ground.settings.audits,
        clock=ground.clock,
        randomness=ground.randomness,
    )
