"""The store for one host: SQLite keeps everything, FAISS finds what is near."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from semcache.entry import Candidate, Embedding, Entry, Exemplar, Scope
from semcache.errors import StoreError, StoreUnavailable
from semcache.stores.hit_buffer import HitBuffer
from semcache.stores.hit_writer import HitWriter
from semcache.stores.limits import Limits
from semcache.stores.local import entries, generations, merging, selecting, servings
from semcache.stores.local.batches import LocalBatches
from semcache.stores.local.books import LocalBooks
from semcache.stores.local.database import Database
from semcache.stores.local.entries import Holding
from semcache.stores.local.eviction import evict
from semcache.stores.local.hits import write_hits
from semcache.stores.local.leases import LocalLeases
from semcache.stores.local.projections import Projections
from semcache.stores.local.tuning import Tuning
from semcache.stores.looked_up import ExactPlace, LookedUp
from semcache.stores.paging import Order, Place, Position, check_page_size
from semcache.stores.ranking import ranked
from semcache.stores.recollection import Recollection
from semcache.stores.similarity import check_embeddings, unit
from semcache.stores.store import UNGUARDED, Guard, Page, Selection, Serving, StoreStats

FILE_NAME = "cache.sqlite3"
_ATTEMPTS = 3  # at a search whose exemplars are removed between finding and fetching them


class LocalStore(LocalBooks):
    """Keeps to `semcache.stores.store.Store`. Several processes on one host may open one directory."""

    def __init__(  # noqa: PLR0913 - what a store is made of
        self,
        path: Path,
        *,
        space: str,
        dims: int,
        clock: Callable[[], float] = time.time,
        limits: Limits | None = None,
        tuning: Tuning | None = None,
        is_shared: bool = False,
    ) -> None:
        """Open or make the store in the directory `path`; `space` is the embedding model's fingerprint.

        `is_shared`: other processes of the same service have it open too.
        """
        self._clock = clock
        self._limits = limits if limits is not None else Limits()
        self._tuning = tuning if tuning is not None else Tuning()
        super().__init__(Database(_made(path) / FILE_NAME))
        self.batches = LocalBatches(self._database)
        self.leases = LocalLeases(self._database, clock)
        self.is_shared = is_shared
        try:
            with self._database.writing() as connection:
                self._space = entries.open_space(connection, space, dims)
        except StoreError:
            self._database.close()
            raise
        self._recollection = Recollection(self._tuning.remembered_bytes)
        self._projections = Projections(
            self._database, self._space, fingerprint=space, tuning=self._tuning, forget=self._recollection.forget
        )
        self._hits = HitBuffer()
        self._hit_writer = HitWriter(
            self._hits,
            self.flush,
            most_pending=self._tuning.hits_pending,
            delay_seconds=self._tuning.hits_delay_seconds,
        )

    @property
    def snapshots_rejected(self) -> int:
        """How many index snapshots were found damaged, foreign or outdated since the store was opened."""
        return self._projections.snapshots_rejected

    @property
    def index_bytes(self) -> int:
        """Memory that the loaded indexes take."""
        return self._projections.memory_bytes

    @property
    def pending_writes(self) -> int:
        """Hits and servings that are yet to be written."""
        return self._hits.pending

    def has_graph(self, scope: Scope) -> bool:
        """Whether searches of this scope go through a graph by now."""
        return self._projections.has_graph(scope)

    # the path of a request

    def get_exact(self, scope: Scope, key: str) -> Entry | None:
        return self.look_up([(scope, key)]).entries[0]

    def look_up(self, places: Sequence[ExactPlace], scopes: Sequence[Scope] = (), *, dated: bool = False) -> LookedUp:
        now = self._clock()
        with self._database.reading() as connection:
            numbers = [generations.generation(connection, scope) for scope, _ in places] if dated else []
            held = entries.holdings(connection, scopes, self._space, now=now)
            found = [
                None if held.get(scope) is Holding.NOTHING else entries.find_exact(connection, scope, key, now=now)
                for scope, key in places
            ]
        return LookedUp(found, [scope for scope in scopes if held[scope] is Holding.EXEMPLARS], numbers)

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        check_embeddings([embedding], self._space.dims)
        query, now = unit(embedding.vector), self._clock()
        with self._database.reading() as connection:
            for _ in range(_ATTEMPTS):
                ids = self._projections.nearest_ids(connection, scope, query, k=k, now=now)
                found = self._recollection.fetched(ids, lambda some: entries.fetch(connection, some, self._space))
                if len(found) == len(ids):
                    break
        live = [pair for pair in found.values() if pair[0].expires_at is None or pair[0].expires_at > now]
        return ranked(query, live)[: max(0, k)]

    def generation(self, scope: Scope) -> int:
        with self._database.reading() as connection:
            return generations.generation(connection, scope)

    def put(self, entry: Entry, exemplars: Sequence[Exemplar] = (), *, guard: Guard = UNGUARDED) -> Entry:
        check_embeddings([exemplar.embedding for exemplar in exemplars], self._space.dims)
        with self._database.writing() as connection:
            generations.uphold(connection, entry.scope, guard)
            written = entries.write(connection, entry)
            if self._limits.refuses(written.held_bytes):
                raise StoreError(f"put: an entry of {written.held_bytes} bytes is larger than the whole store may be")
            for exemplar in exemplars:
                entries.attach(connection, written.seq, written.entry, exemplar, self._space)
            if written.is_revised:
                self._hits.forget_servings(written.entry.id)
            evict(connection, self._limits, now=self._clock(), spared=written.seq)
        return written.entry

    def add_exemplar(self, exemplar: Exemplar) -> Exemplar | None:
        check_embeddings([exemplar.embedding], self._space.dims)
        with self._database.writing() as connection:
            found = entries.find_numbered(connection, exemplar.entry_id, now=self._clock())
            return None if found is None else entries.attach(connection, *found, exemplar, self._space)

    def record_hit(self, entry_id: str, serving: Serving | None = None) -> None:
        self._hit_writer.count(entry_id, at=self._clock(), serving=serving)

    def record_serving(self, serving: Serving) -> None:
        self._hit_writer.note(serving)

    # learning

    def merge(self, duplicate_id: str, into_id: str) -> Entry | None:
        with self._writing_all() as connection:
            merged = merging.merge(connection, duplicate_id, into_id, now=self._clock())
        if merged is None:
            return None
        self._recollection.forget(merged.removed_exemplars)
        return merged.entry

    def remove_exemplars(self, ids: Sequence[int]) -> int:
        with self._database.writing() as connection:
            removed = entries.detach(connection, ids)
        self._recollection.forget(ids)
        return removed

    def serving(self, serving_id: str) -> Serving | None:
        buffered = self._hits.serving(serving_id)  # first: what is not there any more has been written
        with self._database.reading() as connection:
            if buffered is not None and entries.is_live(connection, buffered.entry_id, now=self._clock()):
                return buffered
            return servings.find_serving(connection, serving_id, now=self._clock())

    def servings_of(self, entry_id: str, *, limit: int) -> list[Serving]:
        self.flush()
        with self._database.reading() as connection:
            return servings.servings_of(connection, entry_id, limit=limit, now=self._clock())

    def prune_servings(self, before: float) -> int:
        with self._writing_all() as connection:
            return servings.prune(connection, before=before)

    def written_since(self, credential: str, since: float) -> int:
        with self._database.reading() as connection:
            return entries.written_since(connection, credential, since, now=self._clock())

    # administration

    def get(self, entry_id: str) -> Entry | None:
        with self._database.reading() as connection:
            found = entries.find_numbered(connection, entry_id, now=self._clock())
            return None if found is None else found[1]

    def exemplars(self, entry_id: str) -> list[Exemplar]:
        with self._database.reading() as connection:
            if entries.find_numbered(connection, entry_id, now=self._clock()) is None:
                return []
            return entries.exemplars_of(connection, entry_id, self._space)

    def page(
        self, selection: Selection, *, limit: int = 100, cursor: str | None = None, order: Order = Order.NEWEST
    ) -> Page:
        check_page_size(limit)
        place = Place(limit, Position.decode(cursor), order)
        with self._database.reading() as connection:
            return selecting.page(connection, selection, place, now=self._clock())

    def delete(self, selection: Selection, *, dry_run: bool = False) -> int:
        if dry_run:
            with self._database.reading() as connection:
                return selecting.count(connection, selection, now=self._clock())
        with self._writing_all() as connection:
            generations.advance(connection, selection)
            live = selecting.count(connection, selection, now=self._clock())
            selecting.remove_selected(connection, selection)
        self._recollection.forget_all()
        return live

    def expire(self, *, limit: int = 1000) -> int:
        with self._database.writing() as connection:
            return selecting.remove_expired(connection, limit=limit, now=self._clock())

    def evict(self) -> int:
        with self._writing_all() as connection:
            return evict(connection, self._limits, now=self._clock())

    def scan(self) -> Iterator[tuple[Entry, list[Exemplar]]]:
        seq = 0
        while True:
            with self._database.reading() as connection:
                portion = [
                    (number, entry, entries.exemplars_of(connection, entry.id, self._space))
                    for number, entry in selecting.live_after(connection, seq, now=self._clock())
                ]
            if not portion:
                return
            yield from ((entry, exemplars) for _, entry, exemplars in portion)
            seq = portion[-1][0]

    def foreign_exemplars(self) -> int:
        with self._database.writing() as connection:
            return entries.foreign_exemplars(connection, self._space)

    def stats(self) -> StoreStats:
        self.flush()
        with self._database.reading() as connection:
            return selecting.stats(connection, now=self._clock())

    def flush(self) -> None:
        if self._hits.pending:
            with self._writing_all():
                pass

    def close(self) -> None:
        self._hit_writer.close()
        self._projections.close()
        self.batches.leave_charge()
        self._database.close()

    @contextmanager
    def _writing_all(self) -> Iterator[sqlite3.Connection]:
        """A transaction that begins with what is buffered."""
        with self._hits.taken() as batch, self._database.writing() as connection:
            write_hits(connection, batch.counts)
            servings.write_servings(connection, batch.servings.values())
            yield connection


def _made(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"{directory}: cannot be made ({error.strerror}); point SEMCACHE_DATA_DIR at one that can be written"
        ) from error
    return directory
