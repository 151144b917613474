"""A ledger row as the columns of a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from semcache.stores.ledger_book import LedgerRow
from semcache.stores.ledger_spelling import dollars_of, pico_of, read_bill, read_parts, write_bill, write_parts

COLUMNS = (
    "at", "namespace", "label", "outcome", "reason", "requested_model", "served_model", "baseline_pico_usd",
    "cost_pico_usd", "input_tokens", "output_tokens", "latency_ms", "strategies", "route", "cache_read_tokens",
    "cache_write_tokens", "tags", "parts", "bill", "requests",
)  # fmt: skip


def values_of(row: LedgerRow) -> tuple[object, ...]:
    """In the order of `COLUMNS`."""
    names = (row.namespace, row.label, row.outcome, row.reason, row.requested_model, row.served_model)
    return (
        row.at,
        *(_plain(name) for name in names),
        pico_of(row.baseline_usd),
        pico_of(row.cost_usd),
        row.input_tokens,
        row.output_tokens,
        row.latency_ms,
        ",".join(row.strategies),
        row.route,
        row.cache_read_tokens,
        row.cache_write_tokens,
        json.dumps(sorted(set(row.tags))),
        write_parts(row.parts),
        _plain(write_bill(row.bill)),
        row.requests,
    )


def row_from(values: Sequence[Any]) -> LedgerRow:
    """From values in the order of `COLUMNS`."""
    known = dict(zip(COLUMNS, values, strict=True))
    strategies = known.pop("strategies")
    return LedgerRow(
        baseline_usd=dollars_of(known.pop("baseline_pico_usd")),
        cost_usd=dollars_of(known.pop("cost_pico_usd")),
        strategies=tuple(strategies.split(",")) if strategies else (),
        tags=tuple(json.loads(known.pop("tags"))),
        parts=read_parts(known.pop("parts")),
        bill=read_bill(known.pop("bill")),
        **known,
    )


def _plain(name: str) -> str:
    """Names may come from a request; what is not valid Unicode must not stop the booking."""
    return name.encode("utf-8", "replace").decode("utf-8")
