"""The ledger in Redis: rows by number, and their numbers by time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from semcache.stores.ledger_book import LedgerGroup, LedgerQuery, LedgerRow, grouped
from semcache.stores.ledger_rows import row_from, values_of
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
        behind = self._numbers(query, after)
        for start in range(0, len(behind), _PORTION):
            some = behind[start : start + _PORTION]
            for number, stored in zip(some, self._link.send("HMGET", f"{self._slot}:rows", *some), strict=True):
                if stored is not None:
                    yield number, _read(stored)

    def _numbers(self, query: LedgerQuery, after: int) -> Sequence[int]:
        """Of the rows of a query's time; where it means all, whatever number has been given."""
        if query.since is None and query.until is None:
            return range(after + 1, int(self._link.send("GET", f"{self._slot}:last") or 0) + 1)
        since = "-inf" if query.since is None else repr(float(query.since))
        until = "+inf" if query.until is None else f"({float(query.until)!r}"
        numbers = sorted(int(each) for each in self._link.send("ZRANGEBYSCORE", f"{self._slot}:by_time", since, until))
        return [number for number in numbers if number > after]

    def _replace(self, since: str, until: str, rows: Sequence[LedgerRow]) -> int:
        words = [word for row in rows for word in (repr(float(row.at)), json.dumps(values_of(row)))]
        return int(self._link.run(script("ledger_replace"), self._slot, since, until, *words))


def _read(stored: bytes) -> LedgerRow:
    return row_from(json.loads(stored))
