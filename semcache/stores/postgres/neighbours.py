"""The nearest exemplars of a scope: found in memory where its vectors are held, and in the server where they are not.

In memory it takes one round trip, which compares nothing: it brings what is new, and says whether what was found is
still there; a second one where that has changed something, or where what was found is not remembered. So the one
primary does not search for all replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from semcache.entry import Scope
from semcache.stores.postgres import candidates, searching
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.database import Database
from semcache.stores.postgres.following import Followed, Look, Stand
from semcache.stores.postgres.now import Now
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.projections import Projections
from semcache.stores.recollection import Pair, Recollection

if TYPE_CHECKING:
    from semcache.entry import Vector

_ATTEMPTS = 3  # at a search whose exemplars are removed between finding and fetching them


class Neighbours:
    """Thread-safe. Nothing is ever found that was not there, alive and in its scope, when it was asked for."""

    def __init__(  # noqa: PLR0913 - what a search is made of
        self,
        database: Database,
        now: Now,
        space: Callable[[], Space],
        recollection: Recollection,
        *,
        is_indexed: bool,
        memory_bytes: int,
    ) -> None:
        """`is_indexed`: by an index in the server, and never in memory; `memory_bytes` 0: never, either."""
        self._database = database
        self._now = now
        self._space = space
        self._recollection = recollection
        self._is_indexed = is_indexed
        is_holding = memory_bytes > 0 and not is_indexed
        self.projections = Projections(database, space, memory_bytes=memory_bytes) if is_holding else None

    def nearest(self, scope: Scope, query: Vector, *, k: int) -> list[Pair]:
        """The k nearest and some more, in no order."""
        with self._connected() as connection:
            found = None
            if self.projections is not None and (followed := self.projections.find(scope)) is not None:
                found = self._in_memory(connection, scope, followed, query, k=k)
                if found is None:
                    self.projections.drop(scope, followed)
            return list((self._in_server(connection, scope, query, k=k) if found is None else found).values())

    def close(self) -> None:
        if self.projections is not None:
            self.projections.close()

    def _in_memory(
        self, connection: Connection, scope: Scope, followed: Followed, query: Vector, *, k: int
    ) -> dict[int, Pair] | None:
        """None: what is held is of no use any more.

        What is near is looked for before it is asked what is new: where nothing is, one round trip proves it all.
        """
        stand, space = followed.stand, self._space()
        ids = followed.projection.search(query, k=k, now=stand.at)
        known = self._recollection.recall(ids)
        now = self._now.of_statement
        look = followed.catch_up(connection, scope, stand, asked=list(known), space=space, now=now)
        if look is None:
            self._recollection.forget_all()  # in another life of the database, numbers mean something else
            return None
        proven = {exemplar_id: pair for exemplar_id, pair in known.items() if exemplar_id in look.there}
        if len(proven) == len(ids) and not look.rows and _all_live(proven, since=stand, at=look.at):
            return proven
        if look.rows and self.projections is not None:
            self.projections.grown(scope, followed)
        self._bury(followed, known.keys() - proven.keys())
        return self._proven(connection, followed, query, k=k, look=look, proven=proven)

    def _proven(  # noqa: PLR0913 - what a search is made of
        self, connection: Connection, followed: Followed, query: Vector, *, k: int, look: Look, proven: dict[int, Pair]
    ) -> dict[int, Pair] | None:
        """What is near by now, all of it proven to be there; None where again and again it was not."""
        for _ in range(_ATTEMPTS):
            ids = followed.projection.search(query, k=k, now=look.at)
            rest = [exemplar_id for exemplar_id in ids if exemplar_id not in proven]
            known = self._recollection.recall(rest)
            missing = [exemplar_id for exemplar_id in rest if exemplar_id not in known]
            if rest:
                there, fresh = candidates.still_there(connection, list(known), missing=missing, space=self._space())
                self._recollection.remember(fresh)
                proven |= fresh | {exemplar_id: known[exemplar_id] for exemplar_id in there}
            gone = set(rest) - proven.keys()
            if not gone:
                return {exemplar_id: proven[exemplar_id] for exemplar_id in ids}
            self._bury(followed, gone)
        return None  # most of what is held may be gone

    def _bury(self, followed: Followed, gone: Collection[int]) -> None:
        if gone:
            followed.projection.remove(list(gone))
            self._recollection.forget(gone)

    def _in_server(self, connection: Connection, scope: Scope, query: Vector, *, k: int) -> dict[int, Pair]:
        space = self._space()
        search = searching.nearest_indexed_ids if self._is_indexed else searching.nearest_ids
        found: dict[int, Pair] = {}
        for _ in range(_ATTEMPTS):
            near = search(connection, scope, query, k=k, space=space, now=self._now.of_statement)
            found = self._recollection.fetched(near.ids, lambda some: candidates.fetch(connection, some, space))
            if len(found) == len(near.ids):
                break
        if self.projections is not None and not near.is_all:  # few rows are compared as quickly as asked for
            self.projections.ask(scope)
        return found

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """An index is searched in ways of its own, which hold for a transaction."""
        if self._is_indexed:
            with self._database.writing() as connection:
                yield connection
        else:
            with self._database.reading() as connection:
                yield connection


def _all_live(pairs: Mapping[int, Pair], *, since: Stand, at: float) -> bool:
    """Whether none of them has expired since then; where the clock went back, others may live again."""
    ends = (entry.expires_at for entry, _ in pairs.values())
    return at >= since.at and all(end is None or end > at for end in ends)
