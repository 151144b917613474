"""What a store keeps of the bill: rows, the questions that may be asked of them, and their sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

from semcache.message import Usage

Dimension = Literal["outcome", "namespace", "label", "model", "served", "tag", "minute", "hour", "day"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
BASELINE = "baseline"


class BillLine(NamedTuple):
    """What was counted: for the request as it came, after one more strategy, or by a call that a strategy caused."""

    what: str  # BASELINE, the name of a strategy, or that of a cause
    model: str
    usage: Usage


@dataclass(frozen=True)
class LedgerRow:
    """What one request cost, and would have cost. Never holds a prompt or a credential.

    `parts` add up to what was saved, to the last digit: positive for a strategy that saved, negative for what we
    caused. `bill` tells how they came about, so that old rows can be priced anew. Rolled-up rows stand for many
    requests; their latency is the mean.
    """

    at: float
    namespace: str
    label: str
    outcome: str  # exact | semantic | faq | coalesced | miss | bypass, or what a call of ours was for
    reason: str
    requested_model: str
    served_model: str
    baseline_usd: Decimal
    cost_usd: Decimal
    input_tokens: int
    output_tokens: int
    latency_ms: float
    strategies: tuple[str, ...] = ()  # that had a part in it
    route: str = ""  # where it was sent, and why; empty: nothing was chosen
    cache_read_tokens: int = 0  # of the input tokens
    cache_write_tokens: int = 0  # of the input tokens
    tags: tuple[str, ...] = ()
    parts: Mapping[str, Decimal] = field(default_factory=dict)
    bill: tuple[BillLine, ...] = ()
    requests: int = 1


@dataclass(frozen=True)
class LedgerQuery:
    """Which rows are meant, where every given condition must hold, and what they are grouped by."""

    since: float | None = None
    until: float | None = None
    namespace: str | None = None
    label: str | None = None
    model: str | None = None  # requested or served
    tag: str | None = None
    by: tuple[Dimension, ...] = ()

    def admits(self, row: LedgerRow) -> bool:
        """Whether a row is meant."""
        return (
            (self.since is None or row.at >= self.since)
            and (self.until is None or row.at < self.until)
            and self.namespace in (None, row.namespace)
            and self.label in (None, row.label)
            and self.model in (None, row.requested_model, row.served_model)
            and (self.tag is None or self.tag in row.tags)
        )


@dataclass(frozen=True)
class LedgerGroup:
    """Ledger rows added up. `key` has a value for each dimension of the query; a row with several tags is in each."""

    key: tuple[str, ...]
    requests: int = 0
    baseline_usd: Decimal = Decimal(0)
    cost_usd: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    parts: Mapping[str, Decimal] = field(default_factory=dict)

    def __add__(self, other: LedgerGroup) -> LedgerGroup:
        return LedgerGroup(
            self.key,
            self.requests + other.requests,
            self.baseline_usd + other.baseline_usd,
            self.cost_usd + other.cost_usd,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            added(self.parts, other.parts),
        )


def grouped(rows: Iterable[LedgerRow], query: LedgerQuery) -> list[LedgerGroup]:
    """The sums of the admitted rows, in the order of their keys: what every store must answer."""
    groups: dict[tuple[str, ...], LedgerGroup] = {}
    for row in rows:
        if query.admits(row):
            for key in _keys(row, query.by):
                groups[key] = groups.get(key, LedgerGroup(key)) + _alone(row, key)
    return [groups[key] for key in sorted(groups)]


def added(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Amounts of the same name added up, in the order of the names."""
    return {name: one.get(name, Decimal(0)) + other.get(name, Decimal(0)) for name in sorted({*one, *other})}


def _alone(row: LedgerRow, key: tuple[str, ...]) -> LedgerGroup:
    return LedgerGroup(
        key,
        row.requests,
        row.baseline_usd,
        row.cost_usd,
        row.input_tokens,
        row.output_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.parts,
    )


def _keys(row: LedgerRow, by: tuple[Dimension, ...]) -> Iterator[tuple[str, ...]]:
    """One key, or one for each tag where rows are grouped by them."""
    for tag in row.tags or ("",) if "tag" in by else ("",):
        yield tuple(tag if dimension == "tag" else _value(row, dimension) for dimension in by)


def _value(row: LedgerRow, dimension: Dimension) -> str:
    match dimension:
        case "model":
            return row.requested_model
        case "served":
            return row.served_model
        case "minute":
            return datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%dT%H:%MZ")
        case "hour":
            return datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%dT%H:00Z")
        case "day":
            return datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%d")
        case "outcome" | "namespace" | "label" | "tag":
            return str(getattr(row, dimension))
