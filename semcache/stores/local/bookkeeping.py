"""The ledger's rows and the secrets in SQLite. Money is kept in whole pico-dollars: exact, and quick to add up.

A token at 0.03 dollars per million, read from the prompt cache and in a batch, is 1,500 of them.
"""

from __future__ import annotations

import secrets as random
import sqlite3
from collections.abc import Sequence
from decimal import Context, Decimal

from semcache.stores.store import LedgerRow, LedgerSum

_EXACT = Context(prec=60)


def book(connection: sqlite3.Connection, rows: Sequence[LedgerRow]) -> None:
    connection.executemany(
        "INSERT INTO ledger (at, namespace, label, outcome, reason, requested_model, served_model, "
        "baseline_pico_usd, cost_pico_usd, input_tokens, output_tokens, latency_ms, strategies, route) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_values(row) for row in rows],
    )


def ledger_sums(
    connection: sqlite3.Connection, *, since: float | None, until: float | None, namespace: str | None
) -> list[LedgerSum]:
    """Sums by outcome, in the order of their names."""
    terms = [("at >= ?", since), ("at < ?", until), ("namespace = ?", namespace)]
    given = [(term, value) for term, value in terms if value is not None]
    where = " AND ".join(["1", *(term for term, _ in given)])
    # In two parts, because the sum of pico-dollars leaves 64 bits at nine million dollars.
    rows = connection.execute(
        "SELECT outcome, count(*), "
        "sum(baseline_pico_usd / 1000000), sum(baseline_pico_usd % 1000000), "
        "sum(cost_pico_usd / 1000000), sum(cost_pico_usd % 1000000) "
        f"FROM ledger WHERE {where} GROUP BY outcome ORDER BY outcome",
        [value for _, value in given],
    )
    return [
        LedgerSum(outcome, requests, _dollars(micro, pico), _dollars(cost_micro, cost_pico))
        for outcome, requests, micro, pico, cost_micro, cost_pico in rows
    ]


def secret(connection: sqlite3.Connection, name: str) -> bytes:
    """The bytes under this name, made if there are none."""
    connection.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", (name, random.token_bytes(32)))
    value: bytes = connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()[0]
    return value


def _values(row: LedgerRow) -> tuple[object, ...]:
    names = (row.namespace, row.label, row.outcome, row.reason, row.requested_model, row.served_model)
    return (
        row.at,
        *(_plain(name) for name in names),
        _pico(row.baseline_usd),
        _pico(row.cost_usd),
        row.input_tokens,
        row.output_tokens,
        row.latency_ms,
        ",".join(row.strategies),
        row.route,
    )


def _plain(name: str) -> str:
    """Names may come from a request; what is not valid Unicode must not stop the booking."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _pico(usd: Decimal) -> int:
    return int(usd.scaleb(12, _EXACT).to_integral_value(context=_EXACT))


def _dollars(micro: int, pico: int) -> Decimal:
    return Decimal(micro * 1_000_000 + pico).scaleb(-12, _EXACT)
