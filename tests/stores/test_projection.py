"""An index in memory finds the same whatever the order in which its rows came."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_samples import random_embeddings

from semcache.stores.projection import Projection, Rows

DIMS = 4
VECTORS = np.stack([each.vector for each in random_embeddings(60, dims=DIMS, seed=4)])


def rows(ids: list[int]) -> Rows:
    return Rows(np.array(ids, np.int64), np.full(len(ids), math.inf), VECTORS[ids])


@pytest.mark.parametrize("kind", [Projection.exact, Projection.half])
@given(
    portions=st.lists(st.lists(st.integers(0, 59), unique=True, max_size=12), max_size=8),
    removed=st.lists(st.integers(0, 59), max_size=8),
    query=st.integers(0, 59),
)
def test_rows_are_found_once_in_whatever_order_they_came_and_never_once_removed(kind, portions, removed, query) -> None:
    came, there = kind(DIMS), {each for portion in portions for each in portion}
    for portion in portions:
        came.add(rows(portion))
    came.remove(removed)
    for portion in portions:
        came.add(rows(portion))  # what was removed does not come again
    at_once = Projection.exact(DIMS)
    at_once.add(rows(sorted(there - set(removed))))
    assert sorted(came.ids) == sorted(there)
    assert came.live == at_once.live
    for k in (1, 5, 60):
        assert set(came.search(VECTORS[query], k=k, now=0)) >= set(at_once.search(VECTORS[query], k=k, now=0)[:k])
        assert len(came.search(VECTORS[query], k=60, now=0)) == at_once.live
    for each in there:
        np.testing.assert_allclose(came.vector(each), VECTORS[each], atol=1e-6 if kind == Projection.exact else 2**-11)
