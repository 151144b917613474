"""The bill, for Prometheus: every row of the ledger is counted when it is written, not on the path of its request."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from threading import Lock

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from semcache.attribution import CALL, is_call
from semcache.message import Usage
from semcache.pricing import PriceBook
from semcache.stores.ledger_book import BillLine, LedgerRow

logger = logging.getLogger(__name__)

BASELINE, BILLED, CAUSED = "baseline", "billed", "caused"
ACCOUNTS = (BASELINE, BILLED, CAUSED)
CATEGORIES = ("input", "output", "cache_write", "cache_read")
_MOST_NAMES = 100  # strategies and purposes are closed sets; should one ever carry data, the rest are counted together
_Cell = tuple[str, str]  # account, category


class BillMetrics(Collector):
    """Tokens and dollars by account and category; what each strategy saved, and what each purpose of ours cost.

    Counters only grow, so what was saved is a difference: `baseline` less `billed`. `caused` is the part of `billed`
    that went on calls beside the answer. Over strategies and purposes, saved less caused is the same difference.
    """

    def __init__(self, prices: PriceBook, *, flush: Callable[[], None]) -> None:
        """`flush` has the ledger write, and show, what it has buffered: a scrape is never behind."""
        self._prices = prices
        self._flush = flush
        self._lock = Lock()
        self._tokens: Counter[_Cell] = Counter()
        self._usd: defaultdict[_Cell, Decimal] = defaultdict(Decimal)
        self._saved: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._caused: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._unpriced = 0

    def note(self, rows: Sequence[LedgerRow]) -> None:
        """Count rows; for any thread. What goes wrong here must cost no row of the ledger, and no answer."""
        try:
            with self._lock:
                for row in rows:
                    self._note(row)
        except Exception as error:
            logger.error("rows of the ledger were not counted: %s", type(error).__name__)

    def collect(self) -> Iterator[Metric]:
        self._flush()
        with self._lock:
            yield _family("semcache_bill_tokens", "Tokens by account and category", "account category", self._cells())
            yield _family(
                "semcache_bill_usd",
                "Dollars: baseline (the requests as they came), billed (all that was paid), and caused, of billed "
                "(calls beside the answer)",
                "account category",
                {(account, category): float(self._usd[account, category]) for account, category in self._cells()},
            )
            yield _family("semcache_saved_usd", "Dollars that each strategy saved", "strategy", _named(self._saved))
            yield _family(
                "semcache_caused_usd", "Dollars that were spent to save: by purpose", "purpose", _named(self._caused)
            )
            yield CounterMetricFamily(
                "semcache_unpriced_requests", "Rows of the ledger whose model has no price", value=self._unpriced
            )

    def describe(self) -> Iterator[Metric]:
        """Nothing is read when it is registered."""
        return iter(())

    def _cells(self) -> dict[tuple[str, ...], float]:
        return {(account, category): self._tokens[account, category] for account in ACCOUNTS for category in CATEGORIES}

    def _note(self, row: LedgerRow) -> None:
        if not row.bill:
            return
        steps = [line for line in row.bill if not is_call(line.what)]
        calls = [line for line in row.bill if is_call(line.what)]
        priced = [self._count(BASELINE, steps[0], row.at), self._count(BILLED, steps[-1], row.at)]
        for line in calls:
            priced += [self._count(BILLED, line, row.at), self._count(CAUSED, line, row.at)]
        self._unpriced += not all(priced)
        for name, usd in row.parts.items():
            amounts = self._saved if usd > 0 else self._caused
            amounts[_bounded(name.removeprefix(CALL), amounts)] += abs(usd)

    def _count(self, account: str, line: BillLine, at: float) -> bool:
        """Whether there is a price for it."""
        for category, tokens in zip(CATEGORIES, _counts(line.usage), strict=True):
            self._tokens[account, category] += tokens
        if line.usage == Usage():
            return True
        costs = self._prices.costs_usd(line.model, line.usage, on=datetime.fromtimestamp(at, UTC).date())
        for category, usd in zip(CATEGORIES, costs or (), strict=False):
            self._usd[account, category] += usd
        return costs is not None


def _counts(usage: Usage) -> tuple[int, int, int, int]:
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    return usage.input_tokens, usage.output_tokens, written, usage.cache_read_tokens


def _bounded(name: str, known: dict[str, Decimal]) -> str:
    return name if name in known or len(known) < _MOST_NAMES else "other"


def _named(amounts: dict[str, Decimal]) -> dict[tuple[str, ...], float]:
    return {(name,): float(usd) for name, usd in sorted(amounts.items())}


def _family(name: str, about: str, labels: str, values: dict[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(name, about, labels=labels.split())
    for key, value in values.items():
        family.add_metric(key, value)
    return family
