"""What was saved over a period, and by whom: the ledger as a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from semcache.attribution import CACHE_WRITES, CALL, FREE, priced
from semcache.stores.ledger_book import LedgerGroup, LedgerQuery, LedgerRow, grouped
from semcache.stores.store import Store
from semcache.tariff import Price

DAY_SECONDS = 86_400.0
_MONTH_DAYS = 30
_LEAST_OBSERVED_SECONDS = 3600.0
_ROWS_A_TIME = 2000

# In the order in which a request meets them; a strategy that is not named here comes last, under its own name.
STRATEGY_NAMES = {
    "exact": "Exact hits",
    "semantic": "Semantic hits",
    "faq": "FAQ hits",
    "coalesced": "Coalesced requests",
    "tiering": "Model tiering",
    "routing": "Smart routing",
    "failover": "Failover",
    "prompt_optimisation": "Prompt optimisation",
    "tidying": "Tidying",
    "compression": "Context compression",
    "trimming": "Input trimming",
    "token_budget": "Token budgets",
    "prompt_caching": "Prompt caching",
    "batch": "Batches",
}
CAUSE_NAMES = {
    CACHE_WRITES: "Writing to the prompt cache",
    f"{CALL}audit": "Audits of served answers",
    f"{CALL}judge": "Judgements of sameness",
    f"{CALL}shadow": "Comparing models",
    f"{CALL}classify": "Classifying requests",
    f"{CALL}summary": "Summarising old turns",
    f"{CALL}optimise": "Optimising prompts",
}


@dataclass(frozen=True)
class Part:
    """What one strategy saved, or one cause cost, in dollars; `remaining_usd` is the bill after it."""

    what: str
    name: str
    usd: Decimal
    share_of_baseline: float
    remaining_usd: Decimal


@dataclass(frozen=True)
class Projection:
    """The coming month, if it is like the time observed."""

    saved_usd: Decimal
    cost_usd: Decimal
    observed_seconds: float

    @property
    def assumption(self) -> str:
        return f"{_MONTH_DAYS} days like the {self.observed_seconds / DAY_SECONDS:.1f} days observed"


@dataclass(frozen=True)
class SavingsReport:
    """`waterfall` less `caused` is the saving, to the last digit, where every price was known."""

    total: LedgerGroup
    outcomes: tuple[LedgerGroup, ...]
    groups: tuple[LedgerGroup, ...]  # by what the query groups by
    waterfall: tuple[Part, ...]
    caused: tuple[Part, ...]
    projection: Projection | None  # None: too little has been observed
    repeated: dict[tuple[str, ...], LedgerGroup] = field(default_factory=dict)
    """What was answered at no charge, by the key of a group; of the whole under ()."""

    @property
    def saved_usd(self) -> Decimal:
        return self.total.baseline_usd - self.total.cost_usd

    @property
    def saved_share(self) -> float:
        return float(self.saved_usd / self.total.baseline_usd) if self.total.baseline_usd else 0.0


def savings_of(store: Store, query: LedgerQuery, *, now: float, price: Price | None = None) -> SavingsReport:
    """The report of the rows that a query means; with `price`, as if those prices had held. Raises `StoreError`."""
    if price is not None:
        rows = list(_repriced(store, query, price))
        totals, outcomes = grouped(rows, replace(query, by=())), grouped(rows, replace(query, by=("outcome",)))
        groups = grouped(rows, query) if query.by else []
        finer = grouped(rows, _finer(query))
    else:
        totals = store.ledger_groups(replace(query, by=()))
        outcomes = store.ledger_groups(replace(query, by=("outcome",)))
        groups = store.ledger_groups(query) if query.by else []
        finer = store.ledger_groups(_finer(query))
    total = totals[0] if totals else LedgerGroup(())
    waterfall, caused = _parts(total)
    projection = _projected(total, _observed_since(store, query), min(now, query.until or now))
    repeated = _repeated(outcomes, finer)
    return SavingsReport(total, tuple(outcomes), tuple(groups), waterfall, caused, projection, repeated)


def repriced(row: LedgerRow, price: Price) -> LedgerRow:
    """A row at other prices; one that keeps no bill, or names a model without a price, stays as it is.

    A rolled-up row is priced as so many requests of the mean size, in whole tokens: prices may depend on the size.
    """
    known = priced([line._replace(usage=line.usage.recounted(1 / Decimal(row.requests))) for line in row.bill], price)
    if known is None:
        return row
    parts = {name: usd * row.requests for name, usd in known.parts.items()}
    baseline_usd, cost_usd = known.baseline_usd * row.requests, known.cost_usd * row.requests
    return replace(row, baseline_usd=baseline_usd, cost_usd=cost_usd, parts=parts)


def name_of(what: str) -> str:
    """A strategy or a cause in words."""
    return STRATEGY_NAMES.get(what) or CAUSE_NAMES.get(what) or what.removeprefix(CALL).replace("_", " ").capitalize()


def _finer(query: LedgerQuery) -> LedgerQuery:
    return replace(query, by=(*query.by, "outcome"))


def _repeated(outcomes: Sequence[LedgerGroup], finer: Sequence[LedgerGroup]) -> dict[tuple[str, ...], LedgerGroup]:
    """The last of each key is the outcome."""
    found: dict[tuple[str, ...], LedgerGroup] = {}
    for group in (*(each for each in finer if len(each.key) > 1), *outcomes):
        if group.key[-1] in FREE:
            key = group.key[:-1]
            found[key] = found.get(key, LedgerGroup(key)) + group
    return found


def _repriced(store: Store, query: LedgerQuery, price: Price) -> Iterator[LedgerRow]:
    after = 0
    while page := store.ledger_rows(query, after=after, limit=_ROWS_A_TIME):
        yield from (repriced(row, price) for _, row in page)
        after = page[-1][0]


def _parts(total: LedgerGroup) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """What was saved in the order of the strategies, then what that cost."""
    order = [*STRATEGY_NAMES, *sorted({*total.parts} - {*STRATEGY_NAMES})]
    remaining, waterfall, caused = total.baseline_usd, [], []
    for what in sorted((what for what in order if what in total.parts), key=_is_cause):
        usd = total.parts[what]
        remaining -= usd
        share = float(usd / total.baseline_usd) if total.baseline_usd else 0.0
        if _is_cause(what):
            caused.append(Part(what, name_of(what), -usd, -share, remaining))
        else:
            waterfall.append(Part(what, name_of(what), usd, share, remaining))
    return tuple(waterfall), tuple(caused)


def _is_cause(what: str) -> bool:
    return what.startswith(CALL) or what == CACHE_WRITES


def _observed_since(store: Store, query: LedgerQuery) -> float | None:
    first = store.ledger_rows(query, limit=1)
    if not first:
        return None
    return first[0][1].at if query.since is None else max(query.since, first[0][1].at)


def _projected(total: LedgerGroup, since: float | None, until: float) -> Projection | None:
    if since is None or until - since < _LEAST_OBSERVED_SECONDS:
        return None
    months = Decimal(_MONTH_DAYS * DAY_SECONDS) / Decimal(until - since)
    saved = total.baseline_usd - total.cost_usd
    return Projection(saved * months, total.cost_usd * months, until - since)
