"""The local judge of complexity: from a request's text and vector, how well a weaker and a stronger model would do."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semcache.decision.routing.quality import OUTCOMES, Contribution, Outcome, QualityModel
from semcache.decision.routing.surface import surface_names, surface_of
from semcache.errors import ManifestError
from semcache.shipped import find_shipped

ROUTER_NAME = "router.toml"
ANY_EMBEDDER = "any"  # the name of the model that judges by the surface alone
_WORTH_SAYING = 0.1  # log-odds


@dataclass(frozen=True)
class Complexity:
    """What is believed about one request before any model has answered it.

    The four probabilities are of disjoint outcomes and add up to one.
    """

    both_right: float
    strong_only: float
    weak_only: float
    neither_right: float
    explain: Callable[[], tuple[Contribution, ...]] = field(default=tuple, compare=False, repr=False)
    outcomes_seen: float = 0.0  # how many outcomes of requests like this one stand behind it, beside the model

    @property
    def weak_right(self) -> float:
        """The probability that the weaker model answers well."""
        return self.both_right + self.weak_only

    @property
    def strong_right(self) -> float:
        """The probability that the stronger model answers well."""
        return self.both_right + self.strong_only

    @property
    def gain(self) -> float:
        """How much more often the stronger model is right than the weaker; below zero where it is worse."""
        return self.strong_only - self.weak_only

    @cached_property
    def contributions(self) -> tuple[Contribution, ...]:
        """What speaks for the stronger model and against it, the weightiest first; worked out when asked for."""
        return self.explain()

    @cached_property
    def reasons(self) -> str:
        """The weightiest evidence in words, for a header or `--explain`; holds nothing of the request."""
        told = [part for part in self.contributions[:4] if abs(part.log_odds) >= _WORTH_SAYING]
        return ", ".join(f"{part.name.replace('_', ' ')} {part.log_odds:+.2f}" for part in told) or "nothing stands out"


@dataclass(frozen=True, eq=False)
class Router:
    """Judges requests. Reads nothing after it has been loaded; safe to share."""

    model: QualityModel
    weak: str  # the models whose recorded answers it was trained on
    strong: str

    @classmethod
    def load(cls, path: Path, *, embedder: str) -> Router:
        """The judge for vectors of `embedder`; for one the file does not know, a judge of the surface alone.

        Raises `ManifestError`.
        """
        try:
            data = tomllib.loads(path.read_text("utf-8"))
            known = data["models"]
            model = _model_of(known[embedder] if embedder in known else known[ANY_EMBEDDER])
            return cls(model, weak=str(data["weak"]), strong=str(data["strong"]))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ManifestError(f"{path} is no file of a router: {error!r}") from error

    def judge(self, text: str, vector: NDArray[np.floating] | None = None) -> Complexity:
        """`vector` is the one the lookup has computed of the same text; not read by a judge of the surface alone."""
        surface = surface_of(text)
        outcomes = self.model.outcomes(surface, vector)
        return complexity_of(outcomes, partial(self.model.contributions, surface, vector, names=surface_names()))


def find_router(models_dir: Path | None) -> Path:
    """Raises `ManifestError`."""
    return find_shipped(ROUTER_NAME, models_dir)


def complexity_of(
    outcomes: NDArray[np.float64],
    explain: Callable[[], tuple[Contribution, ...]] = tuple,
    *,
    outcomes_seen: float = 0.0,
) -> Complexity:
    """Probabilities in the order of `OUTCOMES`, by name."""
    named = {outcome: float(share) for outcome, share in zip(OUTCOMES, outcomes, strict=True)}
    return Complexity(
        both_right=named[Outcome.BOTH],
        strong_only=named[Outcome.STRONG_ONLY],
        weak_only=named[Outcome.WEAK_ONLY],
        neither_right=named[Outcome.NEITHER],
        explain=explain,
        outcomes_seen=outcomes_seen,
    )


def _model_of(data: Mapping[str, Any]) -> QualityModel:
    names, features = surface_names(), data["features"]
    if set(names) != set(features):
        raise ValueError(f"features differ from the program's: {sorted(set(names) ^ set(features))}")
    vector = data.get("vector")
    model = QualityModel(
        centres=np.array([features[name]["centre"] for name in names], np.float64),
        scales=np.array([features[name]["scale"] for name in names], np.float64),
        intercept=np.array([data["intercept"][outcome] for outcome in OUTCOMES], np.float64),
        surface=np.array([[features[name][outcome] for outcome in OUTCOMES] for name in names], np.float64),
        vector=None if vector is None else np.array([vector[outcome] for outcome in OUTCOMES], np.float64).T,
    )
    arrays = (model.centres, model.scales, model.intercept, model.surface, *(() if vector is None else (model.vector,)))
    if not all(np.isfinite(array).all() for array in arrays if array is not None) or (model.scales <= 0).any():
        raise ValueError("a number is not finite, or a scale not above zero")
    return model
