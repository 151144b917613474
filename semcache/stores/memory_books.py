"""What the memory store keeps beside entries: secrets, the ledger, observations and documents."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from threading import RLock

from semcache.request import encode_json
from semcache.stores.ledger_book import LedgerGroup, LedgerQuery, LedgerRow, grouped
from semcache.stores.store import Observation


@dataclass(frozen=True)
class _Noted:
    """An observation in the order of its arrival, with its body as JSON: nobody can change it."""

    number: int
    row: Observation
    body: bytes

    def read(self) -> Observation:
        return replace(self.row, body=json.loads(self.body))


class MemoryBooks:
    """The part of `semcache.stores.store.Store` that knows no entries."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._secrets: dict[str, bytes] = {}
        self._ledger: list[tuple[int, LedgerRow]] = []
        self._row_numbers = count(1)
        self._noted: list[_Noted] = []
        self._note_numbers = count(1)
        self._documents: dict[str, tuple[bytes, int]] = {}  # with their versions

    def secret(self, name: str) -> bytes:
        with self._lock:
            return self._secrets.setdefault(name, random.token_bytes(32))

    def secrets(self) -> dict[str, bytes]:
        with self._lock:
            return dict(self._secrets)

    def keep_secret(self, name: str, value: bytes) -> bool:
        with self._lock:
            return self._secrets.setdefault(name, value) == value

    # the ledger

    def book(self, rows: Sequence[LedgerRow]) -> None:
        with self._lock:
            self._ledger += [(next(self._row_numbers), row) for row in rows]

    def ledger_groups(self, query: LedgerQuery) -> list[LedgerGroup]:
        with self._lock:
            rows = [row for _, row in self._ledger]
        return grouped(rows, query)

    def ledger_rows(self, query: LedgerQuery, *, after: int = 0, limit: int) -> list[tuple[int, LedgerRow]]:
        with self._lock:
            found = [(number, row) for number, row in self._ledger if number > after and query.admits(row)]
        return found[:limit]

    def replace_ledger(self, since: float, until: float, rows: Sequence[LedgerRow]) -> int:
        with self._lock:
            kept = [(number, row) for number, row in self._ledger if not since <= row.at < until]
            gone = len(self._ledger) - len(kept)
            self._ledger = kept
            self.book(rows)
        return gone

    # what was learned

    def observe(self, rows: Sequence[Observation]) -> None:
        bodies = [encode_json(row.body) for row in rows]
        with self._lock:
            self._noted += [_Noted(next(self._note_numbers), row, body) for row, body in zip(rows, bodies, strict=True)]

    def observations(
        self, kind: str, *, namespace: str | None = None, since: float | None = None, limit: int
    ) -> list[Observation]:
        with self._lock:
            noted = self._newest_first(kind, namespace)
        chosen = [each for each in noted if since is None or each.row.at >= since]
        return [each.read() for each in chosen[: max(0, limit)]]

    def count_observations(self, kind: str, *, namespace: str) -> int:
        with self._lock:
            return len(self._newest_first(kind, namespace))

    def prune_observations(self, kind: str, *, namespace: str, keep: int) -> int:
        with self._lock:
            gone = {each.number for each in self._newest_first(kind, namespace)[max(0, keep) :]}
            self._noted = [each for each in self._noted if each.number not in gone]
            return len(gone)

    def _newest_first(self, kind: str, namespace: str | None) -> list[_Noted]:
        chosen = [each for each in self._noted if each.row.kind == kind and namespace in (None, each.row.namespace)]
        return sorted(chosen, key=lambda each: (each.row.at, each.number), reverse=True)

    # documents

    def save_document(self, name: str, content: bytes) -> None:
        with self._lock:
            self._documents[name] = (content, self.versioned_document(name)[1] + 1)

    def load_document(self, name: str) -> bytes | None:
        return self.versioned_document(name)[0]

    def versioned_document(self, name: str) -> tuple[bytes | None, int]:
        with self._lock:
            return self._documents.get(name, (None, 0))

    def swap_document(self, name: str, content: bytes, *, version: int) -> bool:
        with self._lock:
            if self.versioned_document(name)[1] != version:
                return False
            self.save_document(name, content)
            return True

    def document_versions(self, prefix: str) -> dict[str, int]:
        with self._lock:
            kept = sorted(self._documents.items())
            return {name: version for name, (_, version) in kept if name.startswith(prefix)}

    def documents(self, prefix: str) -> list[str]:
        return list(self.document_versions(prefix))
