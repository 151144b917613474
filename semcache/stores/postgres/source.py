"""What PostgreSQL is asked for so that its scopes can be followed: what is new in a scope, what is there, what is near.

Every row names the transaction that wrote it. A look asks for the rows whose transaction was not seen by the snapshot
of the look before: a transaction may get its number early and commit late, and is found whenever it does, because
either snapshot says of each number whether it had ended. Numbers are given again only after a crash, a failover or a
restored backup: each of them begins another life of the database, in which nothing counts that was seen before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semcache.entry import Scope
from semcache.stores.following import MOST_NEWS, Followed, Look, Near, Outset, Portion, Stand
from semcache.stores.postgres import candidates, searching
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.database import PATIENT_SECONDS, Database
from semcache.stores.postgres.now import Now
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.rows import halfvec_rows, scope_id
from semcache.stores.projection import Projection, Rows
from semcache.stores.recollection import Pair, Recollection

if TYPE_CHECKING:
    from semcache.entry import Vector
    from semcache.stores.stored_rows import Row

_PORTION = 2048  # rows read and indexed at a time, while others wait for the connection
_ATTEMPTS = 3  # at a search whose exemplars are removed between finding and fetching them

_LOOK = "SELECT * FROM semcache.look(%s, %s, %s, %s, %s, %s)"
_LOOK_AND_READ = "SELECT * FROM semcache.look_and_read(%s, %s, %s, %s, %s, %s, %s)"
_LIFE_WIDTH, _HEAD_WIDTH, _NEWS_WIDTH = 3, 6, 9  # columns that say whose numbers these are, and what was looked at

# As the functions say it.
_LIFE = (
    "(SELECT mark FROM semcache.incarnations), to_regclass('semcache.vectors_by_transaction')::oid, "
    "extract(epoch FROM pg_postmaster_start_time())::float8"
)
_OUTSET = f"""SELECT {_LIFE}, pg_current_snapshot()::text,
(SELECT count(*) FROM semcache.vectors WHERE scope = %s AND space = %s)"""

_PAGE = """SELECT exemplar, expires_at, emb FROM semcache.vectors
WHERE scope = %s AND space = %s AND exemplar > %s ORDER BY exemplar LIMIT %s"""


@dataclass(frozen=True)
class Seen:
    """All transactions that had ended in this snapshot, in this life of the database."""

    life: tuple[object, ...]
    snapshot: str


class PostgresSource:
    """Keeps to `semcache.stores.following.Source`."""

    def __init__(
        self, database: Database, now: Now, space: Callable[[], Space], recollection: Recollection, *, is_indexed: bool
    ) -> None:
        """`is_indexed`: the server searches by an index."""
        self._database = database
        self._now = now
        self._space = space
        self._recollection = recollection
        self._is_indexed = is_indexed

    def begin(self, scope: Scope) -> Outset[Seen] | None:
        """None: the database is being restored."""
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            for _ in range(2):
                row = connection.execute(_OUTSET, (scope_id(scope), self._space().id), binary=True).fetchone()
                assert row is not None
                *life, snapshot, count = row
                if None not in life:
                    return Outset(Stand(Seen(tuple(life), snapshot), -math.inf), count)
                connection.execute("INSERT INTO semcache.incarnations DEFAULT VALUES ON CONFLICT DO NOTHING")
        return None

    def pages(self, scope: Scope) -> Iterator[Portion]:
        """In the order of their numbers, which is not that of their transactions: what comes meanwhile is news."""
        size, last_id = _PORTION, 0
        while size == _PORTION:
            with self._database.reading(seconds=PATIENT_SECONDS) as connection:
                space = self._space()
                values = (scope_id(scope), space.id, last_id, _PORTION)
                rows = _rows(connection.execute(_PAGE, values, binary=True).fetchall(), space)
            yield Portion(rows)
            size = len(rows.ids)
            last_id = int(rows.ids[-1]) if size else last_id

    def empty(self) -> Projection:
        return Projection.half(self._space().dims)  # as pgvector keeps them: nothing more is lost

    def look(
        self, scope: Scope, followed: Followed[Seen], seen: Stand[Seen], *, known: Sequence[int], missing: Sequence[int]
    ) -> Look[Seen] | None:
        """One statement, so all of it is as of one moment."""
        space = self._space()
        asked = (scope_id(scope), space.id, seen.mark.snapshot, MOST_NEWS + 1, self._now.given, list(known))
        with self._database.reading() as connection:
            if missing:
                rows = connection.execute(_LOOK_AND_READ, (*asked, list(missing)), binary=True).fetchall()
            else:
                rows = connection.execute(_LOOK, asked, binary=True).fetchall()
        return _looked(rows, seen, space)

    def search(self, scope: Scope, query: Vector, *, k: int) -> Near:
        with self._connected() as connection:
            space = self._space()
            search = searching.nearest_indexed_ids if self._is_indexed else searching.nearest_ids
            found: dict[int, Pair] = {}
            for _ in range(_ATTEMPTS):
                near = search(connection, scope, query, k=k, space=space, now=self._now.of_statement)
                found = self._recollection.fetched(near.ids, lambda some: candidates.fetch(connection, some, space))
                if len(found) == len(near.ids):
                    break
        return Near(found, near.is_all)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """An index is searched in ways of its own, which hold for a transaction."""
        if self._is_indexed:
            with self._database.writing() as connection:
                yield connection
        else:
            with self._database.reading() as connection:
                yield connection


def _looked(rows: list[Row], seen: Stand[Seen], space: Space) -> Look[Seen] | None:
    """The first row is about the look, the next are news, and the last are pairs."""
    life, (snapshot, at, there) = rows[0][:_LIFE_WIDTH], rows[0][_LIFE_WIDTH:_HEAD_WIDTH]
    news = [row[_HEAD_WIDTH:_NEWS_WIDTH] for row in rows[1:] if row[_HEAD_WIDTH] is not None]
    if life != seen.mark.life or len(news) > MOST_NEWS:
        return None
    fresh = candidates.pairs_of((row[_NEWS_WIDTH:] for row in rows[1 + len(news) :]), space)
    return Look(Stand(Seen(life, snapshot), at), Portion(_rows(news, space)), frozenset(there), fresh)


def _rows(rows: list[Row], space: Space) -> Rows:
    return Rows(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float64),
        halfvec_rows([row[2] for row in rows], space.dims),
    )
