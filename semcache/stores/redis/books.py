"""What the Redis store keeps beside entries: secrets, the ledger, observations and documents."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Sequence

from semcache.request import encode_json
from semcache.stores.ledger_book import LedgerGroup, LedgerQuery, LedgerRow
from semcache.stores.redis.ledger import RedisLedger
from semcache.stores.redis.link import Link
from semcache.stores.redis.scripts import script
from semcache.stores.redis.spelling import spelled, unspelled
from semcache.stores.store import Observation


class RedisBooks:
    """The part of `semcache.stores.store.Store` that knows no entries."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ledger = RedisLedger(link)
        self._secrets = f"{{{link.prefix}:secrets}}"
        self._observations = f"{{{link.prefix}:observations}}"
        self._documents = f"{{{link.prefix}:documents}}"

    def secret(self, name: str) -> bytes:
        self._link.send("HSETNX", self._secrets, spelled(name), random.token_bytes(32))
        value: bytes = self._link.send("HGET", self._secrets, spelled(name))
        return value

    def secrets(self) -> dict[str, bytes]:
        return {name: bytes(value) for name, value in self._hash(self._secrets).items()}

    def keep_secret(self, name: str, value: bytes) -> bool:
        self._link.send("HSETNX", self._secrets, spelled(name), value)
        kept: bytes = self._link.send("HGET", self._secrets, spelled(name))
        return kept == value

    # the ledger

    def book(self, rows: Sequence[LedgerRow]) -> None:
        self._ledger.book(rows)

    def ledger_groups(self, query: LedgerQuery) -> list[LedgerGroup]:
        return self._ledger.groups(query)

    def ledger_rows(self, query: LedgerQuery, *, after: int = 0, limit: int) -> list[tuple[int, LedgerRow]]:
        return self._ledger.rows(query, after=after, limit=limit)

    def replace_ledger(self, since: float, until: float, rows: Sequence[LedgerRow]) -> int:
        return self._ledger.replace(since, until, rows)

    # what was learned

    def observe(self, rows: Sequence[Observation]) -> None:
        words = [word for row in rows for word in _observed(row)]
        if words:
            self._link.run(script("observe"), self._observations, *words)

    def observations(
        self, kind: str, *, namespace: str | None = None, since: float | None = None, limit: int
    ) -> list[Observation]:
        among = spelled(kind) if namespace is None else f"{spelled(kind)}:{spelled(namespace)}"
        bound = "-inf" if since is None else repr(float(since))
        found = self._link.run(script("observations"), self._observations, among, bound, max(0, limit))
        return [_observation(stored) for stored in found]

    def count_observations(self, kind: str, *, namespace: str) -> int:
        return int(self._link.send("ZCARD", f"{self._observations}:of:{spelled(kind)}:{spelled(namespace)}"))

    def prune_observations(self, kind: str, *, namespace: str, keep: int) -> int:
        words = (spelled(kind), spelled(namespace), max(0, keep))
        return int(self._link.run(script("observations_prune"), self._observations, *words))

    # documents

    def save_document(self, name: str, content: bytes) -> None:
        self._link.run(script("document_save"), self._documents, spelled(name), content, "")

    def load_document(self, name: str) -> bytes | None:
        return self.versioned_document(name)[0]

    def versioned_document(self, name: str) -> tuple[bytes | None, int]:
        content, version = self._link.run(script("document_load"), self._documents, spelled(name))
        return (content if version else None), version

    def swap_document(self, name: str, content: bytes, *, version: int) -> bool:
        return bool(self._link.run(script("document_save"), self._documents, spelled(name), content, version))

    def document_versions(self, prefix: str) -> dict[str, int]:
        versions = {name: int(version) for name, version in self._hash(f"{self._documents}:versions").items()}
        return {name: versions[name] for name in sorted(versions) if name.startswith(prefix)}

    def documents(self, prefix: str) -> list[str]:
        return list(self.document_versions(prefix))

    def _hash(self, key: str) -> dict[str, bytes]:
        """A whole hash by name."""
        return {unspelled(name.decode()): value for name, value in self._link.send("HGETALL", key).items()}


def _observed(row: Observation) -> tuple[str, str, str, bytes]:
    told = json.dumps([row.namespace, row.kind, row.at, row.entry_id]).encode()
    return spelled(row.kind), spelled(row.namespace), repr(float(row.at)), told + b"\n" + encode_json(row.body)


def _observation(stored: bytes) -> Observation:
    told, _, body = stored.partition(b"\n")
    namespace, kind, at, entry_id = json.loads(told)
    return Observation(namespace, kind, at, entry_id, json.loads(body))
