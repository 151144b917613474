"""The ledger in Redis: rows by number, and their numbers by time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from semcache.stores.ledger_book import LedgerGroup, LedgerQuery, LedgerRow, grouped
from semcache.stores.ledger_spelling import dollars_of, pico_of, read_bill, read_parts, write_bill, write_parts
from semcache.stores.redis.link import Link
from semcache.stores.redis.scripts import script

_PORTION = 1000


class RedisLedger:
    """All of it lies in one slot."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._slot = f"{{{link.prefix}:ledger}}"

    def book(self, rows: Sequence[LedgerRow]) -> None:
        if rows:
            self._replace("", "", rows)

    def replace(self, since: float, until: float, rows: Sequence[LedgerRow]) -> int:
        return self._replace(repr(float(since)), repr(float(until)), rows)

    def groups(self, query: LedgerQuery) -> list[LedgerGroup]:
        return grouped((row for _, row in self._numbered(query)), query)

    def rows(self, query: LedgerQuery, *, after: int, limit: int) -> list[tuple[int, LedgerRow]]:
        found: list[tuple[int, LedgerRow]] = []
        for number, row in self._numbered(query, after=after):
            if len(found) >= limit:
                break
            if query.admits(row):
                found.append((number, row))
        return found

    def _numbered(self, query: LedgerQuery, *, after: int = 0) -> Iterator[tuple[int, LedgerRow]]:
        """All rows of the query's time, in the order they were booked."""
        since = "-inf" if query.since is None else repr(float(query.since))
        until = "+inf" if query.until is None else f"({float(query.until)!r}"
        numbers = sorted(int(each) for each in self._link.send("ZRANGEBYSCORE", f"{self._slot}:by_time", since, until))
        behind = [number for number in numbers if number > after]
        for start in range(0, len(behind), _PORTION):
            some = behind[start : start + _PORTION]
            for number, stored in zip(some, self._link.send("HMGET", f"{self._slot}:rows", *some), strict=True):
                if stored is not None:
                    yield number, _read(stored)

    def _replace(self, since: str, until: str, rows: Sequence[LedgerRow]) -> int:
        words = [word for row in rows for word in (repr(float(row.at)), _written(row))]
        return int(self._link.run(script("ledger_replace"), self._slot, since, until, *words))


_PLAIN = (
    "at", "namespace", "label", "outcome", "reason", "requested_model", "served_model", "input_tokens", "output_tokens",
    "latency_ms", "route", "cache_read_tokens", "cache_write_tokens", "requests",
)  # fmt: skip


def _written(row: LedgerRow) -> str:
    plain = [getattr(row, name) for name in _PLAIN]
    money = [pico_of(row.baseline_usd), pico_of(row.cost_usd)]
    texts = [write_parts(row.parts), write_bill(row.bill)]
    return json.dumps([plain, money, texts, row.strategies, row.tags], separators=(",", ":"))


def _read(stored: bytes) -> LedgerRow:
    plain, (baseline, cost), (parts, bill), strategies, tags = json.loads(stored)
    return LedgerRow(
        **dict(zip(_PLAIN, plain, strict=True)),
        baseline_usd=dollars_of(baseline),
        cost_usd=dollars_of(cost),
        strategies=tuple(strategies),
        tags=tuple(tags),
        parts=read_parts(parts),
        bill=read_bill(bill),
    )
