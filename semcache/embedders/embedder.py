"""The protocol every embedding model is used through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from semcache.entry import Embedding

if TYPE_CHECKING:
    from semcache.entry import Vectors


@dataclass(frozen=True)
class WordVectors:
    """The word pieces of a text with a vector each, of unit length, that depends on the piece alone."""

    pieces: tuple[str, ...]
    vectors: Vectors  # shape (len(pieces), any): never compared between two models


class Embedder(Protocol):
    """Turns texts into vectors of unit length.

    `fingerprint` names model, weights and quantisation: vectors of two fingerprints are never
    compared. Thread-safe. Raises `EmbedderError`.
    """

    name: str
    fingerprint: str
    dims: int

    def embed(self, text: str, *, tokens: bool = False) -> Embedding:
        """One text; in windows where it is longer than the model's, never cut."""
        ...

    def words(self, text: str) -> WordVectors:
        """The text word by word; of a long one, its beginning. Costs no forward pass."""
        ...

    def embed_many(self, texts: Sequence[str]) -> list[Embedding]:
        """Many texts, in order; equal to `embed` one by one, as many at once as there are cores."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
