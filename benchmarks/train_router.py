"""Trains the local judge of complexity from recorded right and wrong answers of a weaker and a stronger model.

One softmax over the four outcomes (both right, only the stronger, only the weaker, neither), linear in the surface of
the text and in the leading directions of its vector. How firmly it is held back is chosen by cross-validation with
whole subjects left out. Prints the choice, or writes the file the router reads.

    python benchmarks/train_router.py --data DIR --write models/router.toml
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from remembering import shared_embedder
from workloads import MissingData

from semcache.decision.routing.quality import OUTCOMES, Floats, QualityModel, standardised
from semcache.decision.routing.surface import surface_names, surface_of

Places = NDArray[np.int64]
FILE = Path("routellm/derived/routing_dev.jsonl.gz")
SEED = 100  # evaluations use 0 and up
VECTOR_SCALE, SURFACE_SCALE = 5.0, 0.5  # one ridge for both: a unit vector's directions are small numbers
LEAST_SCALE = 0.05
STEPS = 60
FOLDS = 5
_HEAD = """\
# What the local judge of complexity has learned. Read by semcache.decision.routing.router, written by
# benchmarks/train_router.py; nothing here is code, and no text of the training data is in it.
#
#   log-odds of an outcome = intercept + sum of weight * (value - centre) / scale over the surface + vector * request
#
# An outcome says which of the two models is right. The features are those of semcache/decision/routing/surface.py.
# [models.any] judges by the surface alone, for embedders it has no weights for.
"""


@dataclass(frozen=True)
class Recorded:
    """Requests with what the two models made of them: one row each."""

    subjects: NDArray[np.str_]
    surfaces: Floats
    vectors: Floats
    outcomes: Floats  # one-hot, in the order of OUTCOMES

    @property
    def weak(self) -> Floats:
        return np.asarray(self.outcomes[:, 2] + self.outcomes[:, 3])

    @property
    def strong(self) -> Floats:
        return np.asarray(self.outcomes[:, 1] + self.outcomes[:, 3])

    def at(self, places: Places) -> Recorded:
        return Recorded(*(column[places] for column in (self.subjects, self.surfaces, self.vectors, self.outcomes)))


@dataclass(frozen=True)
class Plan:
    """How a model is fitted: directions of the vector it may use, and the ridge that holds its weights back."""

    directions: int
    ridge: float


PLANS = (Plan(64, 100.0), Plan(64, 300.0), Plan(32, 300.0))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        recorded = load_recorded(options.data)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    plan = chosen_plan(recorded, PLANS, by_subject=True, seed=SEED)
    print(f"{len(recorded.subjects)} requests, {len(set(recorded.subjects))} subjects: {plan}")
    models = {shared_embedder().name: fitted(recorded, plan), "any": fitted(recorded, Plan(0, plan.ridge))}
    if options.write is not None:
        options.write.write_text(written(models), "utf-8")
    return 0


def read_rows(data: Path | None, bench: str) -> list[dict[str, object]]:
    if data is None or not (data / FILE).is_file():
        raise MissingData(f"say where the datasets are with --data DIR or SEMCACHE_DATA; needed: {FILE} (RouteLLM)")
    with gzip.open(data / FILE, "rt", encoding="utf-8") as lines:
        return [row for row in map(json.loads, lines) if row["bench"] == bench]


def load_recorded(data: Path | None, *, most: int | None = None) -> Recorded:
    """The questions with right and wrong answers, embedded; `most`: a sample of so many, the same each time."""
    rows = read_rows(data, "mmlu")
    if most is not None and most < len(rows):
        rows = [rows[place] for place in sorted(np.random.default_rng(SEED).permutation(len(rows))[:most])]
    texts = [str(row["prompt"]) for row in rows]
    codes = [2 * bool(row["weak_correct"]) + bool(row["strong_correct"]) for row in rows]
    return Recorded(
        np.array([str(row["subject"]) for row in rows]),
        np.array([surface_of(text) for text in texts]),
        np.array([shared_embedder().embed(text).vector for text in texts], np.float64),
        np.eye(len(OUTCOMES))[codes],
    )


def folds_of(recorded: Recorded, *, by_subject: bool, seed: int, folds: int = FOLDS) -> Places:
    """The fold of each row; by subject, no subject stands in two folds."""
    chance = np.random.default_rng(seed)
    if not by_subject:
        return np.asarray(chance.permutation(len(recorded.subjects)) % folds)
    names, places = np.unique(recorded.subjects, return_inverse=True)
    return np.asarray(chance.permutation(len(names)) % folds)[places]


def chosen_plan(recorded: Recorded, plans: Sequence[Plan], *, by_subject: bool, seed: int) -> Plan:
    """The plan with the least log loss on folds of `recorded` itself: what is tested later is not looked at."""
    folds = folds_of(recorded, by_subject=by_subject, seed=seed, folds=3)
    losses = dict.fromkeys(plans, 0.0)
    for fold in range(3):
        learned, held_out = recorded.at(np.flatnonzero(folds != fold)), recorded.at(np.flatnonzero(folds == fold))
        for plan in plans:
            shares = predicted(fitted(learned, plan), held_out)
            losses[plan] -= float(np.log(np.maximum((shares * held_out.outcomes).sum(1), 1e-9)).sum())
    return min(plans, key=losses.__getitem__)


def fitted(recorded: Recorded, plan: Plan) -> QualityModel:
    """The softmax regression; weights of the vector's directions are folded back into weights of the vector."""
    centres = np.nanmean(recorded.surfaces, 0)
    scales = np.maximum(np.nanstd(recorded.surfaces, 0), LEAST_SCALE)
    standard = standardised(recorded.surfaces, centres, scales)
    mean = recorded.vectors.mean(0)
    centred = recorded.vectors - mean
    _, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    basis = directions[:, ::-1][:, : plan.directions]
    rows = np.hstack([SURFACE_SCALE * standard, VECTOR_SCALE * centred @ basis])
    intercept, weights = softmax_regression(rows, recorded.outcomes, ridge=plan.ridge)
    count = standard.shape[1]
    vector = VECTOR_SCALE * basis @ weights[count:]
    return QualityModel(
        centres=centres,
        scales=scales,
        intercept=intercept - mean @ vector,
        surface=SURFACE_SCALE * weights[:count],
        vector=vector if plan.directions else None,
    )


def softmax_regression(rows: Floats, labels: Floats, *, ridge: float, steps: int = STEPS) -> tuple[Floats, Floats]:
    """Ridge-penalised maximum likelihood. Each step uses one fixed bound of the curvature, so none overshoots."""
    design = np.hstack([np.ones((len(rows), 1)), rows])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-6 * len(rows)
    inverse = np.linalg.inv(0.5 * design.T @ design + np.diag(penalty)).astype(np.float32)
    design, labels, penalty = (array.astype(np.float32) for array in (design, labels, penalty))
    weights = np.zeros((design.shape[1], labels.shape[1]), np.float32)
    weights[0] = np.log(np.maximum(labels.mean(0), 1e-6))
    for _ in range(steps):
        logits = design @ weights
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        weights = weights + inverse @ (design.T @ (labels - shares) - penalty[:, None] * weights)
    return weights[0].astype(np.float64), weights[1:].astype(np.float64)


def predicted(model: QualityModel, recorded: Recorded) -> Floats:
    """Probabilities of all outcomes, a row each; equal to `QualityModel.outcomes` one by one."""
    logits = model.intercept + standardised(recorded.surfaces, model.centres, model.scales) @ model.surface
    if model.vector is not None:
        logits = logits + recorded.vectors @ model.vector
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def written(models: dict[str, QualityModel]) -> str:
    lines = [_HEAD, 'weak = "mixtral-8x7b"', 'strong = "gpt-4"']
    lines += ['trained_on = "RouteLLM (Apache-2.0), recorded answers to 9,060 questions of MMLU (MIT)"', ""]
    for name, model in models.items():
        lines += [f"[models.{name}]", f"intercept = {_named(model.intercept)}", "", f"[models.{name}.features]"]
        for feature, centre, scale, weights in zip(
            surface_names(), model.centres, model.scales, model.surface, strict=True
        ):
            lines.append(f"{feature} = {{ centre = {centre:.4f}, scale = {scale:.4f}, {_named(weights)[2:]}")
        if model.vector is not None:
            lines += ["", f"[models.{name}.vector]"]
            for outcome, column in zip(OUTCOMES, model.vector.T, strict=True):
                lines.append(f"{outcome} = [\n{_wrapped([f'{number:.4f}' for number in column])}]")
        lines.append("")
    return "\n".join(lines)


def _named(numbers: Floats) -> str:
    named = (f"{outcome} = {number:.4f}" for outcome, number in zip(OUTCOMES, numbers, strict=True))
    return f"{{ {', '.join(named)} }}"


def _wrapped(numbers: Sequence[str]) -> str:
    return "".join(f"  {', '.join(numbers[start : start + 12])},\n" for start in range(0, len(numbers), 12))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--write", type=Path, help="file to write")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    return options


if __name__ == "__main__":
    sys.exit(main())
