"""How the judge of sameness is measured and fitted, and what its figures say when it is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import judge_quality
import numpy as np
import pytest
from judge_fit import fitted_scale, written_scale
from judge_pairs import Pair, development, held_out
from judge_quality import Judged, ScriptedClaude, bars_of, claude_figures, figures_of, judge_all, quality, wilson

from semcache.decision.sameness.local import Scale
from semcache.decision.sameness.outcomes import Different, Pairing, Same, Sameness, Uncertain
from semcache.entry import Embedding
from semcache.message import text_message
from semcache.opening import find_models_dir
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.settings import Settings

DAY = date(2026, 11, 23)


def pair(fresh: str, stored: str, *, same: bool) -> Pair:
    answers = [text_message(text, model="", message_id="", usage={}) for text in (fresh, stored)]
    return Pair("test", "family", Pairing("Why?", answers[0], "Why so?", answers[1]), same)


def judged(says: Sameness, *, same: bool) -> Judged:
    return Judged(pair("one", "other", same=same), says, 1.0)


@pytest.fixture
def embed() -> Callable[..., Embedding]:
    """Texts are alike that begin with the same letter."""

    def vector_of(text: str, *, tokens: bool = False) -> Embedding:
        vector = np.zeros(26, np.float32)
        vector[ord(text[0].casefold()) - ord("a")] = 1.0
        return Embedding(vector, vector[None, :])

    return vector_of


@pytest.fixture
def known() -> list[Pair]:
    """As many pairs of the same as of different answers; the first letters tell which."""
    topics = "apple boat cedar drum eagle field gate hill".split()
    same = [
        pair(f"{topic} stays", f"{topic[0]}n {other}", same=True) for topic in topics for other in ("rests", "sits")
    ]
    different = [pair(f"{topic} goes", f"zebra {other}", same=False) for topic in topics for other in ("runs", "walks")]
    return [each for both in zip(same * 8, different * 8, strict=True) for each in both]


def test_the_projects_own_pairs_are_many_of_both_kinds_and_halved_by_need() -> None:
    halves = [[one for one in half if one.source == "answer_pairs"] for half in (development(), held_out())]
    questions = [{text for one in half for text in (one.pairing.asked, one.pairing.stored_question)} for half in halves]
    assert sum(map(len, halves)) >= 300
    assert questions[0].isdisjoint(questions[1])
    for half in halves:
        assert 0.4 < sum(one.same for one in half) / len(half) < 0.6
        assert len({one.family for one in half}) >= 12


def test_groups_of_traps_are_halved_as_for_training() -> None:
    halves = [[one for one in half if one.source == "never_merge"] for half in (development(), held_out())]
    asked = [{one.pairing.stored_question for one in half} for half in halves]
    assert asked[0].isdisjoint(asked[1])
    assert all(sum(one.same for one in half) * 2 == len(half) > 0 for half in halves)


def test_wrong_verdicts_of_both_kinds_are_counted() -> None:
    found = [
        judged(Same("", 1), same=True),
        judged(Same("", 1), same=False),
        judged(Different("", 1), same=True),
        judged(Different("", 1), same=False),
        judged(Uncertain("", 0.5), same=True),
    ]
    figures = quality(found)
    assert (figures["wrong_of_said_same"], figures["wrong_of_said_different"]) == (50.0, 50.0)
    assert (figures["decided_share"], figures["uncertain_share"]) == (80.0, 20.0)
    assert (figures["different_called_same"], figures["same_called_different"]) == (50.0, 33.33)


def test_a_judge_that_is_wrong_misses_its_bars() -> None:
    right = figures_of([judged(Same("", 1), same=True), judged(Different("", 1), same=False)])
    wrong = figures_of([judged(Same("", 1), same=False), judged(Different("", 1), same=True)])
    assert [bar.holds for bar in bars_of(right)] == [True, True, True]
    assert [bar.holds for bar in bars_of(wrong)] == [False, False, True]
    slow = figures_of([replace(judged(Same("", 1), same=True), spent_ms=50.0)])
    assert not bars_of(slow)[2].holds


@pytest.mark.parametrize(
    ("wrong", "total", "interval"),
    [
        pytest.param(0, 100, [0.0, 3.7], id="none"),
        pytest.param(5, 100, [2.15, 11.18], id="some"),
        pytest.param(0, 0, [0.0, 100.0], id="nothing known"),
    ],
)
def test_wilson_intervals_have_their_textbook_values(wrong: int, total: int, interval: list[float]) -> None:
    assert wilson(wrong, total) == interval


def test_a_fitted_judge_tells_apart_what_likeness_tells_apart(
    known: list[Pair], embed: Callable[..., Embedding]
) -> None:
    scale = fitted_scale(known, embed, start=Scale.shipped())
    figures = quality(judge_all(known, embed, scale))
    assert figures["wrong_of_said_same"] <= 3.0
    assert figures["wrong_of_said_different"] <= 5.0
    assert figures["decided_share"] > 90.0


def test_a_judge_fitted_to_labels_of_chance_calls_nothing_the_same(
    known: list[Pair], embed: Callable[..., Embedding]
) -> None:
    muddled = [replace(one, same=number // 2 % 2 == 0) for number, one in enumerate(known)]
    scale = fitted_scale(muddled, embed, start=Scale.shipped())
    assert quality(judge_all(muddled, embed, scale))["said_same"] == 0


def test_what_is_written_is_what_was_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scale = replace(Scale.shipped(), same_from=0.875, intercept=-1.25)
    monkeypatch.setattr("semcache.decision.sameness.local.files", lambda _: tmp_path)
    (tmp_path / "local.toml").write_text(written_scale(scale, "a-model"), "utf-8")
    assert Scale.shipped() == scale


@pytest.fixture
def book() -> PriceBook:
    return PriceBook.load(find_claude_manifest(find_models_dir(Settings())))


def test_a_perfect_claude_settles_what_is_uncertain_and_is_paid_for_it() -> None:
    found = [judged(Uncertain("", 0.5), same=same) for same in (True, False)] + [judged(Same("", 1), same=True)]
    figures = claude_figures(found, on=DAY)
    perfect, noisy = figures.values()
    assert (perfect["sent_to_claude"], perfect["calls"]) == (2, 3)  # a first no needs no second question
    assert (perfect["wrong_same"], perfect["wrong_different"], perfect["decided_share"]) == (0, 0, 100.0)
    assert 0 < perfect["usd_per_1000_pairs_in_batches"] < perfect["usd_per_1000_pairs"]
    assert noisy["sent_to_claude"] == 2


def test_a_claude_that_is_always_wrong_is_told_from_a_perfect_one(book: PriceBook) -> None:
    claude = ScriptedClaude(book, judge_quality.cheapest_model(book, DAY), on=DAY, noise=1.0)
    found = [judged(Uncertain("", 0.5), same=same) for same in (True, False)]
    figures = judge_quality.with_claude(found, claude)
    assert (figures["wrong_same"], figures["wrong_different"]) == (1, 1)


@pytest.mark.slow
def test_the_script_fits_and_reports_a_few_pairs_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "family": "mine",
            "same": same,
            "question_a": "How do I mend it?",
            "answer_a": "Glue the two halves and press them together.",
            "question_b": "What mends it?",
            "answer_b": "Press both halves together with glue." if same else "Ask the shop for the opening hours.",
        }
        for same in (True, True, False, False) * 6
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "traps").mkdir()
    written = tmp_path / "local.toml"
    arguments = [
        "--pairs",
        str(tmp_path),
        "--traps",
        str(tmp_path / "traps"),
        "--fit",
        "--write",
        str(written),
        "--json",
    ]
    assert judge_quality.main(arguments) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["all"]["pairs"] == figures["answer_pairs: mine"]["pairs"] == 12
    assert "[weights]" in written.read_text("utf-8")


@pytest.mark.slow
def test_the_shipped_judge_is_rarely_wrong_on_the_held_out_half(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge_quality.main(["--json"]) == 0
    whole = json.loads(capsys.readouterr().out)["figures"]["all"]
    assert whole["said_same"] > 80
    assert whole["wrong_of_said_same"] <= 6.0
    assert whole["wrong_of_said_different"] <= 8.0
