"""What is near in one scope: all of its vectors compared, or an index asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from semcache.entry import Scope
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.rows import halfvec, scope_id

if TYPE_CHECKING:
    from semcache.entry import Vector

# A halfvec's similarity is off by at most 2^-11 for each of the two vectors (3e-5 was seen at 384 dims): all that may
# be among the k nearest are ranked again by their float32 vectors.
SLACK = 1e-3
_SPARE = 48

# OFFSET 0 keeps the order out of the inner part: so an index over vectors is never used unasked, whatever the planner
# thinks of it. The distance is computed inside: what is sorted is two numbers a row, and nothing is written down.
_EXACT = """SELECT exemplar, d FROM (
  SELECT exemplar, emb <#> %(query)s::halfvec AS d FROM semcache.vectors
  WHERE scope = %(scope)s AND space = %(space)s AND expires_at > {now} OFFSET 0
) c ORDER BY d, exemplar LIMIT %(most)s"""

_INDEXED = """SELECT exemplar FROM semcache.vectors
WHERE scope = %(scope)s AND space = {space} AND expires_at > {now}
ORDER BY emb::halfvec({dims}) <#> %(query)s::halfvec({dims}) LIMIT %(most)s"""

# The index gives a portion, more while the filter rejects them, and their order is left to the float32 vectors.
# For this transaction only: a session may be another replica's next time.
_INDEX_WAYS = (
    "SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = 100; "
    "SET LOCAL hnsw.max_scan_tuples = 100000"
)


@dataclass(frozen=True, slots=True)
class Near:
    """The exemplars that may be among the k nearest, in no order; `is_all`: the scope has no others that live."""

    ids: list[int]
    is_all: bool


def nearest_ids(  # noqa: PLR0913 - what a search is made of
    connection: Connection, scope: Scope, query: Vector, *, k: int, space: Space, now: str
) -> Near:
    """Of all in this scope."""
    most = 2 * k + _SPARE
    values = {"query": halfvec(query), "scope": scope_id(scope), "space": space.id, "most": most}
    rows = connection.execute(_EXACT.format(now=now), values, binary=True).fetchall()
    is_all = len(rows) < most
    if len(rows) > k:
        farthest = rows[k - 1][1] + SLACK
        rows = [row for row in rows if row[1] <= farthest]
    return Near([exemplar_id for exemplar_id, _ in rows], is_all)


def nearest_indexed_ids(  # noqa: PLR0913 - what a search is made of
    connection: Connection, scope: Scope, query: Vector, *, k: int, space: Space, now: str
) -> Near:
    """As `nearest_ids`, in this transaction, by an index: it may miss some."""
    connection.execute(_INDEX_WAYS)
    values = {"query": halfvec(query), "scope": scope_id(scope), "most": 2 * k + _SPARE}
    rows = connection.execute(_INDEXED.format(space=space.id, dims=space.dims, now=now), values, binary=True)
    return Near([exemplar_id for (exemplar_id,) in rows], is_all=False)
