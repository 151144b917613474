"""The protocol every store is used through: the truth about entries and exemplars.

Scope comes first in every method that searches; similarity is cosine in [-1, 1], higher is closer;
time is the store's own clock (seconds since the epoch). A store returns candidates; whether one is
a hit is decided above it. Every method is thread-safe and raises `StoreError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Scope
from semcache.request import Json
from semcache.stores.leases import Lease, Leases
from semcache.stores.ledger_book import LedgerGroup, LedgerQuery, LedgerRow
from semcache.stores.looked_up import ExactPlace, LookedUp
from semcache.stores.paging import Order


@dataclass(frozen=True)
class Selection:
    """Which entries a listing or purge means; every given condition must hold."""

    namespace: str | None = None
    tag: str | None = None
    model: str | None = None  # requested or served
    kind: Kind | None = None
    created_before: float | None = None
    entry_ids: tuple[str, ...] | None = None
    text: str | None = None  # occurs in the question or in a positive exemplar, in any case of letters


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
class Serving:
    """An answer that was given from an entry, or stored as one. `id` is the message id its caller got."""

    id: str
    entry_id: str
    question: str  # as it was asked
    at: float
    kind: str


@dataclass(frozen=True, slots=True)
class Guard:
    """What must still hold when an answer is stored: it was asked for, but the world may have moved on since."""

    generation: int | None = None  # of its scope, read before the answer was asked for; None: however old it is
    lease: Lease | None = None  # under which it was asked for; released in the same transaction


UNGUARDED = Guard()


@dataclass(frozen=True)
class Observation:
    """Something learned from the stream. `body` is small JSON and holds no text of a prompt or an answer."""

    namespace: str
    kind: str
    at: float
    entry_id: str
    body: Json


class Store(Protocol):
    """Entries with their exemplars and servings, the ledger, and what was learned."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes read and write it too."""
        ...

    @property
    def leases(self) -> Leases: ...

    # the path of a request
    def get_exact(self, scope: Scope, key: str) -> Entry | None:
        """The live entry with this exact key, or else the one whose newest positive exemplar has it: an alias."""
        ...

    def look_up(self, places: Sequence[ExactPlace], scopes: Sequence[Scope] = (), *, dated: bool = False) -> LookedUp:
        """What `get_exact` finds at each place, and in which scopes a search could find anything: in one round trip.

        `dated`: with the `generation` of each place's scope, too.
        """
        ...

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        """The k nearest exemplars of live entries, of both labels, closest first, ties by id; hit counters may lag."""
        ...

    def generation(self, scope: Scope) -> int:
        """Grows with every `delete` that may have meant entries of this scope. Read before answers are asked for."""
        ...

    def put(self, entry: Entry, exemplars: Sequence[Exemplar] = (), *, guard: Guard = UNGUARDED) -> Entry:
        """Store an entry with its exemplars in one transaction, replacing one of the same scope and key.

        The replaced entry keeps its id and its hit count; its old exemplars go, for they were labelled by the old
        answer, and its servings where the message is another. The entry as stored is returned. Where this takes the
        store beyond its limits, it evicts others. Raises `Overtaken`, and stores nothing, where the guard's generation
        is not that of the scope any more, or its lease has been lost.
        """
        ...

    def add_exemplar(self, exemplar: Exemplar) -> Exemplar | None:
        """Attach a labelled text to an entry; None where the entry is gone."""
        ...

    def record_hit(self, entry_id: str, serving: Serving | None = None) -> None:
        """Count a served hit, and keep what was served; both written in batches."""
        ...

    def record_serving(self, serving: Serving) -> None:
        """Keep what was served without counting a hit; written in batches. The last with an id counts."""
        ...

    # learning
    def merge(self, duplicate_id: str, into_id: str) -> Entry | None:
        """Make one of two entries that answer alike, in one transaction; the entry as merged.

        The duplicate's positive exemplars go over as they are, under new ids; the one that is its question takes its
        exact key along, unless it has one. Hits are added up, servings go over. The duplicate, with its answer and
        its negative exemplars, is deleted. None, and nothing changes, where either is gone, they are one and the
        same, or not of one scope.
        """
        ...

    def remove_exemplars(self, ids: Sequence[int]) -> int:
        """Remove exemplars; how many of them were there."""
        ...

    def serving(self, serving_id: str) -> Serving | None:
        """What was served under this message id, as long as its entry lives. Sees what is buffered."""
        ...

    def servings_of(self, entry_id: str, *, limit: int) -> list[Serving]:
        """What was served from a live entry, newest first, ties by id. Sees what is buffered."""
        ...

    def prune_servings(self, before: float) -> int:
        """Remove servings older than this; the number removed."""
        ...

    def written_since(self, credential: str, since: float) -> int:
        """How many live entries were created by this credential since then, that moment included."""
        ...

    def observe(self, rows: Sequence[Observation]) -> None:
        """Append to what was learned. It stays when its entry goes."""
        ...

    def observations(
        self, kind: str, *, namespace: str | None = None, since: float | None = None, limit: int
    ) -> list[Observation]:
        """The newest observations of a kind, newest first; of equal times, the one appended last comes first."""
        ...

    def count_observations(self, kind: str, *, namespace: str) -> int: ...

    def prune_observations(self, kind: str, *, namespace: str, keep: int) -> int:
        """Remove all but the newest so many of a kind and namespace; the number removed."""
        ...

    def save_document(self, name: str, content: bytes) -> None:
        """Keep a small document, in place of the one of this name."""
        ...

    def load_document(self, name: str) -> bytes | None:
        """The document of this name."""
        ...

    def versioned_document(self, name: str) -> tuple[bytes | None, int]:
        """The document of this name with its version, which grows by one when it is kept anew; 0: there is none."""
        ...

    def swap_document(self, name: str, content: bytes, *, version: int) -> bool:
        """Keep a document in place of this version of it; False, and nothing changes, where there is another by now."""
        ...

    def document_versions(self, prefix: str) -> dict[str, int]:
        """The versions of all documents whose names start so: cheap enough to ask several times a second."""
        ...

    def documents(self, prefix: str) -> list[str]:
        """The names of documents that start so, in order."""
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

    def page(
        self, selection: Selection, *, limit: int = 100, cursor: str | None = None, order: Order = Order.NEWEST
    ) -> Page:
        """Live entries in this order. Raises `InvalidRequest` for a cursor that no page gave."""
        ...

    def delete(self, selection: Selection, *, dry_run: bool = False) -> int:
        """Remove the selected entries with all that belongs to them; the number of live ones (that would be) removed.

        An empty selection means everything. Generations grow before anything is removed, in the same transaction: of
        the selection's namespace where it names one, of those of the entries named where it names entries, or of all.
        Selected by text, negative exemplars and servings in which it occurs go
        also where their entry stays: nothing that meets the other conditions still holds the text.
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

    def secrets(self) -> dict[str, bytes]:
        """All of them by name: for moving house, since tenants are known by them."""
        ...

    def keep_secret(self, name: str, value: bytes) -> bool:
        """Keep this one where there is none of its name yet; whether it is the one that is kept now."""
        ...

    # the ledger
    def book(self, rows: Sequence[LedgerRow]) -> None:
        """Append ledger rows."""
        ...

    def ledger_groups(self, query: LedgerQuery) -> list[LedgerGroup]:
        """Sums of the rows that a query means, in the order of their keys, exact to the pico-dollar."""
        ...

    def ledger_rows(self, query: LedgerQuery, *, after: int = 0, limit: int) -> list[tuple[int, LedgerRow]]:
        """Rows as they were booked, oldest first, each with its number: those behind this one."""
        ...

    def replace_ledger(self, since: float, until: float, rows: Sequence[LedgerRow]) -> int:
        """Put these in the place of all rows from one time to before another, in one transaction; how many went."""
        ...

    def flush(self) -> None:
        """Write everything that is buffered."""
        ...

    def close(self) -> None:
        """Flush, take snapshots and let go of files. May be called twice."""
        ...
