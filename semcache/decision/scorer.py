"""The probability that a stored answer is right: a pooled logistic model with a shipped prior, refitted from labels.

Maximum a posteriori with a normal prior around the shipped weights, by Newton's method with step halving (iteratively
reweighted least squares; Bishop, Pattern Recognition and Machine Learning, 4.3.3) between bounds. Early labels move it
slowly.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semcache.decision.evidence import FEATURES, MEANINGS, SPEAKS_AGAINST, SPEAKS_FOR
from semcache.errors import ManifestError

Floats = NDArray[np.float64]

MANIFEST_NAME = "scorer.toml"
_STEPS = 12
_SMALL_STEP = 1e-3
_HALVINGS = 6
_SWEEPS = 100
_SMALL_CHANGE = 1e-4
HIGHEST = 0.9999  # no evidence makes a similar answer certain


@dataclass(frozen=True)
class Contribution:
    """What one feature adds to the log-odds, compared with a typical candidate."""

    feature: str
    value: float
    log_odds: float

    @property
    def says(self) -> str:
        sign = "for" if self.log_odds > 0 else "against"
        return f"{sign} ({self.log_odds:+.2f}): {MEANINGS[self.feature]} ({self.feature} {self.value:.2f})"


@dataclass(frozen=True)
class Scorer:
    """Weights over standardised features. Immutable: learning makes a new one."""

    intercept: float
    weights: Floats
    centre: Floats
    scale: Floats
    prior: Floats  # the shipped weights, the intercept first
    precision: Floats  # of the prior, one for each of `prior`
    floors: Floats  # what speaks for an answer can be learned to count for nothing, never to count against it
    ceilings: Floats  # and the other way round

    def confidence(self, values: Floats) -> float:
        """The probability that the answer is right."""
        return min(HIGHEST, _logistic(self.intercept + float(self._standard(values) @ self.weights)))

    def contributions(self, values: Floats) -> list[Contribution]:
        """What each feature adds, the weightiest first."""
        parts = self._standard(values) * self.weights
        found = [Contribution(*row) for row in zip(FEATURES, values.tolist(), parts.tolist(), strict=True)]
        return sorted(found, key=lambda part: -abs(part.log_odds))

    def fitted(self, rows: Floats, labels: Floats, counts: Floats) -> Scorer:
        """The scorer after these labels: `rows` (n, features), `labels` 0 or 1, `counts` how often each counts."""
        design = np.hstack([np.ones((len(rows), 1)), self._standard(rows)])
        start = np.concatenate([[self.intercept], self.weights])
        bounds = np.concatenate([[-np.inf], self.floors]), np.concatenate([[np.inf], self.ceilings])
        found = _Posterior(design, labels, counts, self.prior, self.precision, *bounds).mode(start)
        return replace(self, intercept=float(found[0]), weights=found[1:])

    def with_weights(self, weights: Sequence[float]) -> Scorer:
        """The same model with other weights, the intercept first."""
        return replace(self, intercept=float(weights[0]), weights=np.array(weights[1:], np.float64))

    @property
    def all_weights(self) -> list[float]:
        return [self.intercept, *map(float, self.weights)]

    def _standard(self, values: Floats) -> Floats:
        standard: Floats = (values - self.centre) / self.scale
        return standard


def find_scorers(models_dir: Path) -> Path:
    """The manifest in `models_dir`, else the one shipped in the package, else the repository's."""
    package = Path(__file__).resolve().parents[1]
    places = [folder / MANIFEST_NAME for folder in (models_dir, package / "data", package.parent / "models")]
    for place in places:
        if place.is_file():
            return place
    raise ManifestError(f"{MANIFEST_NAME}: not found; looked at {', '.join(map(str, places))}")


def load_scorer(path: Path, embedder: str) -> Scorer | None:
    """The shipped prior for this embedding model; None where none was trained. Raises `ManifestError`."""
    try:
        top = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: cannot be read: {error}; restore it from the repository") from error
    table = top.get("models", {}).get(embedder)
    return None if table is None else _scorer(table, f"{path}: models.{embedder}")


def _scorer(table: dict[str, Any], where: str) -> Scorer:
    try:
        rows = {name: table["features"][name] for name in FEATURES}
        columns = {key: np.array([float(row[key]) for row in rows.values()]) for key in ("weight", "centre", "scale")}
        precision = np.array([float(table["precision"]), *(float(row["precision"]) for row in rows.values())])
        intercept = float(table["intercept"])
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{where}: {error}: missing or no number; run benchmarks/train_scorer.py again") from error
    if unknown := set(table["features"]) - set(FEATURES):
        raise ManifestError(f"{where}.features: unknown: {', '.join(sorted(unknown))}; run benchmarks/train_scorer.py")
    if (columns["scale"] <= 0).any() or (precision <= 0).any():
        raise ManifestError(f"{where}: every scale and precision must be more than 0; run benchmarks/train_scorer.py")
    prior = np.concatenate([[intercept], columns["weight"]])
    return Scorer(intercept, columns["weight"], columns["centre"], columns["scale"], prior, precision, *weight_bounds())


def weight_bounds() -> tuple[Floats, Floats]:
    """The least and the largest weight of each feature: evidence can never be learned to mean its opposite."""
    floors = [0.0 if name in SPEAKS_FOR else -math.inf for name in FEATURES]
    ceilings = [0.0 if name in SPEAKS_AGAINST else math.inf for name in FEATURES]
    return np.array(floors), np.array(ceilings)


@dataclass(frozen=True)
class _Posterior:
    """Labels and prior together, as a function of the weights."""

    design: Floats
    labels: Floats
    counts: Floats
    prior: Floats
    precision: Floats
    floors: Floats
    ceilings: Floats

    def mode(self, start: Floats) -> Floats:
        weights: Floats = np.array(start, np.float64)
        loss = self._loss(start)
        for _ in range(_STEPS):
            step = self._newton_step(weights)
            for halving in range(_HALVINGS):
                candidate: Floats = weights + step * 0.5**halving
                candidate_loss = self._loss(candidate)
                if candidate_loss < loss:
                    break
            else:
                return weights
            weights, loss = candidate, candidate_loss
            if float(np.abs(step).max()) < _SMALL_STEP:
                break
        return weights

    def _newton_step(self, weights: Floats) -> Floats:
        probability = _logistic_of(self.design @ weights)
        gradient = self.design.T @ (self.counts * (probability - self.labels)) + self.precision * (weights - self.prior)
        spread = self.counts * probability * (1 - probability)
        curvature = (self.design * spread[:, None]).T @ self.design + np.diag(self.precision)
        return _bounded_step(gradient, curvature, self.floors - weights, self.ceilings - weights)

    def _loss(self, weights: Floats) -> float:
        logits = self.design @ weights
        surprise = np.logaddexp(0, logits) - self.labels * logits
        return float(self.counts @ surprise + 0.5 * self.precision @ (weights - self.prior) ** 2)


def _bounded_step(gradient: Floats, curvature: Floats, least: Floats, most: Floats) -> Floats:
    """Where the quadratic model has its minimum between the bounds, by coordinate descent."""
    step, slope = np.zeros_like(gradient), gradient.copy()
    for _ in range(_SWEEPS):
        largest = 0.0
        for place in range(len(step)):
            target = min(max(step[place] - slope[place] / curvature[place, place], least[place]), most[place])
            change = target - step[place]
            if change:
                step[place] = target
                slope += change * curvature[place]
                largest = max(largest, abs(change))
        if largest < _SMALL_CHANGE:
            break
    return step


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def _logistic_of(logits: Floats) -> Floats:
    result: Floats = 0.5 * (1 + np.tanh(0.5 * logits))
    return result
