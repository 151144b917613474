"""A model of quality: how probable each outcome of asking a weaker and a stronger model is, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FARTHEST = 4.0  # spreads from the centre: a longer text than any seen says no more than the longest seen


def standardised(surfaces: Floats, centres: Floats, scales: Floats) -> Floats:
    """In spreads from the centre; what is not there (NaN) stands at the centre and so says nothing."""
    standard = np.clip((surfaces - centres) / scales, -FARTHEST, FARTHEST)
    standard[np.isnan(standard)] = 0.0
    return standard


class Outcome(StrEnum):
    """Which of the two models is right; the order is that of the columns of every array of outcomes."""

    NEITHER = "neither"
    STRONG_ONLY = "strong_only"
    WEAK_ONLY = "weak_only"
    BOTH = "both"


OUTCOMES = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature adds to the log-odds that only the stronger model is right, against both being right."""

    name: str
    log_odds: float


@dataclass(frozen=True, eq=False)
class QualityModel:
    """A softmax over `OUTCOMES`, linear in the surface and in the vector; one column of weights an outcome."""

    centres: Floats  # of the surface, shape (features,)
    scales: Floats
    intercept: Floats  # shape (4,)
    surface: Floats  # shape (features, 4)
    vector: Floats | None  # shape (dims, 4); None: judges by the surface alone

    def outcomes(self, surface: Sequence[float], vector: NDArray[np.floating] | None) -> Floats:
        """The probability of each of `OUTCOMES`."""
        logits = self.intercept + self._standard(surface) @ self.surface + self._meaning(vector)
        odds = np.exp(logits - logits.max())
        return np.asarray(odds / odds.sum(), np.float64)

    def contributions(
        self, surface: Sequence[float], vector: NDArray[np.floating] | None, *, names: Sequence[str]
    ) -> tuple[Contribution, ...]:
        """What speaks for and against the stronger model, the weightiest first."""
        apart = OUTCOMES.index(Outcome.STRONG_ONLY), OUTCOMES.index(Outcome.BOTH)
        added = self._standard(surface) * (self.surface[:, apart[0]] - self.surface[:, apart[1]])
        meaning = self._meaning(vector)
        parts = [Contribution(name, float(value)) for name, value in zip(names, added, strict=True)]
        if self.vector is not None:
            parts.append(Contribution("meaning", float(meaning[apart[0]] - meaning[apart[1]])))
        return tuple(sorted(parts, key=lambda part: -abs(part.log_odds)))

    def _standard(self, surface: Sequence[float]) -> Floats:
        return standardised(np.asarray(surface, np.float64), self.centres, self.scales)

    def _meaning(self, vector: NDArray[np.floating] | None) -> Floats:
        if self.vector is None:
            return np.zeros(len(OUTCOMES))
        if vector is None or vector.shape != self.vector.shape[:1]:
            raise ValueError(f"the router needs a vector of {len(self.vector)} dimensions")
        return np.asarray(vector @ self.vector, np.float64)
