"""A scope's vectors in this process, brought up to the newest commit at every look: what PostgreSQL says of its rows.

Every row names the transaction that wrote it. A look asks for the rows whose transaction was not seen by the snapshot
of the look before: a transaction may get its number early and commit late, and is found whenever it does, because
either snapshot says of each number whether it had ended. Numbers are given again only after a crash, a failover or a
restored backup: each of them begins another life of the database, in which nothing counts that was seen before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from semcache.entry import Scope
from semcache.stores.postgres.candidates import THERE
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.rows import halfvec_rows, scope_id
from semcache.stores.projection import Precision, Projection, Rows

if TYPE_CHECKING:
    from semcache.stores.stored_rows import Row

# Each component of a halfvec is off by at most 2^-11 of itself, so each vector of length 1 by as much, and so are its
# similarities to a query that is not rounded (Cauchy and Schwarz): of two, twice that. 3e-5 was seen at 384 dims.
HALF = Precision(slack=1e-3, spare=80)

PORTION = 2048  # rows read and indexed at a time, while others wait for the connection
MOST_NEWS = 1024  # rows that a look brings: 5 ms; whoever is further behind begins anew

# The mark is emptied by a crash and by a promotion, as every unlogged table; a copy of the files was taken of a server
# that had stopped, and starts at another time; a dump makes the index last, under another number.
_LIFE = (
    "(SELECT mark FROM semcache.incarnations), to_regclass('semcache.vectors_by_transaction')::oid, "
    "extract(epoch FROM pg_postmaster_start_time())::float8"
)

# Rows of transactions that are yet to come were written on another server, and brought here by a dump: they are read
# when the scope is loaded, and are no news. The sum keeps the primary key away, by which all of a scope would be read.
_NEWS = """SELECT {life}, pg_current_snapshot()::text, {now}, ARRAY({there}), v.exemplar, v.expires_at, v.emb
FROM (SELECT 1) one LEFT JOIN semcache.vectors v ON v.scope = %(scope)s AND v.space + 0 = %(space)s
AND v.xact >= pg_snapshot_xmin(%(seen)s::pg_snapshot) AND v.xact < pg_snapshot_xmax(pg_current_snapshot())
AND NOT pg_visible_in_snapshot(v.xact, %(seen)s::pg_snapshot) LIMIT %(most)s"""

_OUTSET = f"""SELECT {_LIFE}, pg_current_snapshot()::text,
(SELECT count(*) FROM semcache.vectors WHERE scope = %s AND space = %s)"""

_PAGE = """SELECT exemplar, expires_at, emb FROM semcache.vectors
WHERE scope = %s AND space = %s AND exemplar > %s ORDER BY exemplar LIMIT %s"""


Life = tuple[object, ...]


@dataclass(frozen=True)
class Stand:
    """What was seen, and when: all transactions that had ended in this snapshot, in this life of the database."""

    life: Life
    snapshot: str
    at: float  # by the store's clock


@dataclass(frozen=True, slots=True)
class Look:
    """When it was taken, by the store's clock; how many rows it brought; which of those asked about are there."""

    at: float
    rows: int
    there: frozenset[int]


@dataclass(frozen=True)
class Outset:
    """Where a scope's rows begin to be read from, and how many there are."""

    stand: Stand
    rows: int


class Followed:
    """The vectors of one scope, and what has been seen of its rows. Thread-safe.

    All rows that the stand has seen are in the projection before it says so, but for those that are gone. What was
    removed may still be in it: whoever finds something here has to ask whether it is still there.
    """

    def __init__(self, projection: Projection, stand: Stand) -> None:
        self.projection = projection
        self.stand = stand
        self._lock = Lock()
        self._most_slots = 2 * len(projection.ids) + MOST_NEWS

    @property
    def is_outgrown(self) -> bool:
        """As many came since as were loaded: by then as many may have gone that nobody found near."""
        return len(self.projection.ids) > self._most_slots

    def catch_up(  # noqa: PLR0913 - what a look is made of
        self, connection: Connection, scope: Scope, seen: Stand, *, asked: Sequence[int], space: Space, now: str
    ) -> Look | None:
        """Everything that was committed before this is here after it. None: it has to be loaded anew.

        `seen` is a stand of this scope, and `asked` are exemplars: which of them were there at the same moment.
        """
        values = {"scope": scope_id(scope), "space": space.id, "seen": seen.snapshot, "most": MOST_NEWS + 1}
        query = _NEWS.format(life=_LIFE, now=now, there=THERE)
        rows = connection.execute(query, {**values, "asked": list(asked)}, binary=True).fetchall()
        life, (snapshot, at, there) = rows[0][:3], rows[0][3:6]
        if life != seen.life or len(rows) > MOST_NEWS:
            return None
        news = [row[6:] for row in rows if row[6] is not None]
        if news:
            self.projection.add(_rows(news, space))
        with self._lock:
            if self.stand is seen:  # another thread's is as good: both brought what this one had not seen
                self.stand = Stand(life, snapshot, at)
        return Look(at, len(news), frozenset(there))


def outset(connection: Connection, scope: Scope, space: Space) -> Outset | None:
    """From where to follow what is read after this. None: the database is being restored."""
    for _ in range(2):
        row = connection.execute(_OUTSET, (scope_id(scope), space.id), binary=True).fetchone()
        assert row is not None
        *life, snapshot, count = row
        if None not in life:
            return Outset(Stand(tuple(life), snapshot, -math.inf), count)
        connection.execute("INSERT INTO semcache.incarnations DEFAULT VALUES ON CONFLICT DO NOTHING")
    return None


def page(connection: Connection, scope: Scope, space: Space, *, after: int) -> Rows:
    """The next rows with numbers above `after`; less than a portion: these were the last."""
    values = (scope_id(scope), space.id, after, PORTION)
    return _rows(connection.execute(_PAGE, values, binary=True).fetchall(), space)


def empty(space: Space) -> Projection:
    return Projection.exact(space.dims, precision=HALF)


def _rows(rows: list[Row], space: Space) -> Rows:
    return Rows(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float64),
        halfvec_rows([row[2] for row in rows], space.dims),
    )
