"""Finding what is near: the vector set of a scope finds candidates, their vectors as they were stored rank them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from semcache.entry import Candidate, Embedding, Scope
from semcache.stores.ranking import ranked
from semcache.stores.recollection import Pair
from semcache.stores.redis.scopes import Scopes
from semcache.stores.redis.spelling import read_entry, read_exemplar, scope_name
from semcache.stores.similarity import unit

_ENTRY_FIELDS = 6
_TOLERANCE = 2e-6  # of VSIM's scores, which are (1 + cosine) / 2 in float32
EXHAUSTIVE = 1000  # exemplars up to which every one is compared: a graph is no faster


def nearest(scopes: Scopes, scope: Scope, embedding: Embedding, *, k: int) -> list[Candidate]:
    """The k nearest exemplars of live entries, as brute force would rank them."""
    if k <= 0:
        return []
    query = unit(embedding.vector)
    is_zero = not query.any()
    asked = np.ones_like(query) if is_zero else query  # nothing is near to nothing: all are fetched, and tie
    stored = scopes.run(
        "nearest", scope_name(scope), asked.tobytes(), int(is_zero), k, scopes.space.id, _TOLERANCE, EXHAUSTIVE
    )
    return ranked(query, list(_pairs(scopes, stored)))[:k]


def has_exemplars(scopes: Scopes, scope: Scope) -> bool:
    return bool(scopes.run("any", scope_name(scope), scopes.space.id))


def _pairs(scopes: Scopes, stored: Sequence[list[bytes]]) -> Iterator[Pair]:
    for fields in stored:
        entry = read_entry(fields[:_ENTRY_FIELDS])
        for place in range(_ENTRY_FIELDS, len(fields), 2):
            yield entry, read_exemplar(entry.id, int(fields[place]), fields[place + 1], scopes.space)
