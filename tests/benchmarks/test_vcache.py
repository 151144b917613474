"""vCache as its paper states it: what is learned, what is inserted, and how readily it serves."""

from __future__ import annotations

import random

import numpy as np
import pytest
from baselines import Stream
from random_streams import random_stream
from truth import Row, Workload, noisy, same_class
from vcache import DELTAS, Decision, Grid, Observations, Policy, Pooling, vcache

LINEAR, LOG = Grid.LINEAR, Grid.LOG


def serve_probability(policy: Policy, labels: Observations, similarity: float) -> float:
    fit, decision = labels.fit(), Decision(policy)
    return decision.serve_probability(fit, decision.cuts(fit), similarity)


@pytest.mark.parametrize(
    ("delta", "correct", "linear", "log"),
    [
        (0.005, 4, 0.18, 0.19), (0.005, 6, 0.24, 0.37), (0.005, 8, 0.24, 0.80), (0.005, 24, 0.24, 1), (0.005, 40, 1, 1),
        (0.01, 4, 0.35, 0.37), (0.01, 6, 0.48, 0.76), (0.01, 8, 0.49, 1), (0.01, 24, 0.49, 1), (0.01, 40, 1, 1),
        (0.02, 4, 0.71, 0.74), (0.02, 6, 0.95, 1), (0.02, 8, 0.97, 1), (0.02, 12, 0.98, 1), (0.02, 40, 1, 1),
        (0.05, 4, 1, 1), (0.05, 8, 1, 1), (0.05, 40, 1, 1),
    ],
)  # fmt: skip
def test_the_published_rule_serves_as_readily_as_it_was_simulated_to(
    delta: float, correct: int, linear: float, log: float
) -> None:
    """SEPARABLE_LOGITS was chosen by this table, so it is a check of the rest; the log grid is off by up to .10."""
    labels = Observations()
    for _ in range(correct):
        labels.add(0.92, is_right=True)
    assert serve_probability(Policy(delta, LINEAR), labels, 0.92) == pytest.approx(linear, abs=0.02)
    assert serve_probability(Policy(delta, LOG), labels, 0.92) == pytest.approx(log, abs=0.11)


def observed(seed: int, *, labels: int) -> tuple[Observations, list[float], list[bool]]:
    chance = random.Random(seed)
    similarities = [round(chance.uniform(0.5, 1), 3) for _ in range(labels)]
    rights = [chance.random() < 1 / (1 + np.exp(-25 * (similarity - 0.8))) for similarity in similarities]
    found = Observations()
    for similarity, is_right in zip(similarities, rights, strict=True):
        found.add(similarity, is_right=is_right)
    return found, [0.0, 1.0, *similarities], [False, True, *rights]


@pytest.mark.parametrize("seed", range(6))
def test_the_fit_is_the_maximum_of_the_likelihood(seed: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    found, similarities, rights = observed(seed, labels=60)
    reference = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        np.array(similarities)[:, None], rights
    )
    fit = found.fit()
    assert fit.slope == pytest.approx(reference.coef_[0, 0], rel=1e-3)
    assert fit.cut == pytest.approx(-reference.intercept_[0] / reference.coef_[0, 0], abs=1e-4)


def test_the_variance_of_the_cut_is_that_of_the_delta_method() -> None:
    found, similarities, _ = observed(7, labels=80)
    fit = found.fit()
    design = np.column_stack([np.ones(len(similarities)), similarities])
    probability = 1 / (1 + np.exp(-fit.slope * (np.array(similarities) - fit.cut)))
    curvature = (design * (probability * (1 - probability))[:, None]).T @ design
    gradient = np.array([-1 / fit.slope, -fit.cut / fit.slope])  # b = -cut * slope
    assert fit.variance == pytest.approx(gradient @ np.linalg.inv(curvature) @ gradient, rel=1e-4)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([(0.9, False), (0.9, True)], id="touching"),
        pytest.param([(0.99, False)] * 30 + [(0.5, True)] * 30, id="the wrong way round"),
        pytest.param([(-0.1, True)], id="right below the seed"),
        pytest.param([(0.9, False)] * 200 + [(0.901, True)] * 200, id="separated by a thousandth"),
        pytest.param([(1.0, False)], id="wrong at one"),
    ],
)
def test_no_labels_break_the_fit(labels: list[tuple[float, bool]]) -> None:
    found = Observations()
    for similarity, is_right in labels:
        found.add(similarity, is_right=is_right)
    for grid in Grid:
        assert 0.0 <= serve_probability(Policy(0.01, grid), found, 0.93) <= 1.0
    assert 0.0 <= found.fit().cut <= 1.0


def test_only_a_wrong_label_inserts_and_four_labels_come_before_the_first_hit() -> None:
    rows = [Row(f"text {number}", "a") for number in range(9)]
    vectors = {row.text: np.array([1.0, 0.0], np.float32) for row in rows}
    workload = Workload("one class", tuple(rows), same_class, same_class)
    trace = vcache(Stream.of(rows, vectors), workload, Policy(0.5, LOG), seed=1)
    assert (trace.requests, trace.hits, trace.wrong) == (9, 4, 0)  # one inserted, four labelled, four served


def test_exact_repeats_are_explored_too_unless_an_exact_tier_stands_in_front() -> None:
    rows = [Row("the same", "a")] * 5
    asked = Stream.of(rows, {"the same": np.array([1.0, 0.0], np.float32)})
    workload = Workload("repeats", (rows[0],), same_class, same_class)
    assert vcache(asked, workload, Policy(0.01, LOG), seed=1).hits == 0
    assert vcache(asked, workload, Policy(0.01, LOG, exact_tier=True), seed=1).hits == 4


def test_a_run_depends_on_its_seed_alone() -> None:
    asked, workload = random_stream(requests=500, seed=8)
    policy = Policy(0.02, LINEAR)
    assert vcache(asked, workload, policy, seed=1) == vcache(asked, workload, policy, seed=1)
    assert vcache(asked, workload, policy, seed=1).hits != vcache(asked, workload, policy, seed=2).hits


@pytest.mark.parametrize("pooling", Pooling)
def test_a_larger_delta_serves_more(pooling: Pooling) -> None:
    asked, workload = random_stream(requests=800, seed=9)
    hits = [vcache(asked, workload, Policy(delta, LOG, pooling), seed=1).hits for delta in (DELTAS[0], DELTAS[-1], 0.2)]
    assert hits == sorted(hits)
    assert hits[-1] > hits[0]


def test_the_labels_a_learner_hears_can_be_other_than_the_truth() -> None:
    asked, workload = random_stream(requests=600, seed=10)
    heard = [noisy(same_class, share, random.Random(1)) for share in (0.0, 0.2, 1.0)]
    runs = [vcache(asked, workload, Policy(0.05, LOG), seed=1, labels=judge) for judge in heard]
    assert runs[0] == vcache(asked, workload, Policy(0.05, LOG), seed=1)
    assert [run.hits for run in runs] == sorted((run.hits for run in runs), reverse=True)
    assert runs[1].hits < runs[0].hits


def test_without_confidence_the_fitted_probability_alone_decides() -> None:
    labels = Observations()
    for _ in range(4):
        labels.add(0.92, is_right=True)
    assert serve_probability(Policy(0.01, None), labels, 0.92) == 1.0
    assert serve_probability(Policy(0.01, None), labels, 0.30) == 0.0


def test_policies_have_names_of_their_own() -> None:
    policies = [
        Policy(d, g, p, t) for d in DELTAS for g in (*Grid, None) for p in Pooling for t in (False, True)
    ]  # fmt: skip
    assert len({policy.name for policy in policies}) == len(policies)
