"""Writes models/scorer.toml: one model's prior, the others as they are."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from semcache.decision.evidence import FEATURES
from semcache.decision.scorer import Scorer

HEAD = """\
# The prior of the decision: how much each piece of evidence says about whether a stored answer is right for a request.
# Read by semcache.decision.scorer, written by benchmarks/train_scorer.py; nothing here is code.
#
#   log-odds = intercept + sum of weight * (value - centre) / scale
#   precision  how firmly a weight stands against the labels of the stream; the spread of the prior is 1 / its root
#
# What each piece of evidence means is written in semcache/decision/neighbourhood.py and wordwise.py.
"""


def written(path: Path, scorer: Scorer, embedder: str, trained_on: str) -> str:
    """The file's new content."""
    models: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))["models"] if path.is_file() else {}
    models[embedder] = _table(scorer, trained_on)
    return HEAD + "".join(_section(name, table) for name, table in models.items())


def _table(scorer: Scorer, trained_on: str) -> dict[str, Any]:
    columns = zip(FEATURES, scorer.weights, scorer.centre, scorer.scale, scorer.precision[1:], strict=True)
    features = {
        name: {"weight": float(weight), "centre": float(centre), "scale": float(scale), "precision": float(precision)}
        for name, weight, centre, scale, precision in columns
    }
    return {
        "trained_on": trained_on,
        "intercept": scorer.intercept,
        "precision": float(scorer.precision[0]),
        "features": features,
    }


def _section(name: str, table: dict[str, Any]) -> str:
    lines = [
        f"\n[models.{name}]",
        f'trained_on = "{table["trained_on"]}"',
        f"intercept = {table['intercept']:.4f}",
        f"precision = {table['precision']:.3f}",
        f"\n[models.{name}.features]",
    ]
    for feature, row in table["features"].items():
        cells = ", ".join(f"{key} = {row[key]:.4f}" for key in ("weight", "centre", "scale", "precision"))
        lines.append(f"{feature} = {{ {cells} }}")
    return "\n".join(lines) + "\n"
