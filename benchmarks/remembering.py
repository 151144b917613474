"""Parts that the benchmarks bring along: a model that embeds each text once, and a judge that is wrong at times."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from semcache import Settings
from semcache.decision.sameness.judge import Judge
from semcache.decision.sameness.outcomes import Different, Pairing, Same, Sameness
from semcache.embedders.embedder import Embedder, WordVectors
from semcache.embedders.opening import open_embedder
from semcache.entry import Embedding
from semcache.opening import find_models_dir


class RememberingEmbedder:
    """The real model; what it has embedded before, in this process, it does not embed again. Never closed."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._embedded: dict[tuple[str, bool], Embedding] = {}
        self.name, self.fingerprint, self.dims = embedder.name, embedder.fingerprint, embedder.dims

    def embed(self, text: str, *, tokens: bool = False) -> Embedding:
        found = self._embedded.get((text, tokens))
        if found is None:
            found = self._embedded[text, tokens] = self._embedder.embed(text, tokens=tokens)
        return found

    def words(self, text: str) -> WordVectors:
        return self._embedder.words(text)

    def embed_many(self, texts: Sequence[str]) -> list[Embedding]:
        return [self.embed(text) for text in texts]

    def vectors(self, texts: set[str]) -> dict[str, NDArray[np.float32]]:
        return {text: self.embed(text).vector for text in sorted(texts)}

    def close(self) -> None:
        """Others go on using it."""


@cache
def shared_embedder() -> RememberingEmbedder:
    """The shipped model, one for each process, on one thread."""
    settings = Settings()
    return RememberingEmbedder(open_embedder(settings.embedder, models_dir=find_models_dir(settings)))


class FallibleJudge:
    """Says the opposite of what a good judge says in a share of the cases."""

    def __init__(self, judge: Judge, share: float, chance: random.Random) -> None:
        self._judge = judge
        self._share = share
        self._chance = chance

    def compare(self, pairing: Pairing) -> Sameness:
        sameness = self._judge.compare(pairing)
        if self._chance.random() >= self._share:
            return sameness
        match sameness:
            case Same(certainty=certainty):
                return Different("mistaken", certainty)
            case Different(certainty=certainty):
                return Same("mistaken", certainty)
            case _:
                return sameness
