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
# Up to so many exemplars every one is compared: 0.5 ms at 1,000 of 384 dims either way, but 3 ms against 2 ms at 5,000.
# Beyond, a search of the graph at EF 200 finds all of the 16 nearest of a question that has been asked in other words
# (as EF 100 does), and the nearest in 99.5 of 100 of one that is far from everything (98 at EF 100). Vectors are FP32:
# quantised to 8 bits they take half the memory, 1.1 kB instead of 2.2, and a search 0.8 of the time, but their scores
# are off by 2e-3, and everything within that has to be fetched and ranked.
EXHAUSTIVE = 1000


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
