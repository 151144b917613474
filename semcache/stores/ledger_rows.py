"""A ledger row as the columns of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from semcache.stores.conditions import joined
from semcache.stores.ledger_book import Dimension, LedgerQuery, LedgerRow
from semcache.stores.ledger_spelling import dollars_of, pico_of, read_bill, read_parts, write_bill, write_parts

COLUMNS = (
    "at", "namespace", "label", "outcome", "reason", "requested_model", "served_model", "baseline_pico_usd",
    "cost_pico_usd", "input_tokens", "output_tokens", "latency_ms", "strategies", "route", "cache_read_tokens",
    "cache_write_tokens", "tags", "parts", "bill", "requests",
)  # fmt: skip

KEYS: Mapping[Dimension, str] = {
    "outcome": "outcome",
    "namespace": "namespace",
    "label": "label",
    "model": "requested_model",
    "served": "served_model",
    "tag": "coalesce(tag.value, '')",
}
"""By what groups are made, but for times, which every database cuts in its own way; `tag` is a table of a row's."""

COUNTED = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")  # in groups


def condition(query: LedgerQuery, *, mark: str, has_tag: str) -> tuple[str, list[object]]:
    """`mark` stands for a bound value; `has_tag`: that a row has the one tag that it binds."""
    return joined(
        [
            (f"at >= {mark}", [query.since]),
            (f"at < {mark}", [query.until]),
            (f"namespace = {mark}", [query.namespace]),
            (f"label = {mark}", [query.label]),
            (f"(requested_model = {mark} OR served_model = {mark})", [query.model, query.model]),
            (has_tag, [query.tag]),
        ]
    )


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
