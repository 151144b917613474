"""The scorer: a logistic model between bounds, which labels move from its prior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semcache.decision.evidence import FEATURES, MEANINGS, SPEAKS_AGAINST, SPEAKS_FOR
from semcache.decision.scorer import HIGHEST, Scorer, find_scorers, load_scorer
from semcache.errors import ManifestError

COUNT = len(FEATURES)
MODELS = Path(__file__).resolve().parents[2] / "models"
SHIPPED = ("all-MiniLM-L6-v2", "hashed")
rows = arrays(np.float64, COUNT, elements=st.floats(-3, 3))
tables = st.integers(1, 25).flatmap(lambda n: arrays(np.float64, (n, COUNT), elements=st.floats(-3, 3)))


@pytest.fixture(scope="module")
def shipped() -> Scorer:
    scorer = load_scorer(find_scorers(MODELS), SHIPPED[0])
    assert scorer is not None
    return scorer


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_has_a_weight_within_bounds_for_each_feature(name: str) -> None:
    scorer = load_scorer(find_scorers(MODELS), name)
    assert scorer is not None
    by_name = dict(zip(FEATURES, scorer.weights.tolist(), strict=True))
    assert all(by_name[feature] >= 0 for feature in SPEAKS_FOR)
    assert all(by_name[feature] <= 0 for feature in SPEAKS_AGAINST)


def test_a_model_without_a_scorer_has_none() -> None:
    assert load_scorer(find_scorers(MODELS), "nobody") is None


@given(values=rows)
def test_contributions_add_up_to_the_log_odds(shipped: Scorer, values: np.ndarray) -> None:
    parts = shipped.contributions(values)
    log_odds = shipped.intercept + sum(part.log_odds for part in parts)
    assert shipped.confidence(values) == pytest.approx(min(HIGHEST, 1 / (1 + np.exp(-log_odds))), abs=1e-6)
    assert [abs(part.log_odds) for part in parts] == sorted((abs(part.log_odds) for part in parts), reverse=True)
    assert all(MEANINGS[part.feature] in part.says for part in parts)


@settings(max_examples=30, deadline=None)
@given(table=tables, data=st.data())
def test_no_labels_turn_evidence_into_its_opposite(shipped: Scorer, table: np.ndarray, data: st.DataObject) -> None:
    labels = data.draw(arrays(np.float64, len(table), elements=st.sampled_from([0.0, 1.0])))
    fitted = shipped.fitted(table, labels, np.ones(len(table)))
    assert np.isfinite(fitted.all_weights).all()
    assert (fitted.weights >= fitted.floors).all()
    assert (fitted.weights <= fitted.ceilings).all()
    assert fitted.all_weights == shipped.fitted(table, labels, np.ones(len(table))).all_weights


def test_more_evidence_for_an_answer_never_lowers_the_confidence(shipped: Scorer) -> None:
    typical = shipped.centre.copy()
    for name in (*SPEAKS_FOR, *SPEAKS_AGAINST):
        more = typical.copy()
        more[FEATURES.index(name)] += 1.0
        difference = shipped.confidence(more) - shipped.confidence(typical)
        assert difference >= 0 if name in SPEAKS_FOR else difference <= 0, name


def test_one_label_moves_little_and_many_move_much(shipped: Scorer) -> None:
    case = shipped.centre.copy()
    before = shipped.confidence(case)
    wanted = np.zeros(1) if before > 0.5 else np.ones(1)
    after_one = shipped.fitted(case[None], wanted, np.ones(1)).confidence(case)
    after_many = shipped.fitted(case[None], wanted, np.full(1, 2000.0)).confidence(case)
    assert abs(after_one - before) < 0.05
    assert abs(after_many - wanted[0]) < 0.1


@given(weights=arrays(np.float64, COUNT + 1, elements=st.floats(-50, 50)), values=rows)
def test_weights_that_were_kept_decide_as_before(shipped: Scorer, weights: np.ndarray, values: np.ndarray) -> None:
    scorer = shipped.with_weights(weights.tolist())
    restored = shipped.with_weights(scorer.all_weights)
    assert restored.all_weights == scorer.all_weights == weights.tolist()
    assert restored.confidence(values) == scorer.confidence(values)
    assert np.array_equal(restored.prior, shipped.prior)


@settings(max_examples=30, deadline=None)
@given(values=rows, same=st.booleans(), count=st.floats(1, 500))
def test_a_label_moves_the_confidence_to_what_it_says(
    shipped: Scorer, values: np.ndarray, same: bool, count: float
) -> None:
    fitted = shipped.fitted(values[None], np.array([float(same)]), np.array([count]))
    before, after = shipped.confidence(values), fitted.confidence(values)
    assert after >= before - 1e-6 if same else after <= before + 1e-6


@settings(max_examples=30, deadline=None)
@given(values=rows, same=st.booleans())
def test_a_single_label_changes_no_mind(shipped: Scorer, values: np.ndarray, same: bool) -> None:
    fitted = shipped.fitted(values[None], np.array([float(same)]), np.ones(1))
    typical, before = shipped.centre, shipped.confidence(shipped.centre)
    assert abs(fitted.confidence(typical) - before) < 0.05


def test_without_labels_the_prior_stands(shipped: Scorer) -> None:
    fitted = shipped.fitted(np.empty((0, COUNT)), np.empty(0), np.empty(0))
    assert fitted.all_weights == pytest.approx(shipped.all_weights, abs=1e-6)


def test_nothing_but_a_rewording_is_ever_certain(shipped: Scorer) -> None:
    sure = shipped.with_weights([1000.0, *shipped.weights])
    assert sure.confidence(shipped.centre) == HIGHEST < 1


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param("similarity = {", "similarly = {", "similarity", id="a feature is missing"),
        pytest.param("intercept =", "interception =", "intercept", id="no intercept"),
        pytest.param("[models.all-MiniLM-L6-v2]", "[models.all-MiniLM-L6-v2", "cannot be read", id="not TOML"),
    ],
)
def test_a_broken_file_names_the_place_and_the_remedy(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    file = tmp_path / "scorer.toml"
    file.write_text(find_scorers(MODELS).read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(ManifestError, match=complaint) as raised:
        load_scorer(file, SHIPPED[0])
    assert str(file) in str(raised.value)
