"""Old rows of the ledger, added up by the hour, and forgotten in the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from semcache.stores.ledger_book import BillLine, LedgerQuery, LedgerRow, added
from semcache.stores.store import Store

_HOUR_SECONDS = 3600.0
_DAY_SECONDS = 86_400.0
_ROWS_A_TIME = 5000


def roll_up(store: Store, *, now: float, rows_days: float, sums_days: float) -> int:
    """Keep rows of the last so many days, hourly sums of more, and nothing older; how many rows went away.

    Works on one day at a time, so that no transaction is long. Raises `StoreError`.
    """
    before = _day(now - rows_days * _DAY_SECONDS)
    gone = store.replace_ledger(float("-inf"), _day(now - sums_days * _DAY_SECONDS), ())
    first = store.ledger_rows(LedgerQuery(until=before), limit=1)
    if not first:
        return gone
    day = _day(first[0][1].at)
    while day < before:
        rows = _rows(store, LedgerQuery(since=day, until=day + _DAY_SECONDS))
        sums = added_up(rows)
        if len(sums) < len(rows):
            gone += store.replace_ledger(day, day + _DAY_SECONDS, sums) - len(sums)
        day += _DAY_SECONDS
    return gone


def added_up(rows: Iterable[LedgerRow]) -> list[LedgerRow]:
    """One row for those of an hour that are alike in all but time, amounts and counts."""
    sums: dict[tuple[object, ...], LedgerRow] = {}
    for row in rows:
        hour = replace(row, at=row.at // _HOUR_SECONDS * _HOUR_SECONDS)
        key = _alike(hour)
        sums[key] = _joined(sums[key], hour) if key in sums else hour
    return list(sums.values())


def _alike(row: LedgerRow) -> tuple[object, ...]:
    """Whatever is not added up; of the bill, its steps: then it can be added up line by line, and still be priced."""
    steps = tuple(
        (line.what, line.model, line.usage.is_batch, line.usage.is_fast, line.usage.is_us) for line in row.bill
    )
    names = (row.namespace, row.label, row.outcome, row.reason, row.requested_model, row.served_model)
    return (row.at, *names, row.strategies, row.route, row.tags, steps)


def _joined(one: LedgerRow, other: LedgerRow) -> LedgerRow:
    requests = one.requests + other.requests
    return replace(
        one,
        baseline_usd=one.baseline_usd + other.baseline_usd,
        cost_usd=one.cost_usd + other.cost_usd,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        latency_ms=(one.latency_ms * one.requests + other.latency_ms * other.requests) / requests,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        parts=added(one.parts, other.parts),
        bill=tuple(_line(mine, his) for mine, his in zip(one.bill, other.bill, strict=True)),
        requests=requests,
    )


def _line(one: BillLine, other: BillLine) -> BillLine:
    mine, his = one.usage, other.usage
    usage = replace(
        mine,
        input_tokens=mine.input_tokens + his.input_tokens,
        cache_write_5m_tokens=mine.cache_write_5m_tokens + his.cache_write_5m_tokens,
        cache_write_1h_tokens=mine.cache_write_1h_tokens + his.cache_write_1h_tokens,
        cache_read_tokens=mine.cache_read_tokens + his.cache_read_tokens,
        output_tokens=mine.output_tokens + his.output_tokens,
    )
    return one._replace(usage=usage)


def _rows(store: Store, query: LedgerQuery) -> list[LedgerRow]:
    rows: list[LedgerRow] = []
    after = 0
    while page := store.ledger_rows(query, after=after, limit=_ROWS_A_TIME):
        rows += [row for _, row in page]
        after = page[-1][0]
    return rows


def _day(at: float) -> float:
    return at // _DAY_SECONDS * _DAY_SECONDS
