"""Simulated streams whose truth is known: how often served answers are wrong, and what a scorer makes of requests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SHAPES = ("steady", "jump", "ramp", "periodic", "adversarial")
SCORERS = ("calibrated", "noisy", "over-confident at first", "over-confident", "over-confident half way")
TRAFFIC = {  # share, mean and spread of the logit of the chance to be right
    "much alike": ((0.45, 4.2, 1.2), (0.25, 2.2, 1.2), (0.30, -2.0, 1.5)),
    "two kinds": ((0.55, 5.0, 1.2), (0.20, 2.0, 1.3), (0.25, -2.5, 1.5)),
    "little alike": ((0.10, 4.0, 1.0), (0.30, 2.0, 1.0), (0.60, -1.5, 1.3)),
}
# Added after the controller's defaults had been chosen on the above, and not used to choose anything.
UNSEEN_TRAFFIC = {
    "one broad kind": ((1.0, 1.0, 2.5),),
    "sure or hopeless": ((0.5, 3.5, 0.6), (0.5, -3.0, 0.6)),
}
UNSEEN_SCORERS = ("too extreme", "over-confident where sure", "over-confident where sure half way")


def chance_of_fault(shape: str, share: float, level: float, offset: float) -> float:
    match shape:
        case "jump":
            return level if share < 0.2 + 0.6 * offset else min(1.0, 8 * level)
        case "ramp":
            return level * 4 * share
        case "periodic":
            return level * (1 + float(np.sin(2 * np.pi * (5 * share + offset))))
        case _:
            return level


def adversary(rate: float, clean: int, level: float) -> float:
    """Faultless while much is audited or the last fault was just found; bold where few look and none was found yet."""
    if rate > 0.5 or clean < 5:
        return 0.0
    return min(0.5, level / rate) if clean < 60 else min(0.9, 2 * level / rate)


def requests(traffic: str, scorer: str, count: int, seed: int) -> tuple[Array, Array]:
    """The scorer's confidence in each request's best candidate, and the true chance; the cache fills at first."""
    all_traffic, all_scorers = TRAFFIC | UNSEEN_TRAFFIC, SCORERS + UNSEEN_SCORERS
    randomness = np.random.default_rng([seed, list(all_traffic).index(traffic), all_scorers.index(scorer)])
    shares, means, spreads = np.array(all_traffic[traffic]).T
    kind = randomness.choice(len(shares), size=count, p=shares)
    places = np.arange(count)
    logit = means[kind] + spreads[kind] * randomness.normal(size=count)
    right = np.clip(_sigmoid(logit) * _sigmoid((places - 300) / 150), 1e-4, 1 - 1e-6)
    logit = np.log(right / (1 - right))
    shown, true, second_half, worse = right, right, places >= count // 2, _sigmoid(logit - 1)
    match scorer:
        case "noisy":
            shown = _sigmoid(logit + 0.7 * randomness.normal(size=count))
        case "over-confident at first":
            true = _sigmoid(logit - 1.5 * np.exp(-places / 800))
        case "over-confident":
            true = worse
        case "over-confident half way":
            true = np.where(second_half, worse, right)
        case "too extreme":
            shown = _sigmoid(1.5 * logit)
        case "over-confident where sure":
            true = np.where(right > 0.9, worse, right)
        case "over-confident where sure half way":
            true = np.where((right > 0.9) & second_half, worse, right)
    return shown, true


def _sigmoid(logit: Array) -> Array:
    return 1 / (1 + np.exp(-logit))
