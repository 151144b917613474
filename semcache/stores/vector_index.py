"""All that is asked of FAISS: exact, rounded and graph indexes over inner products of unit vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import faiss as untyped_faiss
import numpy as np
from numpy.typing import NDArray

from semcache.errors import IndexMismatch

if TYPE_CHECKING:
    from semcache.entry import Vector, Vectors


faiss: Any = untyped_faiss  # its stubs describe the C++ side, not what Python is given
Index = Any
Found = tuple[NDArray[np.float32], NDArray[np.int64]]  # scores, closest first, and slots

# With 20,000 vectors in 300 clusters 16 links and effort 64 have a recall@16 of 1.000 already; twice the links lose
# half as many neighbours where vectors have no clusters at all. More effort only drives more of the embedding
# model out of the CPU's cache.
GRAPH_LINKS = 32
GRAPH_BUILD_EFFORT = 80
GRAPH_SEARCH_EFFORT = 64


def exact_index(dims: int) -> Index:
    return faiss.IndexFlatIP(dims)


def half_index(dims: int) -> Index:
    """Exact but for rounding to 16 bits: half the memory, and two thirds to half of the time."""
    return faiss.IndexScalarQuantizer(dims, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def graph_index(dims: int) -> Index:
    index = faiss.IndexHNSWFlat(dims, GRAPH_LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = GRAPH_BUILD_EFFORT, GRAPH_SEARCH_EFFORT
    return index


def is_graph(index: Index) -> bool:
    return isinstance(index, faiss.IndexHNSW)


def bytes_per_slot(index: Index) -> int:
    if is_graph(index):
        return int(index.d) * 4 + 2 * GRAPH_LINKS * 4
    return int(index.code_size)


def on_one_core() -> None:
    """Keep FAISS's own threads away; holds for the calling thread only."""
    faiss.omp_set_num_threads(1)


def search(index: Index, query: Vector, count: int) -> Found:
    """About the nearest; the slot is -1 where the graph leads to no more."""
    scores, slots = index.search(query[None], count)
    return scores[0], slots[0]


def search_exactly(index: Index, query: Vector, count: int, among: NDArray[np.bool_]) -> Found:
    """The nearest among these slots, of which there are at least `count`."""
    params = None
    if not among.all():
        params = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(among, bitorder="little")))
    scores, slots = _flat(index).search(query[None], count, params=params)
    return scores[0], slots[0]


def vectors_at(index: Index, slots: NDArray[np.int64] | NDArray[np.intp]) -> Vectors:
    flat = _flat(index)
    if not isinstance(flat, faiss.IndexFlat):
        return np.asarray(flat.reconstruct_batch(slots))
    rows = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
    return np.asarray(rows[slots])


def write_index(index: Index, write: Callable[[bytes], None]) -> None:
    faiss.write_index(index, faiss.PyCallbackIOWriter(write))


def read_index(read: Callable[[int], bytes]) -> Index:
    """Raises `IndexMismatch` for what this version of FAISS cannot read."""
    try:
        return faiss.read_index(faiss.PyCallbackIOReader(read))
    except RuntimeError as error:
        raise IndexMismatch("its index cannot be read by this version of FAISS") from error


def _flat(index: Index) -> Index:
    return faiss.downcast_index(index.storage) if is_graph(index) else index
