"""The certificate: an upper bound on the live false-hit rate, true at every moment whatever the traffic does.

Hit i is wrong with a probability μᵢ that may depend on all that went before, and is audited with a rate qᵢ fixed before
the draw. With Zᵢ = 1 where an audit found it wrong, exp(-λZᵢ) / (1 - qᵢμᵢ(1-e^-λ)) has expectation ≤ 1, so the product
over the hits is a supermartingale and, by Ville's inequality, reaches 1/alpha with probability ≤ alpha, ever. Whatever
rate would make it that large is excluded. All this also holds with μᵢ replaced by the outcome itself, since then only
the draw is random: the bound covers the answers that were really served, under any drift and any policy that learns
from the audits. Soft outcomes in [0, 1] are covered too. Several λ are averaged (Robbins 1970; Howard et al. 2021).

The published figure bounds the *plain* mean over all hits, also where the audit rate falls: an audit-weighted mean is
tighter, but counts an early hit fifty times as much as one of today. λ is set per rate, so that each hit weighs the
same (qᵢ(1-e^-λᵢ) = θ) as far as its rate allows; beyond that, the wrong answers are assumed to hide where they show
least, so that a falling rate, or hits without any audit, loosen the bound gradually. No distribution-free bound can
exclude ln(alpha) / ln(1-q) undetected wrong answers among the hits audited at q.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

AUDIT_RATES = (1.0, 0.2, 0.05, 0.02)
"""The rates the bound is sharpest for: those of the schedule, fixed before any outcome is known."""
_LAMBDAS: Array = np.array([0.05, 0.1, 0.2, 0.4, 0.7, 1, 1.5, 2, 3, 4, 6])
_COARSE: Array = np.array([0.7, 1.5, 4.0])  # enough for the higher rates, whose small λ the lower rates stand in for
_MOST = float(-np.expm1(-_LAMBDAS[-1]))
_WILSON_Z = 1.959964  # two-sided 95 %


def false_hit_rate_upper(wrong: float, hits: int, *, audit_rate: float = 1.0, alpha: float = 0.05) -> float:
    """The bound where the audit rate never changed; `hits` counts all hits, `wrong` those an audit found wrong."""
    if not 0 < audit_rate <= 1:
        raise ValueError("audit_rate must lie in (0, 1]")
    if hits == 0:
        return 1.0
    c = -np.expm1(-_LAMBDAS)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        evidence = np.logaddexp.reduce(-_LAMBDAS * wrong - hits * np.log1p(-middle * c)) - math.log(len(_LAMBDAS))
        low, high = (low, middle) if evidence >= -math.log(alpha) else (middle, high)
    return min(1.0, high / audit_rate)


@dataclass(frozen=True)
class Arm:
    """The hits that had one audit rate: how many, how many of them audited, and the sum of what the audits found."""

    rate: float
    hits: int
    audited: int
    wrong: float


@dataclass(frozen=True)
class Evidence:
    """What uniform audits have shown. Adding two of them is the same as observing both streams in one.

    Book an undrawn hit at once and a drawn one when it has been judged (how long that takes must not depend on the
    outcome). An audit that could not be judged is booked as 1.0 to stay valid, or left out if it failed at random.
    """

    arms: tuple[Arm, ...] = ()
    placebo_compared: int = 0
    placebo_differed: float = 0.0

    @property
    def hits(self) -> int:
        return sum(arm.hits for arm in self.arms)

    @property
    def audited(self) -> int:
        return sum(arm.audited for arm in self.arms)

    @property
    def wrong(self) -> float:
        return math.fsum(arm.wrong for arm in self.arms)

    @property
    def lowest_rate(self) -> float | None:
        return min((arm.rate for arm in self.arms), default=None)

    def observe_hit(self, audit_rate: float, outcome: bool | float | None) -> Evidence:
        """One hit that had this chance of a uniform audit; `outcome`: None = not drawn, True or 1.0 = wrong."""
        if not 0 <= audit_rate <= 1 or (outcome is not None and not (0 <= outcome <= 1 and audit_rate > 0)):
            raise ValueError("audit_rate and outcome must lie in [0, 1], and a drawn hit had a rate above 0")
        drawn, wrong = (0, 0.0) if outcome is None else (1, float(outcome))
        return replace(self, arms=_merged((*self.arms, Arm(audit_rate, 1, drawn, wrong))))

    def observe_placebo(self, differed: bool | float) -> Evidence:
        """Two fresh answers to the same prompt were compared: what the judge says is its own noise."""
        compared, total = self.placebo_compared + 1, self.placebo_differed + float(differed)
        return replace(self, placebo_compared=compared, placebo_differed=total)

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            _merged(self.arms + other.arms),
            self.placebo_compared + other.placebo_compared,
            self.placebo_differed + other.placebo_differed,
        )

    def upper(self, alpha: float = 0.05, *, rates: Sequence[float] = AUDIT_RATES) -> float:
        """The plain mean over all hits is at most this, at every moment at once, with probability 1 - alpha.

        Any rates may have been used; `rates` says for which the bound is sharpest, and is fixed beforehand.
        """
        hits, blind = self.hits, sum(arm.hits for arm in self.arms if arm.rate == 0)
        if hits == blind:
            return 1.0
        arms = [arm for arm in self.arms if arm.rate > 0]
        seen = _upper(arms, _grid(rates), threshold=-math.log(alpha))
        return min(1.0, (seen * (hits - blind) + blind) / hits)

    def estimate(self) -> float | None:
        """The false-hit rate, each audited hit standing for 1/rate hits (Horvitz-Thompson, self-normalised)."""
        weight = math.fsum(arm.audited / arm.rate for arm in self.arms if arm.audited)
        return math.fsum(arm.wrong / arm.rate for arm in self.arms if arm.audited) / weight if weight else None

    def placebo_rate(self) -> float | None:
        return self.placebo_differed / self.placebo_compared if self.placebo_compared else None

    def excess(self) -> tuple[float, float] | None:
        """A 95 % interval of the audited rate less the judge's own noise (Newcombe's hybrid score interval).

        For one look at a stable mix, unlike `upper`. Weighted audits count as (Σw)²/Σw² equal ones.
        """
        hit, placebo = self.estimate(), self.placebo_rate()
        if hit is None or placebo is None:
            return None
        weight = math.fsum(arm.audited / arm.rate for arm in self.arms if arm.audited)
        squares = math.fsum(arm.audited / arm.rate**2 for arm in self.arms if arm.audited)
        hit_low, hit_high = _wilson(hit, weight**2 / squares)
        placebo_low, placebo_high = _wilson(placebo, self.placebo_compared)
        difference = hit - placebo
        return (
            difference - math.hypot(hit - hit_low, placebo_high - placebo),
            difference + math.hypot(hit_high - hit, placebo - placebo_low),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "arms": [[arm.rate, arm.hits, arm.audited, arm.wrong] for arm in self.arms],
            "placebo": [self.placebo_compared, self.placebo_differed],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Evidence:
        arms = (Arm(float(rate), int(hits), int(audited), float(wrong)) for rate, hits, audited, wrong in data["arms"])
        compared, differed = data["placebo"]
        return cls(_merged(arms), int(compared), float(differed))


def _merged(arms: Iterable[Arm]) -> tuple[Arm, ...]:
    """One arm per rate, the highest rate first."""
    by_rate: dict[float, Arm] = {}
    for arm in arms:
        old = by_rate.get(arm.rate, Arm(arm.rate, 0, 0, 0.0))
        by_rate[arm.rate] = Arm(arm.rate, old.hits + arm.hits, old.audited + arm.audited, old.wrong + arm.wrong)
    return tuple(by_rate[rate] for rate in sorted(by_rate, reverse=True))


def _grid(rates: Sequence[float]) -> tuple[Array, Array]:
    """The grid of θ, all λ at the lowest rate and a few at the others, and log weights: the same for each rate."""
    *higher, lowest = sorted(rates, reverse=True)
    scaled = [(rate, _COARSE) for rate in higher] + [(lowest, _LAMBDAS)]
    thetas = np.concatenate([-rate * np.expm1(-lambdas) for rate, lambdas in scaled])
    return thetas, -np.concatenate([np.full(len(lambdas), np.log(len(lambdas) * len(rates))) for _, lambdas in scaled])


def _upper(arms: Sequence[Arm], grid: tuple[Array, Array], *, threshold: float) -> float:
    """The largest mean that the mixture does not exclude: a coarse search, then a fine one, rounded up."""
    means = np.append(np.geomspace(1e-7, 1.0, 400), 1.0)
    for _ in range(2):
        excluded = _evidence(arms, grid, means) >= threshold
        if not excluded.any():
            return float(means[-1])
        first = int(np.argmax(excluded))
        means = np.linspace(means[first - 1] if first else 0.0, means[first], 200)
    return float(means[int(np.argmax(_evidence(arms, grid, means) >= threshold))])


def _evidence(arms: Sequence[Arm], grid: tuple[Array, Array], means: Array) -> Array:
    """Log evidence against each mean: Σ_θ of the least that any spread of the wrong answers over the arms allows."""
    rates, hits, wrong = (np.array([getattr(arm, name) for arm in arms], float) for name in ("rate", "hits", "wrong"))
    logs = []
    for theta, log_weight in zip(*grid, strict=True):
        c = np.minimum(theta / rates, _MOST)
        logs.append(log_weight + np.log1p(-c) @ wrong + _least(rates * c, hits, means))
    mixed: Array = np.logaddexp.reduce(np.array(logs), axis=0)
    return mixed


def _least(strength: Array, hits: Array, means: Array) -> Array:
    """The least Σ -nₖ ln(1-aₖμₖ) of all μ in [0, 1] of this mean.

    The optimum has μₖ = 1/aₖ - x, clipped to [0, 1], with one x for all: a piecewise linear function to be inverted.
    """
    inverse = 1 / strength
    levels = np.unique(np.concatenate([inverse, inverse - 1]))
    filled = np.clip(inverse - levels[:, None], 0, 1) @ hits
    level = np.interp(means * hits.sum(), filled[::-1], levels[::-1])
    spread = np.clip(inverse - level[:, None], 0, 1)
    least: Array = -np.log1p(-spread * strength) @ hits
    return least


def _wilson(rate: float, count: float) -> tuple[float, float]:
    z2 = _WILSON_Z**2
    centre = rate + z2 / (2 * count)
    half = _WILSON_Z * math.sqrt(rate * (1 - rate) / count + z2 / (4 * count**2))
    return max(0.0, (centre - half) / (1 + z2 / count)), min(1.0, (centre + half) / (1 + z2 / count))
