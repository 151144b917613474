"""Finding what is near: the vector set of a scope finds candidates, their vectors as they were stored rank them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from semcache.entry import Candidate, Embedding, Scope
from semcache.stores.redis.scopes import Scopes
from semcache.stores.redis.spelling import read_entry, read_exemplar, scope_name
from semcache.stores.similarity import closest_first, cosines, unit, units

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
    return _ranked(scopes, query, stored, k=k)


def has_exemplars(scopes: Scopes, scope: Scope) -> bool:
    return bool(scopes.run("any", scope_name(scope), scopes.space.id))


def _ranked(scopes: Scopes, query: Any, stored: Sequence[list[bytes]], *, k: int) -> list[Candidate]:
    pairs = []
    for fields in stored:
        entry = read_entry(fields[:_ENTRY_FIELDS])
        for place in range(_ENTRY_FIELDS, len(fields), 2):
            pairs.append((entry, read_exemplar(entry.id, int(fields[place]), fields[place + 1], scopes.space)))
    if not pairs:
        return []
    similarities = cosines(query, units(np.stack([exemplar.embedding.vector for _, exemplar in pairs])))
    order = closest_first(np.array([exemplar.id for _, exemplar in pairs]), similarities)
    return [Candidate(pairs[place][0], pairs[place][1], float(similarities[place])) for place in order[:k]]
