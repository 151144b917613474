"""What outcomes of a deployment's own requests say about requests like them, on top of the shipped model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semcache.decision.routing.quality import OUTCOMES, Floats, Outcome
from semcache.decision.routing.router import Complexity, complexity_of

NEAREST = 50
WIDTH = 0.1  # of similarity: what an outcome counts falls to 1/e over it
STRENGTH = 20.0  # outcomes of the very same request that weigh as much as the model
MOST_KEPT = 4096  # a look-up of that many vectors takes 0.1 ms


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The latest outcomes with the vectors of their requests. Immutable: learning returns another."""

    vectors: NDArray[np.float32]  # shape (kept, dims), of unit length
    outcomes: Floats  # shape (kept, 4): one-hot, or shares where an outcome is uncertain

    @classmethod
    def none(cls, dims: int) -> Neighbours:
        return cls(np.zeros((0, dims), np.float32), np.zeros((0, len(OUTCOMES))))

    def with_outcome(self, vector: NDArray[np.floating], outcome: Outcome) -> Neighbours:
        """With one more outcome; beyond `MOST_KEPT` the oldest is forgotten."""
        told = np.zeros((1, len(OUTCOMES)))
        told[0, OUTCOMES.index(outcome)] = 1.0
        return replace(
            self,
            vectors=np.concatenate([self.vectors, np.asarray(vector, np.float32)[None]])[-MOST_KEPT:],
            outcomes=np.concatenate([self.outcomes, told])[-MOST_KEPT:],
        )

    def refine(self, complexity: Complexity, vector: NDArray[np.floating]) -> Complexity:
        """The model's judgement, moved towards what happened to similar requests as far as there were any."""
        if not len(self.vectors):
            return complexity
        prior = np.array(
            [complexity.neither_right, complexity.strong_only, complexity.weak_only, complexity.both_right]
        )
        similarities = self.vectors @ np.asarray(vector, np.float32)
        told, weight = weighted_outcomes(similarities, self.outcomes)
        outcomes = (told + STRENGTH * prior) / (weight + STRENGTH)
        return complexity_of(outcomes, complexity.explain, outcomes_seen=weight)


def weighted_outcomes(similarities: NDArray[np.floating], outcomes: Floats) -> tuple[Floats, float]:
    """The outcomes of the nearest, each weighing exp(-(1 - similarity) / WIDTH), and the sum of the weights."""
    if len(similarities) > NEAREST:
        nearest = np.argpartition(similarities, -NEAREST)[-NEAREST:]
        similarities, outcomes = similarities[nearest], outcomes[nearest]
    weights = np.exp((np.minimum(similarities, 1.0).astype(np.float64) - 1) / WIDTH)
    return weights @ outcomes, float(weights.sum())
