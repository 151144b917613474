"""The benchmark of what the decision adds to a lookup, on a few rows."""

from __future__ import annotations

import json
from pathlib import Path

import decision_latency
import pytest


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    things = "door clock lamp chair piano fence".split()
    openings = ("How do I mend my", "How can I mend the", "What mends a", "Who mends this")
    lines = [f"{opening} {thing}?,{thing}" for thing in things for opening in openings]
    file.write_text("text,class\n" + "\n".join(lines) + "\n")
    return file


@pytest.mark.slow
def test_the_decision_is_reported_beside_the_forward_pass(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decision_latency.main(["--dataset", str(rows), "--rounds", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    decided, passed = (result["figures"][name]["p50_ms"] for name in ("decision", "forward pass"))
    assert result["figures"]["decision / forward pass"]["p50_ratio"] == pytest.approx(decided / passed, abs=0.02)
    assert result["settings"]["questions_a_round"] == 12


@pytest.mark.slow
def test_a_slow_decision_misses_the_bar(
    rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(decision_latency, "MOST_MS", 0.0)
    assert decision_latency.main(["--dataset", str(rows), "--rounds", "1"]) == 0
    assert "FALLS SHORT: decision, p50 ms" in capsys.readouterr().out


@pytest.mark.slow
def test_data_with_too_few_classes_is_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,class\nHow do I mend it?,a\nWhat mends it?,a\nWho mends it?,b\nWhy mend it?,b\n")
    with pytest.raises(SystemExit, match="too few classes"):
        decision_latency.main(["--dataset", str(file)])


def test_missing_data_says_where_it_can_be_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decision_latency.main(["--dataset", "banking77", "--data", str(tmp_path)]) == 1
    assert "PolyAI" in capsys.readouterr().err
