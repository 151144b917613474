"""The ledger's rows in PostgreSQL: booked, added up, read and rolled up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from semcache.stores.ledger_book import Dimension, LedgerGroup, LedgerQuery, LedgerRow
from semcache.stores.ledger_rows import COLUMNS, COUNTED, KEYS, condition, row_from, values_of
from semcache.stores.ledger_spelling import dollars_of
from semcache.stores.postgres.connections import Connection

_KEYS: dict[Dimension, str] = {
    **KEYS,
    "minute": """to_char(to_timestamp(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')""",
    "hour": """to_char(to_timestamp(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24":00Z"')""",
    "day": "to_char(to_timestamp(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
_MONEY = ("baseline_pico_usd", "cost_pico_usd")  # numeric: the sum of pico-dollars leaves 64 bits
_AS_TEXT = {"tags": "tags::text", "parts": "parts::text"}
_MARK = "%s"
_HAS_TAG = "tags ? %s"


def book(connection: Connection, rows: Sequence[LedgerRow]) -> None:
    places = ", ".join("%s" for _ in COLUMNS)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO semcache.ledger ({', '.join(COLUMNS)}) VALUES ({places})",
            [tuple(_storable(value) for value in values_of(row)) for row in rows],
        )


def groups(connection: Connection, query: LedgerQuery) -> list[LedgerGroup]:
    """Sums by key, in the order of the keys."""
    where, values = condition(query, mark=_MARK, has_tag=_HAS_TAG)
    keys = [_KEYS[dimension] for dimension in query.by]
    source = "semcache.ledger"
    if "tag" in query.by:
        source += " LEFT JOIN LATERAL jsonb_array_elements_text(tags) AS tag (value) ON true"
    parts: dict[tuple[str, ...], dict[str, Any]] = {}
    by_part = ", ".join([*keys, "part.key"])
    for *key, name, pico in connection.execute(
        f"SELECT {by_part}, sum(part.value::numeric) FROM {source}, jsonb_each_text(parts) AS part (key, value) "
        f"WHERE {where} GROUP BY {by_part}",
        values,
    ).fetchall():
        parts.setdefault(tuple(key), {})[name] = dollars_of(int(pico))
    sums = [f"sum({column})::bigint" for column in COUNTED] + [f"sum({column})" for column in _MONEY]
    grouping = f" GROUP BY {', '.join(keys)}" if keys else ""
    found = connection.execute(
        f"SELECT {', '.join([*keys, *sums])} FROM {source} WHERE {where}{grouping}", values
    ).fetchall()
    summed = [_group(row, len(keys), parts) for row in found if row[len(keys)] is not None]
    return sorted(summed, key=lambda group: group.key)


def rows_behind(connection: Connection, query: LedgerQuery, *, after: int, limit: int) -> list[tuple[int, LedgerRow]]:
    where, values = condition(query, mark=_MARK, has_tag=_HAS_TAG)
    columns = ", ".join(_AS_TEXT.get(column, column) for column in COLUMNS)
    found = connection.execute(
        f"SELECT seq, {columns} FROM semcache.ledger WHERE seq > %s AND {where} ORDER BY seq LIMIT %s",
        [after, *values, limit],
    ).fetchall()
    return [(number, row_from([int(each) if _is_pico(name) else each for name, each in zip(COLUMNS, row, strict=True)]))
            for number, *row in found]  # fmt: skip


def replace(connection: Connection, since: float, until: float, rows: Sequence[LedgerRow]) -> int:
    gone = connection.execute("DELETE FROM semcache.ledger WHERE at >= %s AND at < %s", (since, until)).rowcount
    book(connection, rows)
    return gone


def _is_pico(column: str) -> bool:
    return column in _MONEY


def _group(row: Sequence[Any], width: int, parts: dict[tuple[str, ...], dict[str, Any]]) -> LedgerGroup:
    key = tuple(row[:width])
    requests, tokens_in, tokens_out, read, written, baseline, cost = row[width:]
    money = dollars_of(int(baseline)), dollars_of(int(cost))
    own = parts.get(key, {})
    return LedgerGroup(
        key, requests, *money, tokens_in, tokens_out, read, written, {name: own[name] for name in sorted(own)}
    )  # fmt: skip


def _storable(value: object) -> object:
    """Names may come from a request; what PostgreSQL refuses in a text must not stop the booking."""
    return value.replace("\0", "\ufffd").replace("\\u0000", "\ufffd") if isinstance(value, str) else value
