"""What the store keeps beside entries: secrets, the ledger, observations and documents."""

from __future__ import annotations

from collections.abc import Sequence

from semcache.stores.ledger_book import LedgerGroup, LedgerQuery, LedgerRow
from semcache.stores.postgres import documents, ledger, observations, secret
from semcache.stores.postgres.database import PATIENT_SECONDS, THOROUGH_SECONDS, Database
from semcache.stores.store import Observation


class PostgresBooks:
    """The part of `semcache.stores.store.Store` that knows no entries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def secret(self, name: str) -> bytes:
        with self._database.reading() as connection:
            return secret.secret(connection, name)

    def secrets(self) -> dict[str, bytes]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return secret.all_of(connection)

    def keep_secret(self, name: str, value: bytes) -> bool:
        with self._database.reading() as connection:
            return secret.kept(connection, name, value) == value

    # the ledger

    def book(self, rows: Sequence[LedgerRow]) -> None:
        with self._database.writing() as connection:
            ledger.book(connection, rows)

    def ledger_groups(self, query: LedgerQuery) -> list[LedgerGroup]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return ledger.groups(connection, query)

    def ledger_rows(self, query: LedgerQuery, *, after: int = 0, limit: int) -> list[tuple[int, LedgerRow]]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return ledger.rows_behind(connection, query, after=after, limit=limit)

    def replace_ledger(self, since: float, until: float, rows: Sequence[LedgerRow]) -> int:
        with self._database.writing(seconds=THOROUGH_SECONDS) as connection:
            return ledger.replace(connection, since, until, rows)

    # what was learned

    def observe(self, rows: Sequence[Observation]) -> None:
        with self._database.writing() as connection:
            observations.observe(connection, rows)

    def observations(
        self, kind: str, *, namespace: str | None = None, since: float | None = None, limit: int
    ) -> list[Observation]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return observations.observations(connection, kind, namespace=namespace, since=since, limit=limit)

    def count_observations(self, kind: str, *, namespace: str) -> int:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return observations.count(connection, kind, namespace=namespace)

    def prune_observations(self, kind: str, *, namespace: str, keep: int) -> int:
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            return observations.prune(connection, kind, namespace=namespace, keep=keep)

    # documents

    def save_document(self, name: str, content: bytes) -> None:
        with self._database.reading() as connection:
            documents.save(connection, name, content)

    def load_document(self, name: str) -> bytes | None:
        return self.versioned_document(name)[0]

    def versioned_document(self, name: str) -> tuple[bytes | None, int]:
        with self._database.reading() as connection:
            return documents.load_versioned(connection, name)

    def swap_document(self, name: str, content: bytes, *, version: int) -> bool:
        with self._database.reading() as connection:
            return documents.swap(connection, name, content, version=version)

    def document_versions(self, prefix: str) -> dict[str, int]:
        with self._database.reading() as connection:
            return documents.versions(connection, prefix)

    def documents(self, prefix: str) -> list[str]:
        return list(self.document_versions(prefix))
