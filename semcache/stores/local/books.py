"""What the local store keeps beside entries: secrets, the ledger, observations and documents."""

from __future__ import annotations

from collections.abc import Sequence

from semcache.stores.local import bookkeeping, documents, observations
from semcache.stores.local.database import Database
from semcache.stores.store import LedgerRow, LedgerSum, Observation


class LocalBooks:
    """The part of `semcache.stores.store.Store` that knows no entries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def secret(self, name: str) -> bytes:
        with self._database.writing() as connection:
            return bookkeeping.secret(connection, name)

    # the ledger

    def book(self, rows: Sequence[LedgerRow]) -> None:
        with self._database.writing() as connection:
            bookkeeping.book(connection, rows)

    def ledger_sums(
        self, *, since: float | None = None, until: float | None = None, namespace: str | None = None
    ) -> list[LedgerSum]:
        with self._database.reading() as connection:
            return bookkeeping.ledger_sums(connection, since=since, until=until, namespace=namespace)

    # what was learned

    def observe(self, rows: Sequence[Observation]) -> None:
        with self._database.writing() as connection:
            observations.observe(connection, rows)

    def observations(
        self, kind: str, *, namespace: str | None = None, since: float | None = None, limit: int
    ) -> list[Observation]:
        with self._database.reading() as connection:
            return observations.observations(connection, kind, namespace=namespace, since=since, limit=limit)

    def prune_observations(self, kind: str, *, namespace: str, keep: int) -> int:
        with self._database.writing() as connection:
            return observations.prune(connection, kind, namespace=namespace, keep=keep)

    # documents

    def save_document(self, name: str, content: bytes) -> None:
        with self._database.writing() as connection:
            documents.save(connection, name, content)

    def load_document(self, name: str) -> bytes | None:
        with self._database.reading() as connection:
            return documents.load(connection, name)

    def documents(self, prefix: str) -> list[str]:
        with self._database.reading() as connection:
            return documents.names(connection, prefix)
