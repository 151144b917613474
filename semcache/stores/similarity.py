"""Cosine similarity as every store means it, so that stores agree to the last bit and on ties."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semcache.entry import Embedding
from semcache.errors import IndexMismatch

if TYPE_CHECKING:
    from semcache.entry import Vector, Vectors


def unit(vector: Vector) -> Vector:
    """The vector at unit length, in float32; a zero vector stays zero and is similar to nothing."""
    exact = np.asarray(vector, dtype=np.float64)
    length = float(np.sqrt(np.add.reduce(exact * exact)))
    return (exact / length if length > 0 else exact).astype(np.float32)


def units(rows: Vectors) -> Vectors:
    """Each row at unit length: equal to `unit` row by row."""
    exact = np.asarray(rows, dtype=np.float64)
    lengths = np.sqrt(np.add.reduce(exact * exact, axis=1))
    lengths[lengths == 0] = 1.0
    return np.asarray((exact / lengths[:, None]).astype(np.float32))


def cosines(query: Vector, rows: Vectors) -> NDArray[np.float64]:
    """Cosine of the query with each row, summed in float64: a row's value never depends on the others."""
    exact_query, exact_rows = query.astype(np.float64), rows.astype(np.float64)
    products = np.add.reduce(exact_rows * exact_query, axis=1)
    squares = np.add.reduce(exact_rows * exact_rows, axis=1) * np.add.reduce(exact_query * exact_query)
    lengths = np.sqrt(squares)
    lengths[lengths == 0] = 1.0
    return np.asarray(np.clip(products / lengths, -1.0, 1.0))


def closest_first(ids: NDArray[np.int64], similarities: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions ordered by similarity, ties by id."""
    return np.lexsort((ids, -similarities))


def check_embeddings(embeddings: Iterable[Embedding], dims: int | None) -> None:
    """Refuse what cannot be compared. Raises `IndexMismatch`."""
    for embedding in embeddings:
        shape, windows = embedding.vector.shape, embedding.windows.shape
        expected = shape[-1] if dims is None and shape else dims
        if shape != (expected,) or len(windows) != 2 or windows[1] != expected:
            raise IndexMismatch(f"embedding: vector {shape} and windows {windows} do not fit a store of {dims} dims")
        if not (np.isfinite(embedding.vector).all() and np.isfinite(embedding.windows).all()):
            raise IndexMismatch("embedding: holds NaN or infinity; rebuild the embedding model")
