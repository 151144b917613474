"""Poison: a stored question that is another's question with more text in it, put there to steer the answer.

Such a text comes nearer to what it imitates when the extra stretch is left out: its deletion gain (arXiv 2609.35908).
Only what another credential has stored is checked: nobody poisons himself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from semcache.decision.lexicon import lexicon
from semcache.decision.verdict import Objection
from semcache.embedders.embedder import WordVectors
from semcache.entry import Candidate, Kind

STEERING = "steering"
MOST_GAIN = 0.12  # of cosine; see benchmarks/poisoning.py
_SHORTEST = 4  # word pieces that can say what an answer should be
_LEAST_LEFT = 3  # word pieces: less than this is no question
_MOST_CUTS = 64  # places where a stretch may begin or end; of a longer text every so manieth
_STOP_WEIGHT = 0.1
_LONGEST = 200  # word pieces of a text that can be told apart so

Floats = NDArray[np.float64]


def steering_objection(question: str, credential: str, words: Callable[[str], WordVectors]) -> Objection:
    """Objects to what other credentials have stored under a text that holds more than the question it resembles."""

    def objection(candidate: Candidate) -> str | None:
        entry = candidate.entry
        if entry.kind is Kind.FAQ or entry.credential in ("", credential):
            return None
        stored = words(candidate.exemplar.text)
        if len(stored.pieces) > _LONGEST:  # a sentence of steering would drown in it
            return None if candidate.exemplar.text.strip() == question.strip() else STEERING
        return STEERING if deletion_gain(words(question), stored) > MOST_GAIN else None

    return objection


def deletion_gain(asked: WordVectors, stored: WordVectors) -> float:
    """How much nearer the stored text comes to the question without its most foreign stretch; cosines."""
    target, parts = _weighted(asked).sum(axis=0), _weighted(stored)
    count = len(parts)
    if len(asked.pieces) == 0 or count < _SHORTEST + _LEAST_LEFT:
        return 0.0
    target = target / max(1e-9, float(np.linalg.norm(target)))
    sums = np.vstack([np.zeros(parts.shape[1]), parts.cumsum(axis=0)])
    cuts = np.arange(0, count + 1, max(1, -(-count // _MOST_CUTS)))
    begins, ends = np.triu_indices(len(cuts), k=1)
    lengths = cuts[ends] - cuts[begins]
    allowed = (lengths >= _SHORTEST) & (lengths <= count - _LEAST_LEFT)
    left = sums[-1] - (sums[cuts[ends[allowed]]] - sums[cuts[begins[allowed]]])
    return max(0.0, float(_cosines(left, target).max(initial=-1.0)) - float(_cosines(sums[-1:], target)[0]))


def _weighted(words: WordVectors) -> Floats:
    stop = lexicon().stop
    weights = [_STOP_WEIGHT if piece in stop or not piece[-1:].isalnum() else 1.0 for piece in words.pieces]
    weighted: Floats = words.vectors.astype(np.float64) * np.array(weights)[:, None]
    return weighted


def _cosines(rows: Floats, target: Floats) -> Floats:
    cosines: Floats = rows @ target / np.maximum(1e-9, np.linalg.norm(rows, axis=1))
    return cosines
