"""How like two answers are, as numbers with names: what the local judge weighs.

Late interaction as in ColBERT (Khattab and Zaharia 2020, arXiv 2004.12832): every word looks for its best partner in
the other answer, in context. Beside it the similarity of whole answers and of their sentences told nothing more.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Protocol

import numpy as np

from semcache.decision.guards import is_disagreed
from semcache.decision.lexicon import lexicon
from semcache.decision.sameness.said import Said
from semcache.entry import Embedding

if TYPE_CHECKING:
    from semcache.entry import Vectors

# What a high value of each says.
MEANINGS = {
    "words_covered": "each word of one has its like in the other",
    "values_shared": "the values of one are in the other",
    "code": "each has code that the other lacks",
    "names": "each names somebody or something that the other does not",
    "negation": "one denies what the other says",
    "opposites": "they hold opposite words",
}
LIKENESS = tuple(MEANINGS)
SPEAKS_FOR = frozenset(("words_covered", "values_shared"))
_GUARDS = ("names", "negation", "opposites")
_LEAST_SENTENCE = 3  # content words of a sentence that is not the same by chance


class Embed(Protocol):
    """As in `Embedder`."""

    def __call__(self, text: str, *, tokens: bool = False) -> Embedding: ...


def likeness(mine: Said, yours: Said, embeddings: tuple[Embedding, Embedding]) -> list[float]:
    """A value for each of `MEANINGS`. `embeddings` are of the answers, with their tokens."""
    words = _words(embeddings[0]) @ _words(embeddings[1]).T
    return [
        max(float(words.max(axis=1).mean()), float(words.max(axis=0).mean())),
        _values_shared(mine, yours),
        float(has_other_code(mine, yours)),
        *(float(is_disagreed(guard, mine.profile, yours.profile)) for guard in _GUARDS),
    ]


def has_other_code(mine: Said, yours: Said) -> bool:
    """Whether each has code that the other lacks."""
    return bool(mine.code - yours.code) and bool(yours.code - mine.code)


def template(mine: Said, yours: Said) -> float:
    """The largest share of words that two sentences have in common which each have words of their own.

    1 where a sentence is word for word the same in both and the rest is not: who words an answer anew words all of it.
    """
    most = 0.0
    for left, right in product(mine.contents, yours.contents):
        if left == right and len(left) >= _LEAST_SENTENCE and mine.content != yours.content:
            return 1.0
        if left - right and right - left:
            most = max(most, len(left & right) / len(left | right))
    return most


def least_window(one: Embedding, other: Embedding) -> float:
    """The similarity of the least matched windows of long texts, both ways; 1 for short ones."""
    if len(one.windows) == len(other.windows) == 1:
        return 1.0
    alike = one.windows @ other.windows.T
    return min(float(alike.max(axis=0).min()), float(alike.max(axis=1).min()))


def _words(whole: Embedding) -> Vectors:
    """The vectors of the words that say something; of the whole text where the embedder gives none."""
    if whole.tokens is None or not len(whole.tokens):
        return whole.vector[None, :]
    stop = lexicon().stop
    kept = [place for place, text in enumerate(whole.token_texts) if text[-1:].isalnum() and text not in stop]
    vectors = whole.tokens[kept or slice(None)]
    unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit


def _values_shared(mine: Said, yours: Said) -> float:
    left, right = ({value for found in said.values for value in found} for said in (mine, yours))
    fewer = min(len(left), len(right))
    return len(left & right) / fewer if fewer else float(not left and not right)
