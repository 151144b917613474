"""The nearest exemplars of a scope: found in memory where its vectors are held, and in the server where they are not.

In memory it takes one round trip, which compares nothing: it brings what is new, says whether what was found is still
there, and reads what is not remembered of it; a second one where that has changed what is near. So one server does not
search for all replicas.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Generic

from semcache.entry import Candidate, Scope
from semcache.stores.following import Followed, Look, Mark, Source, Stand
from semcache.stores.projections import Projections
from semcache.stores.ranking import ranked
from semcache.stores.recollection import Pair, Recollection
from semcache.stores.similarity import unit

if TYPE_CHECKING:
    from semcache.entry import Vector

_LOOKS = 4  # at a scope whose exemplars are removed between finding and looking


class Neighbours(Generic[Mark]):
    """Thread-safe. Nothing is ever found that was not there, alive and in its scope, when it was asked for."""

    def __init__(self, source: Source[Mark], recollection: Recollection, *, memory_bytes: int) -> None:
        """`memory_bytes`: for vectors that are searched here; 0: never."""
        self._source = source
        self._recollection = recollection
        self.projections = Projections(source, memory_bytes=memory_bytes) if memory_bytes > 0 else None

    def nearest(self, scope: Scope, vector: Vector, *, k: int) -> list[Candidate]:
        """The k nearest, as `Store.nearest` says. Raises `StoreError`."""
        if k < 1:
            return []
        query = unit(vector)
        return ranked(query, self._near(scope, query, k=k))[:k]

    @property
    def memory_bytes(self) -> int:
        """That the vectors held here take."""
        return 0 if self.projections is None else self.projections.memory_bytes

    def close(self) -> None:
        if self.projections is not None:
            self.projections.close()

    def _near(self, scope: Scope, query: Vector, *, k: int) -> list[Pair]:
        """The k nearest and some more, in no order."""
        if self.projections is not None and (followed := self.projections.find(scope)) is not None:
            found = self._in_memory(self.projections, scope, followed, query, k=k)
            if found is not None:
                return list(found.values())
            self.projections.drop(scope, followed)
        near = self._source.search(scope, query, k=k)
        if self.projections is not None and not near.is_few:  # compared as quickly as asked for
            self.projections.ask(scope)
        return list(near.pairs.values())

    def _in_memory(
        self, projections: Projections[Mark], scope: Scope, followed: Followed[Mark], query: Vector, *, k: int
    ) -> dict[int, Pair] | None:
        """What is near, all of it proven to be there; None: what is held is of no use any more.

        What is near is looked for before it is asked what is new: where nothing is, one round trip proves it all.
        """
        at, proven = followed.stand.at, dict[int, Pair]()
        is_current = False  # whether it was searched after a look of this call
        for _ in range(_LOOKS):
            seen = followed.stand
            ids = followed.projection.search(query, k=k, now=at)
            rest = [exemplar_id for exemplar_id in ids if exemplar_id not in proven]
            if is_current and not rest:
                return {exemplar_id: proven[exemplar_id] for exemplar_id in ids}
            look = self._look(scope, followed, seen, rest, proven)
            if look is None:
                return None
            if news := len(look.news.rows.ids):
                projections.grown(scope, followed)
            gone = set(rest) - proven.keys()
            self._bury(followed, gone)
            if not gone and (is_current or (not news and _all_live(proven, since=seen, at=look.stand.at))):
                return {exemplar_id: proven[exemplar_id] for exemplar_id in ids}
            at, is_current = look.stand.at, True
        return None  # most of what is held may be gone

    def _look(
        self, scope: Scope, followed: Followed[Mark], seen: Stand[Mark], ids: list[int], proven: dict[int, Pair]
    ) -> Look[Mark] | None:
        """Those of the ids that are there are proven after it."""
        known = self._recollection.recall(ids)
        missing = [exemplar_id for exemplar_id in ids if exemplar_id not in known]
        look = self._source.look(scope, followed, seen, known=list(known), missing=missing)
        if look is None:
            self._recollection.forget_all()  # in another life of the store, numbers mean something else
            return None
        followed.take(seen, look)
        self._recollection.remember(look.fresh)
        proven |= look.fresh
        proven |= {exemplar_id: pair for exemplar_id, pair in known.items() if exemplar_id in look.there}
        return look

    def _bury(self, followed: Followed[Mark], gone: Collection[int]) -> None:
        if gone:
            followed.bury(gone)
            self._recollection.forget(gone)


def _all_live(pairs: Mapping[int, Pair], *, since: Stand[Mark], at: float) -> bool:
    """Whether none of them has expired since then; where the clock went back, others may live again."""
    ends = (entry.expires_at for entry, _ in pairs.values())
    return at >= since.at and all(end is None or end > at for end in ends)
