"""Fits the numbers of the local judge: a logistic model of likeness, and the probabilities from which it decides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from judge_pairs import Pair
from numpy.typing import NDArray

from semcache.decision.sameness.likeness import LIKENESS, SPEAKS_FOR, Embed, likeness
from semcache.decision.sameness.local import Scale, doubt_about, said_in, settled_by_rule
from semcache.decision.sameness.outcomes import Same
from semcache.decision.scorer import Scorer

WRONG_SAME, WRONG_DIFFERENT = 0.03, 0.05  # the most, of the pairs that likeness decides so
_Z_SAME, _Z_DIFFERENT = 1.28, 0.0  # a wrong "same" poisons the cache: its upper bound counts, which holds 9 times in 10
_FOLDS = 10
_RIDGE = 2.0
_LEAST_SCALE = 0.02
_NONE = 1e-3  # beyond all that was seen
_SAME = 1e-9  # probabilities that differ by less are one
_NOTES = {
    "same_from": "at or above this probability, and without a doubt: the same",
    "different_below": "below: different",
    "template_from": "two sentences with so large a share of words in common differ by a detail: a doubt; not fitted",
    "window_from": "windows of long answers that are less alike than this: a doubt; not fitted",
    "equal_certainty": "of answers with the same words",
    "conflict_certainty": "of answers that state another value or polarity, or where one is none",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Cases:
    """What likeness has to decide: rows of LIKENESS, 0 or 1, and the pairs."""

    rows: Floats
    labels: Floats
    pairs: Sequence[Pair]


def fitted_scale(pairs: Sequence[Pair], embed: Embed, *, start: Scale) -> Scale:
    """The scale for these pairs. Thresholds are chosen by probabilities that each fold was not fitted with."""
    certain = _with_certainties(pairs, start)
    cases = _cases(pairs, embed, certain)
    probabilities = np.zeros(len(cases.labels))
    folds = np.arange(len(cases.labels)) * _FOLDS // len(cases.labels)  # neighbouring rows share a question
    for fold in range(_FOLDS):
        inside = folds == fold
        scale = _logistic(cases.rows[~inside], cases.labels[~inside], certain)
        probabilities[inside] = [scale.probability(row) for row in cases.rows[inside].tolist()]
    return _logistic(cases.rows, cases.labels, _with_thresholds(certain, cases, probabilities))


def written_scale(scale: Scale, embedder: str) -> str:
    """The text of local.toml."""
    head = [
        f"# What the likeness of two answers is worth with {embedder}; read by semcache.decision.sameness.local.",
        "# benchmarks/judge_quality.py --fit writes this file.",
        "",
    ]
    figures = [f"{name} = {getattr(scale, name):.3g}  # {note}" for name, note in _NOTES.items()]
    weights = [f"{name} = {weight:.4g}" for name, weight in zip(LIKENESS, scale.weights, strict=True)]
    law = ["", "# The probability of being the same is 1 / (1 + exp(-(intercept + sum of weight * value)))."]
    return "\n".join([*head, *figures, *law, f"intercept = {scale.intercept:.4g}", "", "[weights]", *weights, ""])


def _cases(pairs: Sequence[Pair], embed: Embed, scale: Scale) -> _Cases:
    left = [pair for pair in pairs if settled_by_rule(pair.pairing, scale) is None]
    rows = []
    for pair in left:
        said = said_in(pair.pairing)
        rows.append(likeness(*said, (embed(said[0].plain, tokens=True), embed(said[1].plain, tokens=True))))
    return _Cases(np.array(rows), np.array([float(pair.same) for pair in left]), left)


def _with_certainties(pairs: Sequence[Pair], scale: Scale) -> Scale:
    """How often the rules were right, one more of each counted."""
    right = {True: [1, 2], False: [1, 2]}
    for pair in pairs:
        verdict = settled_by_rule(pair.pairing, scale)
        if verdict is not None:
            says_same = isinstance(verdict, Same)
            right[says_same][0] += says_same == pair.same
            right[says_same][1] += 1
    conflict = right[False][0] / right[False][1]
    return replace(scale, conflict_certainty=round(conflict, 3))  # equal words are the same by definition


def _logistic(rows: Floats, labels: Floats, scale: Scale) -> Scale:
    """Weights that may not count for what speaks against, nor against what speaks for."""
    centre, spread = rows.mean(axis=0), np.maximum(rows.std(axis=0), _LEAST_SCALE)
    count = len(LIKENESS)
    floors = np.array([0.0 if name in SPEAKS_FOR else -math.inf for name in LIKENESS])
    ceilings = np.array([math.inf if name in SPEAKS_FOR else 0.0 for name in LIKENESS])
    prior, precision = np.zeros(count + 1), np.full(count + 1, _RIDGE)
    blank = Scorer(0.0, np.zeros(count), centre, spread, prior, precision, floors, ceilings)
    found = blank.fitted(rows, labels, np.ones(len(labels)))
    weights = found.weights / spread
    return replace(scale, intercept=found.intercept - float(weights @ centre), weights=tuple(weights.tolist()))


def _with_thresholds(scale: Scale, cases: _Cases, probabilities: Floats) -> Scale:
    free = np.array([doubt_about(pair.pairing, scale) is None for pair in cases.pairs])
    same_from = -_border(-probabilities[free], cases.labels[free] == 0, at_most=WRONG_SAME, z=_Z_SAME)
    different_below = _border(probabilities, cases.labels == 1, at_most=WRONG_DIFFERENT, z=_Z_DIFFERENT)
    return replace(scale, same_from=same_from, different_below=different_below)


def _border(order: Floats, wrong: NDArray[np.bool_], *, at_most: float, z: float) -> float:
    """Up to where pairs may be decided, lowest first, so that the bound of the share that are wrong is at most this."""
    places = np.argsort(order, kind="stable")
    sorted_, bounds = order[places], _upper(np.cumsum(wrong[places]), np.arange(1, len(places) + 1), z)
    is_last_of_its_kind = np.append(np.diff(sorted_) > _SAME, True)
    allowed = np.flatnonzero((bounds <= at_most) & is_last_of_its_kind[: len(places)])
    if not len(allowed):
        return (float(sorted_[0]) if len(places) else -1.0) - _NONE
    last = int(allowed[-1])
    return float(sorted_[last] + sorted_[min(last + 1, len(places) - 1)]) / 2


def _upper(wrong: NDArray[np.int_], total: NDArray[np.int_], z: float) -> Floats:
    """Wilson's bound."""
    share, spread = wrong / total, z * z / total
    bound: Floats = (share + spread / 2 + z * np.sqrt(share * (1 - share) / total + spread / (4 * total))) / (
        1 + spread
    )
    return bound


assert set(_NOTES) | {"intercept", "weights"} == {field.name for field in fields(Scale)}
