"""An embedder for tests: words and their letter groups, hashed. It knows no meaning, only overlap."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from semcache.embedders.embedder import WordVectors
from semcache.entry import Embedding

if TYPE_CHECKING:
    from semcache.entry import Vector

_WORD = re.compile(r"\w+|[^\w\s]")
_WORDS_A_WINDOW = 256
_GROUP = 3  # letters


class HashedEmbedder:
    """Deterministic on every machine. Texts of the same words have nearly the same vector, whatever their order."""

    def __init__(self, dims: int = 64) -> None:
        self.name = "hashed"
        self.dims = dims
        self.fingerprint = f"hashed-{dims}-1"

    def embed(self, text: str, *, tokens: bool = False) -> Embedding:
        words = _WORD.findall(text.lower())
        starts = range(0, max(1, len(words)), _WORDS_A_WINDOW)
        windows = np.stack([self._window(words[start : start + _WORDS_A_WINDOW]) for start in starts])
        vector = windows[0] if len(windows) == 1 else _unit(windows.sum(axis=0))
        if not tokens:
            return Embedding(vector, windows)
        rows = np.zeros((len(words), self.dims), np.float32)
        for row, word in enumerate(words):
            rows[row] = self._window([word])
        return Embedding(vector, windows, rows, tuple(words))

    def words(self, text: str) -> WordVectors:
        words = _WORD.findall(text.lower())
        rows = [self._window([word]) for word in words]
        return WordVectors(tuple(words), np.stack(rows) if rows else np.zeros((0, self.dims), np.float32))

    def embed_many(self, texts: Sequence[str]) -> list[Embedding]:
        return [self.embed(text) for text in texts]

    def close(self) -> None:
        """Nothing to free."""

    def _window(self, words: list[str]) -> Vector:
        """Each word counts as itself and as its letter groups; no words count as one word of their own."""
        vector = np.zeros(self.dims, np.float32)
        for word in words or [""]:
            framed = f"<{word}>"
            groups = [framed[start : start + _GROUP] for start in range(max(1, len(framed) - _GROUP + 1))]
            self._add(vector, f"word {word}", 1.0)
            for group in groups:
                self._add(vector, f"group {group}", 1.0 / len(groups))
        return _unit(vector)

    def _add(self, vector: Vector, feature: str, weight: float) -> None:
        number = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
        vector[(number >> 1) % self.dims] += weight if number & 1 else -weight


def _unit(vector: Vector) -> Vector:
    length = float(np.linalg.norm(vector))
    if length < 1e-6:  # all features cancelled out
        vector = np.zeros_like(vector)
        vector[0] = length = 1.0
    return np.asarray(vector / length, dtype=np.float32)
