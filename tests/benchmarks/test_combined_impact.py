"""The benchmark of all strategies: its application holds what it states, and its figures hang together."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import combined_impact
import pytest
from impact_prompts import prompts
from impact_runs import STEPS
from impact_workload import SHARES, VARIANTS, Question, application, kind_of
from impact_world import ERAS, TODAY

QUESTIONS = [Question(str(number), (f"Question {number}?", f"What of {number}?")) for number in range(20)]


def made(variant: str = "as described", count: int = 1_000):
    return application(count, QUESTIONS, prompts(), mix=VARIANTS[variant], per_hour=2_400, seed=0)


def test_the_application_holds_the_shares_it_states() -> None:
    counts = Counter(kind_of(each) for each in made())
    assert sum(SHARES.values()) == pytest.approx(1)
    assert all(counts[kind] == pytest.approx(1_000 * share, abs=1) for kind, share in SHARES.items())
    assert [each.params for each in made()] == [each.params for each in made()]


def test_answers_are_equal_exactly_where_one_serves_both() -> None:
    by_truth: dict[str | None, set[str]] = {}
    for each in made():
        assert each.response is not None
        by_truth.setdefault(each.truth, set()).add(each.response.text)
    texts = [text for texts in by_truth.values() for text in texts]
    assert all(len(texts) == 1 for texts in by_truth.values())
    assert len(texts) == len(set(texts))


def test_each_variant_changes_what_it_says() -> None:
    repeated = [
        each for each in made("half the repeats") if kind_of(each) == "faq" and each.truth in map(str, range(20))
    ]
    assert 150 < len(repeated) < 300
    assert sum(kind_of(each) == "support" for each in made("half the conversations")) == 110
    assert not any(each.can_wait for each in made("nothing can wait"))
    assert {each.params["model"] for each in made("unassisted on Sonnet 5.5")} == {"claude-sonnet-5-5"}
    assert all("cache_control" in each.params for each in made("unassisted with automatic prompt caching"))
    slower, usual = made("a tenth of the traffic"), made()
    assert (slower[-1].at or 0) - (slower[100].at or 0) > 5 * ((usual[-1].at or 0) - (usual[100].at or 0))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tables_are_made_without_any_data_and_go_on_after_an_interrupt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--requests", "24", "--shapley-requests", "24", "--orders", "2", "--processes", "1", "--json"]
    words += ["--work", str(tmp_path / "runs.jsonl"), "--write", str(tmp_path)]
    assert combined_impact.main(words) == 0
    results = json.loads(capsys.readouterr().out)
    figures = results["figures"]
    for era in ERAS:
        left = 1.0
        for step in STEPS:
            row = figures[f"{era}: {step}"]
            left *= 1 - row["of_remainder"]
            assert (row["left"], row["failed"], row["unbilled_usd"]) == (pytest.approx(left), 0, pytest.approx(0))
        assert figures[f"{era}: in all"]["saved"] == pytest.approx(1 - left)
    shares = [figures[f"Shapley: {step}"]["share"] for step in STEPS]
    assert sum(shares) == pytest.approx(figures[f"variant: {next(iter(VARIANTS))}"]["saved"])
    page, table = (tmp_path / f"combined_impact.{kind}" for kind in ("html", "md"))
    assert "http" not in page.read_text("utf-8")
    assert "| model tiering |" in table.read_text("utf-8")
    assert (tmp_path / "combined_impact.svg").is_file()
    assert combined_impact.main(words) == 0
    assert json.loads(capsys.readouterr().out)["figures"] == figures
    assert figures[f"{TODAY}: unassisted"]["usd"] > 0
