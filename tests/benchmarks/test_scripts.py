"""Each script, on a few rows, through the arguments a person would give."""

from __future__ import annotations

import json
from pathlib import Path

import hit_quality
import latency
import pytest
from workloads import MissingData, load_workload


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    lines = [f"How do I {act} my {thing}?,{act}-{thing}" for act in ("open", "mend") for thing in ("door", "clock")]
    lines += [line.replace("How do I", "How can I") for line in lines]
    file.write_text("text,class\n" + "\n".join(lines) + "\n")
    return file


@pytest.mark.slow
def test_hit_quality_of_a_file_reports_every_contender(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--dataset", str(rows), "--stream", "zipf", "--requests", "40", "--seeds", "1", "--jobs", "1"]
    assert hit_quality.main([*arguments, "--budgets", "0.01", "0.05", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    figures = result["figures"]
    ours = {"semcache, budget 1 %", "semcache, budget 5 %"}
    others = {"exact only", "perfect cache", "GPTCache default (0.60)", "static 0.99", "oracle, 5 nearest"}
    assert ours | others | {"vCache 1.0%, log grid"} <= set(figures)
    assert figures["exact only"]["hit_rate"] == figures["exact only"]["exact_repeat_rate"]
    assert all(figures[name]["hit_rate"] >= figures["exact only"]["hit_rate"] for name in ours)
    assert figures["semcache, budget 1 %"]["hit_rate"] <= figures["perfect cache"]["hit_rate"]
    assert all({"name", "value", "required", "holds"} <= set(bar) for bar in result["bars"])
    assert result["measured"]["commit"]


@pytest.mark.slow
def test_hit_quality_of_the_sample_serves_no_trap(capsys: pytest.CaptureFixture[str]) -> None:
    assert hit_quality.main(["--dataset", "sample"]) == 0
    assert "holds: traps served: 0.0" in capsys.readouterr().out


@pytest.mark.slow
def test_latency_reports_library_and_http(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--entries", "60", "--clients", "1,2", "--quick", "--asked", "10", "--json"]
    assert latency.main(arguments) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["library, 60 entries: semantic hit"]["p50_ms"] > 0
    assert figures["HTTP, 60 entries, 2 clients: exact hit"]["requests_per_s"] > 0
    assert figures["service, 60 entries"]["resident_mb"] > 0


def test_missing_data_says_where_it_can_be_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hit_quality.main(["--dataset", "banking77", "--data", str(tmp_path)]) == 1
    assert "PolyAI" in capsys.readouterr().err
    with pytest.raises(MissingData, match="neither one of"):
        load_workload("no such thing", None)


def test_a_file_that_was_changed_is_not_measured(tmp_path: Path) -> None:
    changed = tmp_path / "quora" / "x"
    changed.parent.mkdir()
    path = tmp_path / "banking77/derived/stream.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not what the manifest describes")
    with pytest.raises(MissingData, match="not the file the manifest describes"):
        load_workload("banking77", tmp_path)
