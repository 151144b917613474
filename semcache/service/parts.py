"""What one running service is made of; opened even where the cache is broken, for then it passes everything on."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from semcache.assembly import Assembly, Brought, assemble
from semcache.embedders.embedder import Embedder
from semcache.embedders.opening import open_embedder
from semcache.entry import Bypass
from semcache.errors import EmbedderError, NotCached, StoreError, StoreUnavailable, UpstreamError
from semcache.exchange import Exchange, Forward, relabelled, stack
from semcache.opening import find_models_dir, open_settings_store, open_upstream
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import AUTO_MODEL, Request
from semcache.search import UNAVAILABLE
from semcache.settings import Settings
from semcache.strategies.routing.arms import Arm, Level
from semcache.strategies.routing.table import find_routing_table, load_routing_table
from semcache.strategies.translation import Translation, translated
from semcache.tenants import Tenants
from semcache.upstream.upstream import Upstream

logger = logging.getLogger(__name__)

Clock = Callable[[], float]


@dataclass
class Parts:
    """All that answers requests. `fault` says why the cache cannot be used; empty: it can."""

    settings: Settings
    forward: Forward
    tenants: Tenants
    upstream: Upstream
    executor: ThreadPoolExecutor = field(repr=False)
    clock: Clock = field(repr=False)
    assembly: Assembly | None = None
    fault: str = ""
    reopen: Callable[[], Parts] | None = field(default=None, repr=False)  # for a store that may come back by itself
    unused: Embedder | None = field(default=None, repr=False)  # waits for it, too

    @property
    def cache_parts(self) -> Assembly:
        """The cache behind the service. Raises `StoreUnavailable` where it could not be opened."""
        if self.assembly is None:
            raise StoreUnavailable(f"the cache is not available: {self.fault}")
        return self.assembly

    def close(self) -> None:
        """Write what is buffered and close."""
        if self.assembly is not None:
            self.assembly.close()
        if self.unused is not None:
            self.unused.close()
        self.executor.shutdown(wait=True)


def open_parts(settings: Settings, *, clock: Clock = time.time, upstream: Upstream | None = None) -> Parts:
    """Open what the settings name. Raises `SettingsError` and `ManifestError`, which a person must mend.

    A store or a model that cannot be opened costs the cache, never the service.
    """
    prices = PriceBook.load(find_claude_manifest(find_models_dir(settings)))
    upstream = upstream or open_upstream(settings, prices, clock=clock)
    embedder: Embedder | None = None
    try:
        embedder = open_embedder(settings.embedder, models_dir=find_models_dir(settings))
        return _with_cache(settings, embedder, clock=clock, upstream=upstream)
    except (StoreError, EmbedderError) as error:
        logger.error("THE CACHE IS OFF: every request goes to the upstream. %s: %s", type(error).__name__, error)
        parts = _without_cache(settings, prices, clock=clock, upstream=upstream, fault=str(error))
        if embedder is not None and isinstance(error, StoreUnavailable):
            parts.reopen = partial(_with_cache, settings, embedder, clock=clock, upstream=upstream)
            parts.unused = embedder
        elif embedder is not None:
            embedder.close()
        return parts


def _with_cache(settings: Settings, embedder: Embedder, *, clock: Clock, upstream: Upstream) -> Parts:
    """Raises `StoreError`; then nothing is left open but the embedder."""
    store = open_settings_store(settings, embedder, clock)
    try:
        assembly = assemble(settings, clock=clock, brought=Brought(embedder=embedder, store=store))
    except BaseException:
        store.close()
        raise
    return Parts(
        settings, assembly.forward, assembly.tenants, upstream, assembly.executor, clock=clock, assembly=assembly
    )


def _without_cache(settings: Settings, prices: PriceBook, *, clock: Clock, upstream: Upstream, fault: str) -> Parts:
    table = find_routing_table(find_models_dir(settings))
    middle = load_routing_table(table, prices, settings.routing).ladder[Level.MODERATE]
    forward = stack([partial(_pass_on, prices, clock), partial(_named, middle, clock)])
    tenants = Tenants(secrets.token_bytes(32), keys=settings.api_keys, namespaces=settings.namespaces)
    executor = ThreadPoolExecutor(settings.threads or os.cpu_count() or 1, thread_name_prefix="semcache")
    return Parts(settings, forward, tenants, upstream, executor, clock=clock, fault=fault)


def _named(middle: Arm, clock: Clock, request: Request, forward: Forward) -> Exchange:
    """`auto` is no model that Claude knows: without anything to choose by, it means the middle of the ladder."""
    if request.model == AUTO_MODEL:
        today = datetime.fromtimestamp(clock(), UTC).date()
        outcome = translated(request, source=middle.model, target=middle.model, on=today)
        request = outcome.request if isinstance(outcome, Translation) else request
    return (yield from forward(request))


def _pass_on(prices: PriceBook, clock: Clock, request: Request, forward: Forward) -> Exchange:
    """The step that stands in for a cache that cannot be opened: it says so, and what the request cost."""
    lookup = Bypass(UNAVAILABLE)
    if request.directives.only_if_cached:
        raise NotCached("only-if-cached: the cache is not available; send the request without the directive")
    try:
        answer = yield from relabelled(forward(request), lambda call: replace(call, lookup=lookup))
    except UpstreamError as error:
        error.lookup = lookup
        raise
    message = answer.message
    today = datetime.fromtimestamp(clock(), UTC).date()
    cost_usd = prices.cost_usd(message.model or request.model, message.usage, on=today)
    return replace(answer, lookup=lookup, not_stored=UNAVAILABLE, cost_usd=cost_usd, baseline_usd=cost_usd)
