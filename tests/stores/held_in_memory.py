"""A PostgreSQL store that searches every scope in memory, however small, from its first search on."""

from __future__ import annotations

from semcache.entry import Candidate, Embedding, Scope
from semcache.stores.postgres.source import Seen
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.projections import Projections


class HeldInMemory(PostgresStore):
    @property
    def projections(self) -> Projections[Seen]:
        held = self._neighbours.projections
        assert held is not None
        return held

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        if self.projections.find(scope) is None:
            self.projections.load(scope)
        return super().nearest(scope, embedding, k=k)
