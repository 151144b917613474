"""Shared stores that search every scope in memory, however small, from its first search on."""

from __future__ import annotations

from typing import Any

from store_samples import SCOPE, entry, exemplar, random_embeddings

from semcache.entry import Candidate, Embedding, Scope
from semcache.stores.neighbours import Neighbours
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.projections import Projections
from semcache.stores.redis.store import RedisStore
from semcache.stores.store import Store


class _Held:
    _neighbours: Neighbours[Any]

    @property
    def projections(self) -> Projections[Any]:
        held = self._neighbours.projections
        assert held is not None
        return held

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        if self.projections.find(scope) is None:
            self.projections.load(scope)
        return super().nearest(scope, embedding, k=k)  # type: ignore[misc]


class HeldInMemory(_Held, PostgresStore):
    pass


class RedisHeldInMemory(_Held, RedisStore):
    pass


def crowd(store: Store, count: int, *, scope: Scope = SCOPE, key: str = "crowd", seed: int = 0) -> None:
    """One entry that answers this many questions."""
    made = entry(key, scope=scope)
    vectors = random_embeddings(count, seed=seed)
    store.put(made, [exemplar(made, each, text=f"{key} {number}") for number, each in enumerate(vectors)])


def held(store: PostgresStore | RedisStore) -> int:
    """How many vectors are in memory, removed ones too."""
    projections = store._neighbours.projections
    return 0 if projections is None else sum(len(each.projection.ids) for each in projections._held.values())
