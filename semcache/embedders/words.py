"""Vectors of word pieces by themselves, context left out: what two texts are aligned by, word against word.

They are the rows of the model's own input table, brought down to few dimensions. On pairs that differ in one word
they tell synonyms from other words as well as the contextual token vectors do, and nothing needs to be stored for
an exemplar (benchmarks/README.md, "Alignment").
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semcache.embedders.embedder import WordVectors
from semcache.embedders.windows import Windower, unit
from semcache.errors import EmbedderError

if TYPE_CHECKING:
    from semcache.entry import Vectors

WORD_DIMS = 64
MOST_PIECES = 256  # of a longer text, the first: two alignments of so many take 0.2 ms


@dataclass(frozen=True)
class WordTable:
    """A row for each word piece that the tokenizer knows."""

    rows: NDArray[np.float16]  # shape (vocabulary, WORD_DIMS), of unit length
    windower: Windower

    @classmethod
    def read(cls, content: bytes, windower: Windower) -> WordTable:
        """The table of a .npy file. Raises `EmbedderError` where it is none for this tokenizer."""
        try:
            rows = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        except ValueError as error:
            raise EmbedderError(f"not a table of word vectors: {error}") from error
        if rows.ndim != 2 or rows.dtype != np.float16 or len(rows) < windower.vocabulary:
            raise EmbedderError(f"no vector of 16-bit floats for each of {windower.vocabulary} word pieces")
        return cls(rows, windower)

    def words(self, text: str) -> WordVectors:
        """The text's word pieces in order, with a vector each."""
        ids, pieces = self.windower.pieces(text)
        ids, pieces = ids[:MOST_PIECES], pieces[:MOST_PIECES]
        return WordVectors(tuple(pieces), self.rows[np.array(ids, np.int64)].astype(np.float32))


def reduced(table: Vectors) -> NDArray[np.float16]:
    """The principal components of an input table, rows of unit length. Takes half a second."""
    centred = np.asarray(table, np.float32) - table.mean(axis=0, dtype=np.float32)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return unit(centred @ axes[:, -WORD_DIMS:]).astype(np.float16)
