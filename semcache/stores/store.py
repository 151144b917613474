"""The protocol every store is used through: the truth about entries and exemplars.

Scope comes first in every method that searches; similarity is cosine in [-1, 1], higher is closer;
time is the store's own clock (seconds since the epoch). A store returns candidates; whether one is
a hit is decided above it. Every method is thread-safe and raises `StoreError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Scope


@dataclass(frozen=True)
class Selection:
    """Which entries a listing or purge means; every given condition must hold."""

    namespace: str | None = None
    tag: str | None = None
    model: str | None = None  # requested or served
    kind: Kind | None = None
    created_before: float | None = None
    entry_ids: tuple[str, ...] | None = None
    text: str | None = None  # occurs in the question, in any case of letters


@dataclass(frozen=True)
class Page:
    """One page of a listing. `next_cursor` is None on the last."""

    entries: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class StoreStats:
    """How full a store is."""

    entries: int
    faq_entries: int
    exemplars: int
    scopes: int
    bytes: int  # of stored messages and questions
    hits: int


@dataclass(frozen=True)
class LedgerRow:
    """What one request cost, and would have cost. Never holds a prompt or a credential."""

    at: float
    namespace: str
    label: str
    outcome: str  # exact | semantic | faq | miss | bypass
    reason: str
    requested_model: str
    served_model: str
    baseline_usd: Decimal
    cost_usd: Decimal
    input_tokens: int
    output_tokens: int
    latency_ms: float


@dataclass(frozen=True)
class LedgerSum:
    """Ledger rows of one outcome, added up."""

    outcome: str
    requests: int
    baseline_usd: Decimal
    cost_usd: Decimal


class Store(Protocol):
    """Entries, their exemplars, and the rows of the ledger."""

    # the path of a request
    def get_exact(self, scope: Scope, key: str) -> Entry | None:
        """The live entry with this exact key."""
        ...

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        """The k nearest exemplars of live entries of this scope, closest first, ties by exemplar id.

        Positive and negative ones. The entries' hit counters may lag behind.
        """
        ...

    def has_exemplars(self, scope: Scope) -> bool:
        """Whether a search of this scope could find anything: spares an embedding."""
        ...

    def put(self, entry: Entry, exemplars: Sequence[Exemplar] = ()) -> Entry:
        """Store an entry with its exemplars in one transaction, replacing one of the same scope and key.

        The replaced entry keeps its id and its hit count; its old exemplars go, for they were labelled by the old
        answer. The entry as stored is returned. Where this takes the store beyond its limits, it evicts others.
        """
        ...

    def add_exemplar(self, exemplar: Exemplar) -> Exemplar | None:
        """Attach a labelled text to an entry; None where the entry is gone."""
        ...

    def record_hit(self, entry_id: str) -> None:
        """Count a served hit; written in batches."""
        ...

    # administration
    def get(self, entry_id: str) -> Entry | None:
        """One live entry."""
        ...

    def exemplars(self, entry_id: str) -> list[Exemplar]:
        """The exemplars of one live entry, oldest first.

        One of another embedding space has a zero vector: only its text counts, until it is embedded anew.
        """
        ...

    def page(self, selection: Selection, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Live entries, newest first. Raises `InvalidRequest` for a cursor that no page gave."""
        ...

    def delete(self, selection: Selection, *, dry_run: bool = False) -> int:
        """Remove the selected entries with their exemplars; the number of live ones (that would be) removed.

        An empty selection means everything.
        """
        ...

    def expire(self, *, limit: int = 1000) -> int:
        """Remove entries past their TTL, the longest expired first; the number removed."""
        ...

    def evict(self) -> int:
        """Bring the store within its size limits; the number removed.

        Expired entries go first, then those that save least per byte; FAQ entries never go.
        """
        ...

    def scan(self) -> Iterator[tuple[Entry, list[Exemplar]]]:
        """Every live entry, in a stable order: for export and re-embedding.

        To embed anew, put the entry again with new exemplars: it keeps its id and hits.
        """
        ...

    def foreign_exemplars(self) -> int:
        """How many exemplars were embedded by another model, and so are found by no search."""
        ...

    def stats(self) -> StoreStats: ...

    def secret(self, name: str) -> bytes:
        """32 random bytes kept under this name, made on first use: the key of HMACs."""
        ...

    # the ledger
    def book(self, rows: Sequence[LedgerRow]) -> None:
        """Append ledger rows."""
        ...

    def ledger_sums(
        self, *, since: float | None = None, until: float | None = None, namespace: str | None = None
    ) -> list[LedgerSum]:
        """Sums by outcome over a period."""
        ...

    def flush(self) -> None:
        """Write everything that is buffered."""
        ...

    def close(self) -> None:
        """Flush, take snapshots and let go of files. May be called twice."""
        ...
