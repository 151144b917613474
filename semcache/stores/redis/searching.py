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
# VSIM's scores are (1 + cosine) / 2, of vectors quantised to 8 bits: off by 1e-3 at most at 384 dims as measured, and
# by 2.5e-3 where there are three. Whatever is this near to the last of the k is fetched too, and ranked exactly.
_TOLERANCE = 4e-3
# Quantised vectors take half the memory, 1.1 kB instead of 2.2, and 0.6 to 0.8 of the time of FP32. Up to so many of
# them every one is compared: 0.5 ms at 1,000 of 384 dims either way, but 2.6 ms against 1.0 at 5,000. Beyond, a search
# of the graph at EF 100 finds all of the 16 nearest of a question that has been asked in other words, and the nearest
# in 98 of 100 of one that is far from everything (99.5 at EF 200, for 1.3 ms).
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
