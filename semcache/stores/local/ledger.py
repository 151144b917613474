"""The ledger's rows in SQLite: booked, added up, read and rolled up."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from semcache.stores.ledger_book import Dimension, LedgerGroup, LedgerQuery, LedgerRow
from semcache.stores.ledger_rows import COLUMNS, COUNTED, KEYS, condition, row_from, values_of
from semcache.stores.ledger_spelling import dollars_of

_KEYS: dict[Dimension, str] = {
    **KEYS,
    "minute": "strftime('%Y-%m-%dT%H:%MZ', at, 'unixepoch')",
    "hour": "strftime('%Y-%m-%dT%H:00Z', at, 'unixepoch')",
    "day": "strftime('%Y-%m-%d', at, 'unixepoch')",
}
# In two parts, because the sum of pico-dollars leaves 64 bits at nine million dollars.
_MONEY = "sum({0} / 1000000), sum({0} % 1000000)"
_MARK = "?"
_HAS_TAG = "EXISTS (SELECT 1 FROM json_each(tags) AS one WHERE one.value = ?)"


def book(connection: sqlite3.Connection, rows: Sequence[LedgerRow]) -> None:
    places = ", ".join("?" for _ in COLUMNS)
    connection.executemany(f"INSERT INTO ledger ({', '.join(COLUMNS)}) VALUES ({places})", map(values_of, rows))


def groups(connection: sqlite3.Connection, query: LedgerQuery) -> list[LedgerGroup]:
    """Sums by key, in the order of the keys."""
    where, values = condition(query, mark=_MARK, has_tag=_HAS_TAG)
    keys = [_KEYS[dimension] for dimension in query.by]
    source = "ledger" + (" LEFT JOIN json_each(tags) AS tag" if "tag" in query.by else "")
    order = f" GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}" if keys else ""
    parts: dict[tuple[str, ...], dict[str, Any]] = {}
    summed = ", ".join([*keys, "part.key", _MONEY.format("part.value")])
    grouping = f" GROUP BY {', '.join([*keys, 'part.key'])} ORDER BY part.key"
    for *key, name, micro, pico in connection.execute(
        f"SELECT {summed} FROM {source}, json_each(parts) AS part WHERE {where}{grouping}", values
    ):
        parts.setdefault(tuple(key), {})[name] = dollars_of(micro * 1_000_000 + pico)
    counted = ", ".join(f"sum({column})" for column in COUNTED)
    money = ", ".join(_MONEY.format(column) for column in ("baseline_pico_usd", "cost_pico_usd"))
    found = connection.execute(
        f"SELECT {', '.join([*keys, counted, money])} FROM {source} WHERE {where}{order}", values
    ).fetchall()
    return [_group(row, len(keys), parts) for row in found if row[len(keys)] is not None]


def rows_behind(
    connection: sqlite3.Connection, query: LedgerQuery, *, after: int, limit: int
) -> list[tuple[int, LedgerRow]]:
    where, values = condition(query, mark=_MARK, has_tag=_HAS_TAG)
    found = connection.execute(
        f"SELECT seq, {', '.join(COLUMNS)} FROM ledger WHERE seq > ? AND {where} ORDER BY seq LIMIT ?",
        [after, *values, limit],
    )
    return [(number, row_from(values)) for number, *values in found]


def replace(connection: sqlite3.Connection, since: float, until: float, rows: Sequence[LedgerRow]) -> int:
    gone = connection.execute("DELETE FROM ledger WHERE at >= ? AND at < ?", (since, until)).rowcount
    book(connection, rows)
    return gone


def _group(row: Sequence[Any], width: int, parts: dict[tuple[str, ...], dict[str, Any]]) -> LedgerGroup:
    key = tuple(row[:width])
    requests, tokens_in, tokens_out, read, written, micro, pico, cost_micro, cost_pico = row[width:]
    baseline, cost = dollars_of(micro * 1_000_000 + pico), dollars_of(cost_micro * 1_000_000 + cost_pico)
    return LedgerGroup(
        key, requests, baseline, cost, tokens_in, tokens_out, read, written, parts.get(key, {})
    )  # fmt: skip
