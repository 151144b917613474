"""The store for many replicas on one Redis server or cluster."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from semcache.entry import Candidate, Embedding, Entry, Exemplar, Scope
from semcache.errors import StoreError
from semcache.request import encode_json
from semcache.stores.batch_store import BatchStore
from semcache.stores.breaker import Health
from semcache.stores.hit_buffer import HitBuffer
from semcache.stores.hit_writer import DELAY_SECONDS, HitWriter
from semcache.stores.limits import Limits
from semcache.stores.looked_up import ExactPlace, LookedUp
from semcache.stores.neighbours import Neighbours
from semcache.stores.paging import Order, Position, check_page_size
from semcache.stores.recollection import Recollection
from semcache.stores.redis import searching
from semcache.stores.redis.address import read_address
from semcache.stores.redis.batches import RedisBatches
from semcache.stores.redis.books import RedisBooks
from semcache.stores.redis.catalogue import Catalogue
from semcache.stores.redis.examination import Examination, examine
from semcache.stores.redis.hit_writing import write_batch
from semcache.stores.redis.leases import RedisLeases
from semcache.stores.redis.link import Link, Server
from semcache.stores.redis.scopes import Scopes
from semcache.stores.redis.selecting import Selecting, Where
from semcache.stores.redis.servings import Kept, Servings
from semcache.stores.redis.source import RedisSource
from semcache.stores.redis.spelling import Space, scope_name, spelled
from semcache.stores.redis.verdict import objections
from semcache.stores.redis.writing import Writing
from semcache.stores.similarity import check_embeddings
from semcache.stores.store import UNGUARDED, Guard, Page, Selection, Serving, StoreStats
from semcache.stores.stored import encoded

logger = logging.getLogger(__name__)

REMEMBERED_BYTES = 64 * 1024 * 1024
WATCHED_SCOPES = 10_000  # whose purges by others are noticed


class RedisStore(RedisBooks):
    """Keeps to `semcache.stores.store.Store`. Opens though the server is away, and works once it is there."""

    def __init__(  # noqa: PLR0913 - what a store is made of
        self,
        url: str,
        *,
        space: str,
        dims: int,
        clock: Callable[[], float] | None = None,
        limits: Limits | None = None,
        hits_delay_seconds: float = DELAY_SECONDS,
    ) -> None:
        """`space` is the embedding model's fingerprint; without a clock, time is the server's."""
        address = read_address(url)
        link = Link(address, said=_tell)
        super().__init__(link)
        self._limits = limits if limits is not None else Limits()
        self._dims = dims
        self._hit_clock = clock or time.time  # orders entries by worth, and decides nothing else
        self._scopes = Scopes(link, Space.of(space, dims), clock)
        self._catalogue = Catalogue(link)
        self._servings = Servings(link)
        self.leases = RedisLeases(self._scopes)
        self.batches: BatchStore = RedisBatches(link, self.leases)
        self.is_shared = True
        self._writing = Writing(self._scopes, self._catalogue, self._servings, self.leases)
        self._selecting = Selecting(self._scopes, self._catalogue, self._servings, self._writing)
        self._recollection = Recollection(REMEMBERED_BYTES)
        source = RedisSource(self._scopes, self._recollection)
        self._neighbours = Neighbours(source, self._recollection, memory_bytes=address.memory_bytes)
        self._generations: dict[Scope, int] = {}  # as they were seen last
        self._hits = HitBuffer()
        self._hit_writer = HitWriter(self._hits, self.flush, delay_seconds=hits_delay_seconds)

    @property
    def server(self) -> Server:
        """What is behind the URL. Raises `StoreUnavailable` while it is away."""
        return self._link.server

    @property
    def health(self) -> Health:
        """How the server has been answering."""
        return self._link.health

    @property
    def index_bytes(self) -> int:
        """Memory that the vectors held here take."""
        return self._neighbours.memory_bytes

    @property
    def shortcomings(self) -> tuple[str, ...]:
        """What the server cannot do, or may lose, each with its remedy. From memory: empty before it was reached."""
        server = self._link.known_server
        return () if server is None else tuple(objections(server))

    def examined(self) -> Examination:
        """For the doctor. Raises `StoreUnavailable`."""
        return examine(self._link)

    # the path of a request

    def get_exact(self, scope: Scope, key: str) -> Entry | None:
        return self.look_up([(scope, key)]).entries[0]

    def look_up(self, places: Sequence[ExactPlace], scopes: Sequence[Scope] = (), *, dated: bool = False) -> LookedUp:
        if dated:
            for scope, _ in places:
                self._catalogue.register(scope.namespace, scope_name(scope))
        found = searching.look_up(self._scopes, places, scopes, dated=dated)
        for (scope, _), number in zip(places, found.generations, strict=False):
            self._note_generation(scope, number)
        return found

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        check_embeddings([embedding], self._dims)
        return self._neighbours.nearest(scope, embedding.vector, k=k)

    def generation(self, scope: Scope) -> int:
        self._catalogue.register(scope.namespace, scope_name(scope))
        number = int(self._scopes.run("generation", scope_name(scope)))
        self._note_generation(scope, number)
        return number

    def _note_generation(self, scope: Scope, number: int) -> None:
        if self._generations.get(scope, number) != number or len(self._generations) >= WATCHED_SCOPES:
            self._generations.clear()
            self._recollection.forget_all()  # another replica purged: what it removed must not stay in memory here
        self._generations[scope] = number

    def put(self, entry: Entry, exemplars: Sequence[Exemplar] = (), *, guard: Guard = UNGUARDED) -> Entry:
        check_embeddings([exemplar.embedding for exemplar in exemplars], self._dims)
        held_bytes = len(encoded(entry.question)) + len(encode_json(entry.message.body))
        if self._limits.refuses(held_bytes):
            raise StoreError(f"put: an entry of {held_bytes} bytes is larger than the whole store may be")
        stored = self._writing.put(entry, exemplars, guard)
        if stored.is_revised:
            self._hits.forget_servings(stored.entry.id)
        if any(self._limits.surplus(entries=stored.entries, held_bytes=stored.held_bytes)):
            self._evict(spared=spelled(stored.entry.id))
        return stored.entry

    def add_exemplar(self, exemplar: Exemplar) -> Exemplar | None:
        check_embeddings([exemplar.embedding], self._dims)
        return self._writing.add_exemplar(exemplar)

    def record_hit(self, entry_id: str, serving: Serving | None = None) -> None:
        self._hit_writer.count(entry_id, at=self._hit_clock(), serving=serving)

    def record_serving(self, serving: Serving) -> None:
        self._hit_writer.note(serving)

    # learning

    def merge(self, duplicate_id: str, into_id: str) -> Entry | None:
        if duplicate_id == into_id:
            return None
        self.flush()
        return self._writing.merge(duplicate_id, into_id)

    def remove_exemplars(self, ids: Sequence[int]) -> int:
        removed = self._writing.remove_exemplars(ids)
        self._recollection.forget(ids)
        return removed

    def serving(self, serving_id: str) -> Serving | None:
        buffered = self._hits.serving(serving_id)  # first: what is not there any more has been written
        if buffered is not None and self.get(buffered.entry_id) is not None:
            return buffered
        kept = self._servings.find(serving_id)
        return kept.serving if kept is not None and self._answers(kept.serving.entry_id, [kept]) else None

    def servings_of(self, entry_id: str, *, limit: int) -> list[Serving]:
        self.flush()
        kept = self._servings.newest(entry_id, limit=limit)
        return [each.serving for each in self._answers(entry_id, kept)]

    def prune_servings(self, before: float) -> int:
        self.flush()
        return self._servings.prune(before)

    def written_since(self, credential: str, since: float) -> int:
        return self._catalogue.written_since(credential, since, self._scopes.now)

    # administration

    def get(self, entry_id: str) -> Entry | None:
        row = self._catalogue.locate([spelled(entry_id)]).get(spelled(entry_id))
        found = None if row is None else self._scopes.read(row.place)
        return found.entry if found is not None and found.is_live else None

    def exemplars(self, entry_id: str) -> list[Exemplar]:
        row = self._catalogue.locate([spelled(entry_id)]).get(spelled(entry_id))
        found = None if row is None else self._scopes.read(row.place, with_exemplars=True)
        return found.exemplars if found is not None and found.is_live else []

    def page(
        self, selection: Selection, *, limit: int = 100, cursor: str | None = None, order: Order = Order.NEWEST
    ) -> Page:
        check_page_size(limit)
        return self._selecting.page(selection, Where(Position.decode(cursor), order), limit=limit)

    def delete(self, selection: Selection, *, dry_run: bool = False) -> int:
        if dry_run:
            return self._selecting.count(selection)
        self.flush()
        removed = self._selecting.delete(selection)
        self._recollection.forget_all()
        return removed

    def expire(self, *, limit: int = 1000) -> int:
        self._catalogue.forget_idle()
        due = self._catalogue.due(self._scopes.now, limit=max(0, limit))
        return self._writing.remove(due, only_expired=True)[0]

    def evict(self) -> int:
        self.flush()
        return self._evict()

    def scan(self) -> Iterator[tuple[Entry, list[Exemplar]]]:
        return self._selecting.scan()

    def foreign_exemplars(self) -> int:
        return self._catalogue.foreign(self._scopes.space.id)

    def stats(self) -> StoreStats:
        self.flush()
        return self._catalogue.stats(self._scopes.now)

    def flush(self) -> None:
        if self._hits.pending:
            with self._hits.taken() as batch:
                write_batch(batch, self._scopes, self._catalogue, self._servings)

    def close(self) -> None:
        self._neighbours.close()
        self._hit_writer.close()
        self.batches.leave_charge()
        self._link.close()

    def _evict(self, spared: str = "") -> int:
        return self._writing.remove(self._catalogue.victims(self._scopes.now, self._limits, spared=spared))[0]

    def _answers(self, entry_id: str, kept: Sequence[Kept]) -> list[Kept]:
        """Those that were served from the answer that the entry still has."""
        row = self._catalogue.locate([spelled(entry_id)]).get(spelled(entry_id)) if kept else None
        found = None if row is None else self._scopes.read_all([row.place], with_bodies=False)[0]
        if found is None or not found.is_live:
            return []
        return [each for each in kept if each.answer == found.answer]


def _tell(server: Server) -> None:
    logger.info("store: %s%s", server.version, ", a cluster" if server.is_cluster else "")
    for objection in objections(server):
        logger.warning("store: %s", objection)
