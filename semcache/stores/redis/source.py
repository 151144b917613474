"""What Redis is asked for so that its scopes can be followed: what is new in a scope, what is there, what is near.

Every exemplar stands in a journal of its scope under the revision that brought it, and revisions only grow. A look asks
for the rows above the revision that was seen. A failover may lose the newest changes and give their revisions again:
then the server's data begin another life, in which nothing counts that was seen before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from semcache.entry import Scope
from semcache.stores.following import MOST_NEWS, Followed, Look, Near, Outset, Portion, Stand
from semcache.stores.projection import Projection, Rows
from semcache.stores.recollection import Pair, Recollection
from semcache.stores.redis import searching
from semcache.stores.redis.scopes import Scopes
from semcache.stores.redis.spelling import scope_name
from semcache.stores.similarity import units

if TYPE_CHECKING:
    from semcache.entry import Vector

PAGE = 250  # rows read in one step: about 2 ms of the server
FEW = 100  # up to so many the server compares as quickly as it says what is new
_ATTEMPTS = 3  # at a search whose exemplars are removed between finding and fetching them
_REST_SECONDS = 10.0  # before it is looked again whether a scope can be followed
_MOST_RESTING = 1000
_ROW_WIDTH = 4


@dataclass(frozen=True)
class Seen:
    """All changes up to this revision, in this life of the server's data."""

    life: bytes
    revision: bytes


class RedisSource:
    """Keeps to `semcache.stores.following.Source`."""

    def __init__(
        self, scopes: Scopes, recollection: Recollection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` says when to look again at a scope that cannot be followed."""
        self._scopes = scopes
        self._recollection = recollection
        self._clock = clock
        self._resting: dict[Scope, float] = {}  # until when

    def begin(self, scope: Scope) -> Outset[Seen] | None:
        """None: there are no vector sets, or releases that keep no journal are writing to it."""
        if not self._scopes.link.server.has_vectors or self._resting.get(scope, 0.0) > self._clock():
            return None
        told = self._run("begin", scope)
        if not told:
            self._build(scope)
            told = self._run("begin", scope)
        if not told:
            if len(self._resting) >= _MOST_RESTING:
                self._resting.clear()
            self._resting[scope] = self._clock() + _REST_SECONDS
            return None
        at, life, revision, rows = told
        return Outset(Stand(Seen(life, revision), float(at)), int(rows), are_keyed=True)

    def pages(self, scope: Scope) -> Iterator[Portion]:
        """The oldest first; what comes meanwhile too."""
        last, score = b"", b""
        while True:
            last, score, rows = self._run("page", scope, last, score, PAGE)
            yield _portion(rows, self._scopes.space.dims)
            if not last:
                return

    def empty(self) -> Projection:
        return Projection.half(self._scopes.space.dims)  # what is found is ranked by vectors that are whole

    def look(
        self, scope: Scope, followed: Followed[Seen], seen: Stand[Seen], *, known: Sequence[int], missing: Sequence[int]
    ) -> Look[Seen] | None:
        """One script, so all of it is as of one moment."""
        keys = {exemplar_id: followed.key(exemplar_id) for exemplar_id in (*known, *missing)}
        words = [word for pair in keys.items() for word in pair]
        mark = seen.mark
        told = self._run(
            "look", scope, mark.life, mark.revision, followed.projection.live, MOST_NEWS, len(known), *words
        )
        if not told:
            return None
        at, revision, gone, rows, fetched = told
        there = frozenset(known).difference(map(int, gone))
        news = _portion(rows, self._scopes.space.dims)
        fresh = searching.pairs_of(fetched, self._scopes.space)
        return Look(Stand(Seen(mark.life, revision), float(at)), news, there, fresh)

    def search(self, scope: Scope, query: Vector, *, k: int) -> Near:
        for _ in range(_ATTEMPTS):
            total, keys = searching.near(self._scopes, scope, query, k=k)
            found: Mapping[int, Pair] = self._recollection.fetched(
                list(keys), partial(searching.fetch, self._scopes, scope, keys)
            )
            if len(found) == len(keys):
                break
        return Near(found, total <= FEW)

    def _build(self, scope: Scope) -> None:
        """Make up for a journal that was not kept, others wanting the server in between."""
        builder, cursor = self._run("build", scope, "", "")
        while builder:
            builder, cursor = self._run("build", scope, builder, cursor)

    def _run(self, name: str, scope: Scope, *words: bytes | str | int) -> Any:
        return self._scopes.run(f"journal_{name}", scope_name(scope), self._scopes.space.id, *words)


def _portion(stored: Sequence[bytes], dims: int) -> Portion:
    """From id, key, expiry and vector of each row."""
    ids = [int(each) for each in stored[::_ROW_WIDTH]]
    rows = Rows(
        np.array(ids, np.int64),
        np.array([float(each) for each in stored[2::_ROW_WIDTH]], np.float64),
        units(np.frombuffer(b"".join(stored[3::_ROW_WIDTH]), np.float32).reshape(len(ids), dims)),
    )
    return Portion(rows, dict(zip(ids, stored[1::_ROW_WIDTH], strict=True)))
