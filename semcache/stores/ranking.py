"""Candidates in order, by the vectors as they were given, whatever an index made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from semcache.entry import Candidate
from semcache.stores.recollection import Pair
from semcache.stores.similarity import closest_first, cosines, units

if TYPE_CHECKING:
    from semcache.entry import Vector


def ranked(query: Vector, pairs: Sequence[Pair]) -> list[Candidate]:
    """Closest first, ties by exemplar id: an index may miss a neighbour, but never makes one up."""
    if not pairs:
        return []
    rows = np.concatenate([exemplar.embedding.vector for _, exemplar in pairs]).reshape(len(pairs), -1)
    similarities = cosines(query, units(rows))
    order = closest_first(np.array([exemplar.id for _, exemplar in pairs]), similarities)
    return [Candidate(pairs[place][0], pairs[place][1], float(similarities[place])) for place in order]
