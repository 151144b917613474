"""A router judges requests by probabilities that add up, explains them, and learns from outcomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.routing.neighbours import MOST_KEPT, Neighbours
from semcache.decision.routing.quality import OUTCOMES, Outcome
from semcache.decision.routing.router import Complexity, Router
from semcache.errors import ManifestError

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "router.toml"
EMBEDDER = "all-MiniLM-L6-v2"
HARD = (
    "Both at once? Statement 1 | 3x + 4 = 19 has x = 5. Statement 2 | x^2 = 2 has none.\nA. True, True\nB. True, False"
)
ROUTER = Router.load(SHIPPED, embedder=EMBEDDER)
EASY = "What is the name of the large building in which books are lent to readers?"


def unit(seed: int = 0, dims: int = 384) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=dims).astype(np.float32)
    return vector / np.linalg.norm(vector)


def total(complexity: Complexity) -> float:
    return complexity.both_right + complexity.strong_only + complexity.weak_only + complexity.neither_right


@given(st.text(max_size=300), st.integers(0, 50))
def test_probabilities_add_up_to_one(text: str, seed: int) -> None:
    judged = ROUTER.judge(text, unit(seed))
    assert total(judged) == pytest.approx(1.0)
    assert 0 <= judged.weak_right <= 1
    assert judged.gain == pytest.approx(judged.strong_right - judged.weak_right)


def test_a_hard_question_is_less_likely_to_be_answered_by_the_weaker_model() -> None:
    by_surface = Router.load(SHIPPED, embedder="another")
    assert by_surface.judge(HARD).weak_right < by_surface.judge(EASY).weak_right - 0.1
    assert by_surface.judge(HARD).gain > by_surface.judge(EASY).gain


def test_an_unknown_embedder_is_judged_by_the_surface_alone() -> None:
    router = Router.load(SHIPPED, embedder="another")
    assert router.judge(HARD, unit(1, dims=8)) == router.judge(HARD, None)


def test_a_vector_of_other_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match="384 dimensions"):
        ROUTER.judge(EASY, unit(1, dims=8))


def test_reasons_name_evidence_and_nothing_of_the_request() -> None:
    judged = ROUTER.judge("Zanzibar " + HARD, unit())
    assert len(judged.contributions) > 20
    weights = [abs(part.log_odds) for part in judged.contributions]
    assert weights == sorted(weights, reverse=True)
    assert "Zanzibar" not in judged.reasons


def test_contributions_add_up_to_the_log_odds() -> None:
    judged = ROUTER.judge(HARD, unit())
    start = ROUTER.model.intercept[OUTCOMES.index(Outcome.STRONG_ONLY)] - ROUTER.model.intercept[-1]
    told = start + sum(part.log_odds for part in judged.contributions)
    assert told == pytest.approx(np.log(judged.strong_only / judged.both_right))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("numbers = ", "figures = ", 1), id="unknown feature"),
        pytest.param(lambda text: text.replace("scale = ", "scale = -", 1), id="negative scale"),
        pytest.param(lambda text: text.replace("intercept = {", "intercept = [", 1), id="no TOML"),
        pytest.param(lambda text: text.replace('weak = "', 'feeble = "', 1), id="nameless model"),
        pytest.param(lambda _: "", id="empty"),
    ],
)
def test_a_broken_file_is_refused(change, tmp_path: Path) -> None:
    file = tmp_path / "router.toml"
    file.write_text(change(SHIPPED.read_text("utf-8")))
    with pytest.raises(ManifestError, match=r"router\.toml"):
        Router.load(file, embedder=EMBEDDER)


def test_outcomes_of_like_requests_move_the_judgement() -> None:
    judged = ROUTER.judge(EASY, unit())
    known = Neighbours.none(384)
    for _ in range(60):
        known = known.with_outcome(unit(), Outcome.STRONG_ONLY)
    refined = known.refine(judged, unit())
    assert refined.strong_only > judged.strong_only + 0.3
    assert total(refined) == pytest.approx(1.0)
    assert refined.outcomes_seen == pytest.approx(50.0, rel=1e-3)


def test_outcomes_of_unlike_requests_hardly_move_it() -> None:
    judged = ROUTER.judge(EASY, unit())
    known = Neighbours.none(384).with_outcome(-unit(), Outcome.NEITHER)
    assert known.refine(judged, unit()).neither_right == pytest.approx(judged.neither_right, abs=1e-6)


def test_without_outcomes_the_judgement_stands() -> None:
    judged = ROUTER.judge(EASY, unit())
    assert Neighbours.none(384).refine(judged, unit()) is judged


def test_learning_leaves_what_was_known_untouched_and_forgets_the_oldest() -> None:
    first = Neighbours.none(3).with_outcome(np.array([1, 0, 0]), Outcome.BOTH)
    full = Neighbours(np.zeros((MOST_KEPT, 3), np.float32), np.zeros((MOST_KEPT, len(OUTCOMES))))
    later = full.with_outcome(np.array([0, 1, 0]), Outcome.NEITHER)
    assert len(first.vectors) == 1
    assert len(full.vectors) == len(later.vectors) == MOST_KEPT
    assert later.vectors[-1].tolist() == [0, 1, 0]
