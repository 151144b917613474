"""What the words of two questions, and of the stored answer, say: overlap, alignment, leftovers, conflicts.

Late interaction as in ColBERT (Khattab and Zaharia 2020, arXiv 2004.12832): every word piece looks for its best partner
in the other text. Here the vectors know no context, so the one word that changes the answer stands out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcache.decision.guards import LEARNED_GUARDS, is_disagreed
from semcache.decision.lexicon import lexicon
from semcache.decision.profile import Profile
from semcache.embedders.embedder import WordVectors

_STOP_WEIGHT = 0.1  # of words like "the" and "how", where others weigh 1
_FULL = 5.0  # a leftover of so much weight is another question
_REST = 0.7  # what else may be left over where one word stands in another's place

# What a high value of each says, in words for the reader of an explanation.
WORDWISE = {
    "overlap": "both use the same words",
    "asked_overlap": "most words of the question are in the stored one",
    "stored_overlap": "most words of the stored question are in this one",
    "asked_alignment": "each word of the question has its like in the stored one",
    "stored_alignment": "each word of the stored question has its like in this one",
    "asked_weakest": "even the most foreign word of the question has its like",
    "stored_weakest": "even the most foreign word of the stored question has its like",
    "asked_leftover": "words of the question are missing in the stored one",
    "stored_leftover": "words of the stored question are missing in this one",
    "substitution": "the texts are the same but for a word that means something else",
    "order": "the words come in the same order",
    "length": "the two differ in length",
    "same_content": "the two have the same content words in the same order",
    "answer_support": "the stored answer speaks of what only the question mentions",
    "answer_dispute": "the stored answer speaks of what only the stored question mentions",
    **{f"{guard}_conflict": f"the two disagree: {guard}" for guard in LEARNED_GUARDS},
}


@dataclass(frozen=True)
class Reading:
    """One text, read for comparison."""

    profile: Profile
    vectors: NDArray[np.float32]  # shape (pieces, any), rows of unit length
    weights: NDArray[np.float32]  # shape (pieces,)

    @classmethod
    def of(cls, text: str, words: Callable[[str], WordVectors]) -> Reading:
        pieces = words(text)
        stop = lexicon().stop
        weights = [_STOP_WEIGHT if piece in stop or not piece[-1:].isalnum() else 1.0 for piece in pieces.pieces]
        return cls(Profile.of(text), pieces.vectors, np.array(weights, np.float32))


def wordwise(asked: Reading, stored: Reading, answer_stems: Sequence[str]) -> list[float]:
    """A value for each of `WORDWISE`. `answer_stems`: the stored answer's words, stemmed."""
    mine, yours = set(asked.profile.grammar.content), set(stored.profile.grammar.content)
    shared = len(mine & yours)
    overlaps = [shared / max(1, len(mine | yours)), shared / max(1, len(mine)), shared / max(1, len(yours))]
    only_mine, only_yours = mine - yours, yours - mine
    support = len(only_mine.intersection(answer_stems)) / len(only_mine) if only_mine else 1.0
    dispute = len(only_yours.intersection(answer_stems)) / len(only_yours) if only_yours else 0.0
    same_content = float(asked.profile.grammar.content == stored.profile.grammar.content)
    disagreements = [float(is_disagreed(guard, asked.profile, stored.profile)) for guard in LEARNED_GUARDS]
    return [*overlaps, *_alignment(asked, stored), same_content, support, dispute, *disagreements]


def _alignment(asked: Reading, stored: Reading) -> list[float]:
    count_asked, count_stored = len(asked.weights), len(stored.weights)
    length = abs(count_asked - count_stored) / max(1, count_asked + count_stored)
    if not count_asked or not count_stored:
        return [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, length]
    likeness = asked.vectors @ stored.vectors.T
    of_asked, of_stored = likeness.max(axis=1), likeness.max(axis=0)
    left_asked, left_stored = asked.weights * (1 - of_asked), stored.weights * (1 - of_stored)
    leftover_asked, leftover_stored = float(left_asked.sum()), float(left_stored.sum())
    strangest = min(float(left_asked.max()), float(left_stored.max()))
    return [
        float(asked.weights @ of_asked / asked.weights.sum()),
        float(stored.weights @ of_stored / stored.weights.sum()),
        1 - float(left_asked.max()),
        1 - float(left_stored.max()),
        min(1.0, leftover_asked / _FULL),
        min(1.0, leftover_stored / _FULL),
        strangest * float(np.exp((2 * strangest - leftover_asked - leftover_stored) / _REST)),
        _order(likeness),
        length,
    ]


def _order(likeness: NDArray[np.float32]) -> float:
    """Share of neighbouring words of the question whose partners stand in the same order, -1 to 1."""
    if likeness.shape[0] < 2:
        return 1.0
    partners = likeness.argmax(axis=1)
    return float(np.sign(np.diff(partners)).mean())
