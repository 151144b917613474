"""The store that any number of hosts share: everything is in PostgreSQL, and nothing here is used without asking it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from semcache.entry import Candidate, Embedding, Entry, Exemplar, Scope
from semcache.stores.breaker import Breaker, Health
from semcache.stores.hit_buffer import HitBuffer
from semcache.stores.hit_writer import HitWriter
from semcache.stores.limits import Limits
from semcache.stores.looked_up import ExactPlace, LookedUp
from semcache.stores.neighbours import Neighbours
from semcache.stores.paging import Order, Place, Position, check_page_size
from semcache.stores.postgres import (
    entries,
    generations,
    hits,
    indexing,
    merging,
    preparing,
    selecting,
    servings,
)
from semcache.stores.postgres.address import Address
from semcache.stores.postgres.batches import PostgresBatches
from semcache.stores.postgres.books import PostgresBooks
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.database import PATIENT_SECONDS, THOROUGH_SECONDS, Database
from semcache.stores.postgres.eviction import evict
from semcache.stores.postgres.examination import Facts, examined
from semcache.stores.postgres.indexing import Upkeep
from semcache.stores.postgres.leases import PostgresLeases
from semcache.stores.postgres.lookups import look_up
from semcache.stores.postgres.now import Now
from semcache.stores.postgres.source import PostgresSource
from semcache.stores.recollection import Recollection
from semcache.stores.similarity import check_embeddings
from semcache.stores.store import UNGUARDED, Guard, Page, Selection, Serving, StoreStats

logger = logging.getLogger(__name__)

REMEMBERED_BYTES = 64 * 1024 * 1024


class PostgresStore(PostgresBooks):
    """Keeps to `semcache.stores.store.Store`. Connects at the first use, and again after every outage."""

    def __init__(  # noqa: PLR0913 - what a store is made of
        self,
        address: Address,
        *,
        space: str,
        dims: int,
        clock: Callable[[], float] | None = None,
        limits: Limits | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        """`space` is the embedding model's fingerprint; without a `clock`, time is the server's."""
        self.is_shared = True
        self._now = Now(clock)
        self._limits = limits if limits is not None else Limits()
        self._dims = dims
        self._fingerprint = space
        self._is_indexed = address.vector_index == "hnsw"
        self._space = preparing.Space(0, dims)  # until the database says
        super().__init__(Database(address, self._now, self._prepare, breaker=breaker))
        self.batches = PostgresBatches(self._database, self._now)
        self.leases = PostgresLeases(self._database, self._now)
        self._recollection = Recollection(REMEMBERED_BYTES)
        source = PostgresSource(
            self._database, self._now, lambda: self._space, self._recollection, is_indexed=self._is_indexed
        )
        self._neighbours = Neighbours(
            source, self._recollection, memory_bytes=0 if self._is_indexed else address.memory_bytes
        )
        self._generations: dict[str, int] = {}  # as they were seen last
        self._hits = HitBuffer()
        self._hit_writer = HitWriter(self._hits, self.flush)

    @property
    def health(self) -> Health:
        """Whether calls reach the server, and how many failed."""
        return self._database.health

    @property
    def index_bytes(self) -> int:
        """Memory that the vectors held here take."""
        return self._neighbours.memory_bytes

    @property
    def pending_writes(self) -> int:
        """Hits and servings that are yet to be written."""
        return self._hits.pending

    def check(self) -> None:
        """Reach the server once. Raises `StoreError`."""
        with self._database.reading(seconds=PATIENT_SECONDS):
            pass

    # the path of a request

    def get_exact(self, scope: Scope, key: str) -> Entry | None:
        return self.look_up([(scope, key)]).entries[0]

    def look_up(self, places: Sequence[ExactPlace], scopes: Sequence[Scope] = (), *, dated: bool = False) -> LookedUp:
        with self._database.reading() as connection:
            found = look_up(connection, places, scopes, space=self._space, given=self._now.given, dated=dated)
        for (scope, _), number in zip(places, found.generations, strict=False):
            self._note_generation(scope, number)
        return found

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        check_embeddings([embedding], self._dims)
        return self._neighbours.nearest(scope, embedding.vector, k=k)

    def generation(self, scope: Scope) -> int:
        with self._database.reading() as connection:
            number = generations.generation(connection, scope)
        self._note_generation(scope, number)
        return number

    def _note_generation(self, scope: Scope, number: int) -> None:
        if self._generations.setdefault(scope.namespace, number) != number:
            self._generations[scope.namespace] = number
            self._recollection.forget_all()  # another replica purged: what it removed must not stay in memory here

    def put(self, entry: Entry, exemplars: Sequence[Exemplar] = (), *, guard: Guard = UNGUARDED) -> Entry:
        check_embeddings([exemplar.embedding for exemplar in exemplars], self._dims)
        with self._database.writing() as connection:
            generations.uphold(connection, entry.scope, guard)
            written = entries.write(connection, entry, self._limits)
            for exemplar in exemplars:
                entries.attach(connection, written.seq, written.entry, exemplar, self._space)
            evict(connection, self._limits, now=self._now.of_statement, spared=written.seq)
            if written.is_revised:
                self._hits.forget_servings(written.entry.id)
        return written.entry

    def add_exemplar(self, exemplar: Exemplar) -> Exemplar | None:
        check_embeddings([exemplar.embedding], self._dims)
        now = self._now.of_statement
        with self._database.writing() as connection:
            entries.lock_live(connection, [exemplar.entry_id], now=now)
            found = entries.find_numbered(connection, exemplar.entry_id, now=now)
            return None if found is None else entries.attach(connection, *found, exemplar, self._space)

    def record_hit(self, entry_id: str, serving: Serving | None = None) -> None:
        self._hit_writer.count(entry_id, at=self._now.here(), serving=serving)

    def record_serving(self, serving: Serving) -> None:
        self._hit_writer.note(serving)

    # learning

    def merge(self, duplicate_id: str, into_id: str) -> Entry | None:
        self.flush()
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            return merging.merge(connection, duplicate_id, into_id, now=self._now.of_statement)

    def remove_exemplars(self, ids: Sequence[int]) -> int:
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            removed = entries.detach(connection, ids)
        self._recollection.forget(ids)
        return removed

    def serving(self, serving_id: str) -> Serving | None:
        buffered = self._hits.serving(serving_id)  # first: what is not there any more has been written
        now = self._now.of_statement
        with self._database.reading() as connection:
            if buffered is not None and entries.is_live(connection, buffered.entry_id, now=now):
                return buffered
            return servings.find_serving(connection, serving_id, now=now)

    def servings_of(self, entry_id: str, *, limit: int) -> list[Serving]:
        self.flush()
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return servings.servings_of(connection, entry_id, limit=limit, now=self._now.of_statement)

    def prune_servings(self, before: float) -> int:
        self.flush()
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            return servings.prune(connection, before=before)

    def written_since(self, credential: str, since: float) -> int:
        with self._database.reading() as connection:
            return entries.written_since(connection, credential, since, now=self._now.of_statement)

    # administration

    def get(self, entry_id: str) -> Entry | None:
        with self._database.reading() as connection:
            found = entries.find_numbered(connection, entry_id, now=self._now.of_statement)
            return None if found is None else found[1]

    def exemplars(self, entry_id: str) -> list[Exemplar]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            found = entries.find_numbered(connection, entry_id, now=self._now.of_statement)
            return [] if found is None else entries.exemplars_of(connection, [found[0]], self._space)[found[0]]

    def page(
        self, selection: Selection, *, limit: int = 100, cursor: str | None = None, order: Order = Order.NEWEST
    ) -> Page:
        check_page_size(limit)
        place = Place(limit, Position.decode(cursor), order)
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return selecting.page(connection, selection, place, now=self._now.of_statement)

    def delete(self, selection: Selection, *, dry_run: bool = False) -> int:
        if dry_run:
            with self._database.reading(seconds=PATIENT_SECONDS) as connection:
                return selecting.count(connection, selection, now=self._now.of_statement)
        self.flush()
        with self._database.writing(seconds=THOROUGH_SECONDS) as connection:
            generations.advance(connection, selection)
            live = selecting.remove_selected(connection, selection, now=self._now.of_statement)
        self._recollection.forget_all()
        return live

    def expire(self, *, limit: int = 1000) -> int:
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            return selecting.remove_expired(connection, limit=limit, now=self._now.of_statement)

    def evict(self) -> int:
        self.flush()
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            return evict(connection, self._limits, now=self._now.of_statement)

    def scan(self) -> Iterator[tuple[Entry, list[Exemplar]]]:
        seq = 0
        while True:
            with self._database.reading(seconds=PATIENT_SECONDS) as connection:
                portion = selecting.live_after(connection, seq, now=self._now.of_statement)
                exemplars = entries.exemplars_of(connection, [number for number, _ in portion], self._space)
            if not portion:
                return
            yield from ((entry, exemplars[number]) for number, entry in portion)
            seq = portion[-1][0]

    def foreign_exemplars(self) -> int:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return entries.foreign_exemplars(connection, self._space)

    def stats(self) -> StoreStats:
        self.flush()
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return selecting.stats(connection, now=self._now.of_statement)

    def examine(self) -> Facts:
        """What there is to know about the server."""
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            return examined(connection, self._space, is_indexed=self._is_indexed)

    def maintain(self) -> Iterator[Upkeep]:
        """Keep indexes and tables in order while others use them; what was done, step by step."""
        with self._database.outside() as connection:
            yield from indexing.kept_up(connection, self._space, is_indexed=self._is_indexed)

    def flush(self) -> None:
        if self._hits.pending:
            with self._hits.taken() as batch, self._database.writing(seconds=PATIENT_SECONDS) as connection:
                hits.write_hits(connection, batch.counts)
                servings.write_servings(connection, list(batch.servings.values()))

    def close(self) -> None:
        self._neighbours.close()
        self._hit_writer.close()
        self.batches.leave_charge()
        self._database.close()

    def _prepare(self, connection: Connection) -> None:
        self._space = preparing.prepare(connection, fingerprint=self._fingerprint, dims=self._dims)
        if not self._is_indexed:
            return
        indexing.check_indexable(connection)
        if missing := indexing.missing_indexes(connection, self._space):
            logger.warning("%d of the vector indexes are missing: run `semcache store maintain`", missing)
