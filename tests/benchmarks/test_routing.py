"""The figures of routing are right where they are known, and folds keep apart what they say they do."""

from __future__ import annotations

import numpy as np
import pytest
import routing
from train_router import Plan, Recorded, chosen_plan, fitted, folds_of, predicted, softmax_regression

from semcache.decision.routing.quality import OUTCOMES
from semcache.decision.routing.surface import surface_names


def recorded(count: int = 400, *, dims: int = 8, subjects: int = 10) -> Recorded:
    """Requests whose first direction says whether the weaker model fails."""
    chance = np.random.default_rng(3)
    vectors = chance.normal(size=(count, dims))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weak = chance.random(count) < 1 / (1 + np.exp(6 * vectors[:, 0]))
    strong = weak | (chance.random(count) < 0.7)
    surfaces = chance.normal(size=(count, len(surface_names())))
    codes = 2 * weak.astype(int) + strong
    return Recorded(np.array([f"s{number % subjects}" for number in range(count)]), surfaces, vectors, np.eye(4)[codes])


def test_knowing_the_outcomes_gives_the_best_curve_and_chance_the_line() -> None:
    data = recorded(2000)
    oracle = routing.figures_of(data.outcomes, data, price_ratio=0.1)
    guesses = np.random.default_rng(1).dirichlet(np.ones(4), 2000)
    blind = routing.figures_of(guesses, data, price_ratio=0.1)
    assert oracle["apgr"] is not None
    assert blind["apgr"] == pytest.approx(0.5, abs=0.06)
    assert oracle["apgr"] > 0.75
    assert oracle["ece_weak"] == 0.0


def test_the_curve_starts_at_the_weaker_model_and_ends_at_the_stronger() -> None:
    data = recorded()
    curve = routing.pgr_curve(np.zeros(400), data)
    assert curve[0] == 0.0
    assert curve[-1] == pytest.approx(1.0)


def test_cost_counts_the_calls_of_both_models() -> None:
    data = recorded()
    figures = routing.figures_of(data.outcomes, data, price_ratio=0.25)
    calls = figures["calls_at_100"]
    assert calls is not None
    assert figures["cost_at_100"] == pytest.approx(calls + (1 - calls) * 0.25)


def test_calibration_error_of_a_constant_is_its_distance_from_the_share() -> None:
    happened = np.tile([1.0, 0.0, 0.0, 0.0], 50)
    assert routing.calibration_error(np.full(200, 0.25), happened) == pytest.approx(0.0, abs=1e-9)
    assert routing.calibration_error(np.full(200, 0.65), happened) == pytest.approx(0.4)


def test_no_subject_stands_in_two_folds() -> None:
    data = recorded()
    folds = folds_of(data, by_subject=True, seed=4)
    assert len(set(zip(data.subjects, folds, strict=True))) == len(set(data.subjects))
    assert set(folds) == set(range(5))


def test_a_fit_finds_what_there_is_and_is_the_model_that_serves() -> None:
    data = recorded(800)
    model = fitted(data, Plan(8, 3.0))
    shares = predicted(model, data)
    assert np.corrcoef(shares[:, 2] + shares[:, 3], data.weak)[0, 1] > 0.4
    assert model.outcomes(data.surfaces[5], data.vectors[5]) == pytest.approx(shares[5])


def test_without_anything_to_go_by_a_regression_gives_the_shares() -> None:
    labels = np.eye(len(OUTCOMES))[[0, 1, 1, 3] * 25]
    intercept, weights = softmax_regression(np.zeros((100, 2)), labels, ridge=1.0)
    odds = np.exp(intercept)
    assert odds / odds.sum() == pytest.approx([0.25, 0.5, 0.0, 0.25], abs=1e-3)
    assert not weights.any()


def test_the_plan_is_chosen_from_those_offered() -> None:
    plans = (Plan(8, 3.0), Plan(8, 1e6))
    assert chosen_plan(recorded(), plans, by_subject=True, seed=0) == plans[0]


def test_missing_data_is_told(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert routing.main(["--data", str(tmp_path)]) == 1
    assert "RouteLLM" in capsys.readouterr().err
