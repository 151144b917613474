"""vCache (Schroeder et al., ICLR 2026, arXiv 2502.03771), written from the formulas of the paper alone.

Each entry keeps the similarities at which it was nearest, with labels, and is served with the smallest share of
exploration that keeps P(correct) at 1 - delta. What is asked is inserted only where the nearest answer was wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from statistics import NormalDist

import numpy as np
from baselines import Stream
from numpy.typing import NDArray
from scoring import Trace
from truth import Judge, Verdict, Workload

DELTAS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05)
FEWEST = 6  # observations of an entry, the two it is seeded with among them
SMALLEST_SLOPE = 1e-6
# Where the diverging fit of separable labels is stopped: nearest label to cut. The formulas leave it open; chosen
# because it gives the serve probabilities simulated elsewhere. It matters: 8 serves a third less, 100 a sixth more.
SEPARABLE_LOGITS = 25.0
NEWTON_STEPS = 25
# Variance of the cut where labels are perfectly separable, by the number of observations; it steps up at 48.
SEPARABLE_COUNTS = (6, 10, 20, 30, 40, 47, 48)
SEPARABLE_VARIANCES = (0.035, 0.019, 0.013, 0.008, 0.005, 0.005, 0.015)

Floats = NDArray[np.float64]


class Grid(Enum):
    """The confidence levels tried; the linear one is the authors'."""

    LINEAR = "linear"
    LOG = "log"

    def levels(self) -> Floats:
        match self:
            case Grid.LINEAR:
                return np.linspace(1e-6, 1 - 1e-6, 50)
            case Grid.LOG:
                return np.concatenate([np.logspace(-6, -1, 60), np.linspace(0.1, 0.99, 40)])


class Pooling(Enum):
    """Whose labels decide: the entry's own, as published, or all of them together."""

    PER_ENTRY = "per entry"
    GLOBAL = "global"


@dataclass(frozen=True)
class Policy:
    """`grid` None: served where the fitted probability is at least 1 - delta, without confidence or chance.

    `exact_tier`: the same text is served from what it was answered before; vCache itself gives repeats no such right.
    """

    delta: float
    grid: Grid | None = Grid.LINEAR
    pooling: Pooling = Pooling.PER_ENTRY
    exact_tier: bool = False

    @property
    def name(self) -> str:
        rule = f"{self.grid.value} grid" if self.grid else "without confidence"
        pooled = ", global" if self.pooling is Pooling.GLOBAL else ""
        return f"vCache {self.delta:.1%}, {rule}{pooled}{', exact tier' if self.exact_tier else ''}"


@dataclass(frozen=True)
class Fit:
    """The logistic's slope, its cut (where it is one half), and the cut's variance."""

    slope: float
    cut: float
    variance: float


@dataclass
class Observations:
    """Labels by similarity, rounded to three digits, seeded with one wrong at 0 and one right at 1."""

    wrong: dict[float, int] = field(default_factory=lambda: {0.0: 1})
    right: dict[float, int] = field(default_factory=lambda: {1.0: 1})
    count: int = 2

    def add(self, similarity: float, *, is_right: bool) -> None:
        labels = self.right if is_right else self.wrong
        rounded = round(similarity, 3)
        labels[rounded] = labels.get(rounded, 0) + 1
        self.count += 1

    def fit(self) -> Fit:
        """Unpenalised maximum likelihood of right ~ similarity."""
        if max(self.wrong) < min(self.right):
            return self._separable()
        similarities = np.array([*self.wrong, *self.right])
        weights = np.array([*self.wrong.values(), *self.right.values()], float)
        labels = np.zeros(len(similarities))
        labels[len(self.wrong) :] = 1.0
        return _newton(similarities, weights, labels)

    def _separable(self) -> Fit:
        """The likelihood has no maximum: the slope is stopped, the cut lies where both sides' residuals balance."""
        below, above = max(self.wrong), min(self.right)
        slope = 2 * SEPARABLE_LOGITS / (above - below)
        rights = sum(count * math.exp(-slope * (at - above)) for at, count in self.right.items())
        wrongs = sum(count * math.exp(-slope * (below - at)) for at, count in self.wrong.items())
        cut = (below + above) / 2 - math.log(rights / wrongs) / (2 * slope)
        variance = float(np.interp(self.count, SEPARABLE_COUNTS, SEPARABLE_VARIANCES))
        return Fit(slope, min(1.0, max(0.0, cut)), variance)


def _newton(similarities: Floats, weights: Floats, labels: Floats) -> Fit:
    """Two parameters by Newton's method, halving steps that do not gain; the delta method for the cut's variance."""
    centre = float(weights @ similarities) / float(weights.sum())
    x = similarities - centre
    bias, slope, likelihood = 0.0, 0.0, -math.inf
    step, curvature = (0.0, 0.0), (1.0, 0.0, 1.0)
    for _ in range(NEWTON_STEPS):
        logits = bias + step[0] + (slope + step[1]) * x
        reached = float(weights @ (labels * logits - np.logaddexp(0.0, logits)))
        if reached < likelihood - 1e-12:
            step = (step[0] / 2, step[1] / 2)
            continue
        bias, slope, gained, likelihood = bias + step[0], slope + step[1], reached - likelihood, reached
        if gained < 1e-10:
            break
        probability = 1 / (1 + np.exp(-np.clip(logits, -500.0, 500.0)))
        residual, spread = weights * (labels - probability), weights * probability * (1 - probability)
        spread_x = spread * x
        curvature = (float(spread.sum()), float(spread_x.sum()), float(spread_x @ x))
        determinant = curvature[0] * curvature[2] - curvature[1] ** 2
        if determinant < 1e-12:
            break
        pull, pull_x = float(residual.sum()), float(residual @ x)
        step = (
            (curvature[2] * pull - curvature[1] * pull_x) / determinant,
            (curvature[0] * pull_x - curvature[1] * pull) / determinant,
        )
    return _cut(bias, slope, curvature, centre)


def _cut(bias: float, slope: float, curvature: tuple[float, float, float], centre: float) -> Fit:
    """The variance does not depend on where similarities are centred: the cut is moved back, its variance is not."""
    uncentred = bias - slope * centre
    slope = max(slope, SMALLEST_SLOPE)
    determinant = max(curvature[0] * curvature[2] - curvature[1] ** 2, 1e-12)
    by_bias, by_slope = -1 / slope, bias / slope**2
    variance = (
        by_bias**2 * curvature[2] - 2 * by_bias * by_slope * curvature[1] + by_slope**2 * curvature[0]
    ) / determinant
    return Fit(slope, min(1.0, max(0.0, -uncentred / slope)), variance)


class Decision:
    """One policy's probability of serving, given a fit and a similarity."""

    def __init__(self, policy: Policy) -> None:
        self._delta = policy.delta
        self._grid = policy.grid
        levels = policy.grid.levels() if policy.grid else np.zeros(1)
        self._trusted = 1 - levels
        self._quantiles = np.array([NormalDist().inv_cdf(1 - level) if level else 0.0 for level in levels])

    def cuts(self, fit: Fit) -> Floats:
        """The cut, pessimistic at each level of confidence."""
        return np.clip(fit.cut + self._quantiles * math.sqrt(fit.variance), 0.0, 1.0)

    def serve_probability(self, fit: Fit, cuts: Floats, similarity: float) -> float:
        logits = np.clip(fit.slope * (similarity - cuts), -500.0, 500.0)
        right = float((self._trusted / (1 + np.exp(-logits))).max())
        if self._grid is None:
            return float(right >= 1 - self._delta)
        return min(1.0, self._delta / (1 - right)) if right < 1.0 else 1.0


class _Memory:
    """What is stored, with the labels each entry (or all of them together) has got and the fit of those."""

    def __init__(self, stream: Stream, policy: Policy) -> None:
        self._cosines = stream.cosines
        self._is_pooled = policy.pooling is Pooling.GLOBAL
        self._decision = Decision(policy)
        self._numbers = np.empty(len(stream.numbers), np.int64)
        self.places: list[int] = []  # in the stream, by entry
        self._labels: list[Observations] = []
        self._fits: dict[int, tuple[Fit, Floats]] = {}

    def nearest(self, number: int) -> tuple[int, float] | None:
        if not self.places:
            return None
        similarities = self._cosines[number].take(self._numbers[: len(self.places)])
        entry = int(similarities.argmax())
        return entry, float(similarities[entry])

    def serve_probability(self, entry: int, similarity: float) -> float:
        holder = 0 if self._is_pooled else entry
        if self._labels[holder].count < FEWEST:
            return 0.0
        if holder not in self._fits:
            fit = self._labels[holder].fit()
            self._fits[holder] = fit, self._decision.cuts(fit)
        fit, cuts = self._fits[holder]
        return self._decision.serve_probability(fit, cuts, similarity)

    def label(self, entry: int, similarity: float, *, is_right: bool) -> None:
        holder = 0 if self._is_pooled else entry
        self._labels[holder].add(similarity, is_right=is_right)
        self._fits.pop(holder, None)

    def insert(self, number: int, place: int) -> None:
        self._numbers[len(self.places)] = number
        self.places.append(place)
        self._labels.append(Observations())


def vcache(stream: Stream, workload: Workload, policy: Policy, *, seed: int, labels: Judge | None = None) -> Trace:
    """One run. `labels`: the judge that the learner hears, the workload's strict one unless told."""
    judge = labels or workload.strict_judge
    memory, trace, answered = _Memory(stream, policy), Trace(), dict[int, int]()
    draws = np.random.default_rng(seed).random(len(stream.rows))
    for place, (row, number) in enumerate(zip(stream.rows, stream.numbers.tolist(), strict=True)):
        is_repeat = stream.first[number] < place
        repeated = answered.get(number) if policy.exact_tier else None
        near = memory.nearest(number) if repeated is None else None
        served = repeated
        if near is not None and draws[place] < memory.serve_probability(*near):
            served = memory.places[near[0]]
        stored = None if served is None else stream.rows[served]
        trace.count(is_repeat=is_repeat, asked=row, stored=stored, judges=(workload.judge, workload.strict_judge))
        if served is not None:
            continue
        answered[number] = place
        is_right = near is not None and judge(row, stream.rows[memory.places[near[0]]]) is Verdict.RIGHT
        if near is not None:
            memory.label(*near, is_right=is_right)
        if not is_right:
            memory.insert(number, place)
    return trace
