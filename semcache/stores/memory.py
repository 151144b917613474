"""The brute-force store: everything in dictionaries, gone at exit. What every other store is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Label, Scope
from semcache.errors import StoreError
from semcache.stores.limits import Limits
from semcache.stores.looked_up import ExactPlace, LookedUp
from semcache.stores.memory_batches import MemoryBatches
from semcache.stores.memory_books import MemoryBooks
from semcache.stores.memory_holding import Held, bytes_of, least_worth, page_of, say_the_same
from semcache.stores.memory_leases import Generations, MemoryLeases
from semcache.stores.paging import Order, check_page_size
from semcache.stores.similarity import check_embeddings, closest_first, cosines, unit, units
from semcache.stores.store import UNGUARDED, Guard, Page, Selection, Serving, StoreStats
from semcache.stores.worth import combined, first_heat, heat_of


class MemoryStore(MemoryBooks):
    """Keeps to `semcache.stores.store.Store` by comparing with everything, under one lock."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, limits: Limits | None = None, dims: int | None = None
    ) -> None:
        super().__init__()
        self.batches = MemoryBatches()
        self.leases = MemoryLeases(clock)
        self.is_shared = False
        self._generations = Generations()
        self._clock = clock
        self._limits = limits if limits is not None else Limits()
        self._dims = dims
        self._held: dict[str, Held] = {}
        self._ids: dict[tuple[Scope, str], str] = {}
        self._held_bytes = 0
        self._entry_numbers, self._exemplar_ids = count(1), count(1)
        self._served: dict[str, str] = {}  # serving id → entry id

    # the path of a request

    def get_exact(self, scope: Scope, key: str) -> Entry | None:
        with self._lock:
            return self.get(self._ids.get((scope, key), "")) or self._alias(scope, key)

    def look_up(self, places: Sequence[ExactPlace], scopes: Sequence[Scope] = (), *, dated: bool = False) -> LookedUp:
        with self._lock:
            found = [self.get_exact(scope, key) for scope, key in places]
            searchable = [scope for scope in scopes if any(held.exemplars for held in self._live(scope))]
            return LookedUp(found, searchable, [self._generations.of(scope) for scope, _ in places] if dated else [])

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        check_embeddings([embedding], self._dims)
        with self._lock:
            pairs = [(held.entry, exemplar) for held in self._live(scope) for exemplar in held.exemplars]
        if not pairs:
            return []
        rows = units(np.stack([exemplar.embedding.vector for _, exemplar in pairs]))
        similarities = cosines(unit(embedding.vector), rows)
        order = closest_first(np.array([exemplar.id for _, exemplar in pairs]), similarities)
        nearest = [(*pairs[place], float(similarities[place])) for place in order[: max(0, k)]]
        return [Candidate(entry, exemplar, similarity) for entry, exemplar, similarity in nearest]

    def generation(self, scope: Scope) -> int:
        with self._lock:
            return self._generations.of(scope)

    def put(self, entry: Entry, exemplars: Sequence[Exemplar] = (), *, guard: Guard = UNGUARDED) -> Entry:
        check_embeddings([exemplar.embedding for exemplar in exemplars], self._dims)
        held_bytes = bytes_of(entry)
        if self._limits.refuses(held_bytes):
            raise StoreError(f"put: an entry of {held_bytes} bytes is larger than the whole store may be")
        with self._lock:
            self.leases.check(entry.scope, guard, self._generations)
            held = self._room_for(entry, held_bytes)
            held.exemplars = [self._numbered(exemplar, held.entry.id) for exemplar in exemplars]
            self._held[held.entry.id] = held
            self._ids[entry.scope, entry.key] = held.entry.id
            self._served |= dict.fromkeys(held.servings, held.entry.id)
            self._held_bytes += held_bytes
            self._evict(spared=held)
            return held.entry

    def add_exemplar(self, exemplar: Exemplar) -> Exemplar | None:
        check_embeddings([exemplar.embedding], self._dims)
        with self._lock:
            if self.get(exemplar.entry_id) is None:
                return None
            added = self._numbered(exemplar, exemplar.entry_id)
            self._held[exemplar.entry_id].exemplars.append(added)
            return added

    def record_hit(self, entry_id: str, serving: Serving | None = None) -> None:
        with self._lock:
            if held := self._held.get(entry_id):
                now = self._clock()
                held.entry = replace(held.entry, hits=held.entry.hits + 1, last_hit_at=now)
                held.heat = combined(held.heat, heat_of(1, at=now))
            if serving is not None:
                self.record_serving(serving)

    def record_serving(self, serving: Serving) -> None:
        with self._lock:
            if serving.entry_id in self._held:
                self._forget_servings([serving.id])
                self._served[serving.id] = serving.entry_id
                self._held[serving.entry_id].servings[serving.id] = serving

    # learning

    def merge(self, duplicate_id: str, into_id: str) -> Entry | None:
        with self._lock:
            duplicate, into = self.get(duplicate_id), self.get(into_id)
            if duplicate is None or into is None or duplicate_id == into_id or duplicate.scope != into.scope:
                return None
            gone, kept = self._held[duplicate_id], self._held[into_id]
            self._remove([gone])
            for each in gone.exemplars:
                if each.label is Label.POSITIVE:
                    key = duplicate.key if not each.key and each.text == duplicate.question else each.key
                    kept.exemplars.append(self._numbered(replace(each, key=key), into_id))
            for serving in gone.servings.values():
                self.record_serving(replace(serving, entry_id=into_id))
            times = [each.last_hit_at for each in (duplicate, into) if each.last_hit_at is not None]
            kept.entry = replace(into, hits=into.hits + duplicate.hits, last_hit_at=max(times, default=None))
            kept.heat = combined(kept.heat, gone.heat)
            return kept.entry

    def remove_exemplars(self, ids: Sequence[int]) -> int:
        removed, chosen = 0, set(ids)
        with self._lock:
            for held in self._held.values():
                left = [each for each in held.exemplars if each.id not in chosen]
                removed += len(held.exemplars) - len(left)
                held.exemplars = left
        return removed

    def serving(self, serving_id: str) -> Serving | None:
        with self._lock:
            entry = self.get(self._served.get(serving_id, ""))
            return None if entry is None else self._held[entry.id].servings[serving_id]

    def servings_of(self, entry_id: str, *, limit: int) -> list[Serving]:
        with self._lock:
            return [] if self.get(entry_id) is None else self._held[entry_id].newest_servings(limit)

    def prune_servings(self, before: float) -> int:
        with self._lock:
            servings = [each for held in self._held.values() for each in held.servings.values()]
            return self._forget_servings([each.id for each in servings if each.at < before])

    def written_since(self, credential: str, since: float) -> int:
        with self._lock:
            theirs = [held.entry for held in self._live() if held.entry.credential == credential]
            return sum(entry.created_at >= since for entry in theirs)

    # administration

    def get(self, entry_id: str) -> Entry | None:
        with self._lock:
            held = self._held.get(entry_id)
            return held.entry if held is not None and not self._is_expired(held) else None

    def exemplars(self, entry_id: str) -> list[Exemplar]:
        with self._lock:
            return list(self._held[entry_id].exemplars) if self.get(entry_id) is not None else []

    def page(
        self, selection: Selection, *, limit: int = 100, cursor: str | None = None, order: Order = Order.NEWEST
    ) -> Page:
        check_page_size(limit)
        with self._lock:
            chosen = [(held.position(order), held.entry) for held in self._live() if held.is_meant_by(selection)]
        return page_of(chosen, limit=limit, cursor=cursor)

    def delete(self, selection: Selection, *, dry_run: bool = False) -> int:
        with self._lock:
            chosen = [held for held in self._held.values() if held.is_meant_by(selection)]
            live = sum(not self._is_expired(held) for held in chosen)
            if not dry_run:
                self._generations.advance(selection, [held.entry.scope for held in chosen])
                self._remove(chosen)
                self._forget_text(selection)
            return live

    def expire(self, *, limit: int = 1000) -> int:
        with self._lock:
            return self._remove(self._expired(self._held.values())[:limit])

    def evict(self) -> int:
        with self._lock:
            return self._evict()

    def scan(self) -> Iterator[tuple[Entry, list[Exemplar]]]:
        with self._lock:
            everything = [(held.entry, list(held.exemplars)) for held in self._live()]
        yield from everything

    def foreign_exemplars(self) -> int:
        """None: nothing outlives the model it was opened for."""
        return 0

    def stats(self) -> StoreStats:
        with self._lock:
            live = self._live()
            return StoreStats(
                entries=len(live),
                faq_entries=sum(held.entry.kind is Kind.FAQ for held in live),
                exemplars=sum(len(held.exemplars) for held in live),
                scopes=len({held.entry.scope for held in live}),
                bytes=sum(held.held_bytes for held in live),
                hits=sum(held.entry.hits for held in live),
            )

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Nothing to let go of."""

    # within the lock

    def _alias(self, scope: Scope, key: str) -> Entry | None:
        exemplars = (each for held in self._held.values() for each in held.exemplars if key and each.key == key)
        aliases = sorted((each for each in exemplars if each.label is Label.POSITIVE), key=lambda each: -each.id)
        entries = (self.get(each.entry_id) for each in aliases)
        return next((entry for entry in entries if entry is not None and entry.scope == scope), None)

    def _live(self, scope: Scope | None = None) -> list[Held]:
        among = (held for held in self._held.values() if scope is None or held.entry.scope == scope)
        return sorted((held for held in among if not self._is_expired(held)), key=lambda held: held.number)

    def _is_expired(self, held: Held) -> bool:
        return held.entry.expires_at is not None and held.entry.expires_at <= self._clock()

    def _expired(self, among: Iterable[Held]) -> list[Held]:
        expired = [held for held in among if self._is_expired(held)]
        return sorted(expired, key=lambda held: (held.entry.expires_at, held.number))

    def _replaced(self, entry: Entry) -> Held | None:
        old_id = self._ids.get((entry.scope, entry.key))
        if entry.id in self._held and entry.id != old_id:
            raise StoreError(f"put: the id {entry.id} belongs to another entry")
        return self._held[old_id] if old_id is not None else None

    def _room_for(self, entry: Entry, held_bytes: int) -> Held:
        """What is to hold this entry, with what it keeps of the one that it replaces, which is removed."""
        number, old = next(self._entry_numbers), self._replaced(entry)
        if old is None:
            heat = first_heat(entry.created_at, hits=entry.hits, last_hit_at=entry.last_hit_at)
            return Held(number, entry, held_bytes, heat)
        self._remove([old])
        kept = replace(entry, id=old.entry.id, hits=old.entry.hits, last_hit_at=old.entry.last_hit_at)
        heat = combined(old.heat, heat_of(1, at=entry.created_at))
        servings = old.servings if say_the_same(old.entry, entry) else {}
        return Held(old.number, kept, held_bytes, heat, servings=servings)

    def _numbered(self, exemplar: Exemplar, entry_id: str) -> Exemplar:
        bare = Embedding(exemplar.embedding.vector, exemplar.embedding.windows)
        return replace(exemplar, entry_id=entry_id, embedding=bare, id=next(self._exemplar_ids))

    def _evict(self, spared: Held | None = None) -> int:
        surplus, surplus_bytes = self._limits.surplus(entries=len(self._held), held_bytes=self._held_bytes)
        if surplus == surplus_bytes == 0:
            return 0
        learned = [held for held in self._held.values() if held.entry.kind is Kind.LEARNED and held is not spared]
        expired = self._expired(learned)
        return self._remove(least_worth(learned, expired, surplus=surplus, surplus_bytes=surplus_bytes))

    def _remove(self, chosen: list[Held]) -> int:
        for held in chosen:
            del self._held[held.entry.id]
            del self._ids[held.entry.scope, held.entry.key]
            for serving_id in held.servings:
                del self._served[serving_id]
            self._held_bytes -= held.held_bytes
        return len(chosen)

    def _forget_servings(self, ids: Iterable[str]) -> int:
        owners = {serving_id: self._served.pop(serving_id, None) for serving_id in ids}
        known = {serving_id: owner for serving_id, owner in owners.items() if owner is not None}
        for serving_id, owner in known.items():
            del self._held[owner].servings[serving_id]
        return len(known)

    def _forget_text(self, selection: Selection) -> None:
        if selection.text is None:
            return
        around = replace(selection, text=None)
        for held in self._held.values():
            if held.is_meant_by(around):
                for serving_id in held.forget(selection.text):
                    del self._served[serving_id]
