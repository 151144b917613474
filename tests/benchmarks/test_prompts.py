"""The umbrella over the benchmarks of cheaper prompts: its parts, their arguments, what is joined, what is missing."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import prompts
import pytest
import token_budgets


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Small scripts in the place of the real ones; gives what each was called with."""
    called: dict[str, list[str]] = {}

    def script(name: str, module: str) -> ModuleType:
        def main(arguments: list[str]) -> int:
            called[name] = arguments
            bar = {"name": "some bar", "value": 1, "required": 2, "at_most": name != "d", "holds": name != "d"}
            sys.stdout.write(json.dumps({"figures": {"row": {"x": 1}}, "bars": [bar], "settings": {"of": name}}))
            return 0

        made = ModuleType(module)
        made.main = main  # type: ignore[attr-defined]
        return made

    for name, part in prompts.PARTS.items():
        monkeypatch.setitem(sys.modules, part.module, script(name, part.module))
    return called


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_every_part_is_joined_under_its_letter(
    scripts: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert prompts.main(["--json", "--jobs", "1"]) == 0
    result = told(capsys)
    assert list(result["figures"]) == [f"({name}) row" for name in ("a", "b", "c", "d", "joint")]
    assert [bar["holds"] for bar in result["bars"]] == [True, True, True, False, True]
    assert result["settings"]["parts"]["c"] == {"of": "c"}
    assert result["measured"]["commit"]


def test_each_part_gets_the_arguments_that_it_takes(scripts: dict[str, list[str]]) -> None:
    prompts.main(["--quick", "--seeds", "2", "--data", "/d", "--only", "d,b, a", "--jobs", "1"])
    assert scripts == {
        "a": ["--json", "--quick", "--seeds", "2"],
        "b": ["--json", "--quick", "--data", "/d", "--seeds", "2"],
        "d": ["--json", "--quick"],
    }


def test_the_table_has_a_line_for_each_bar(scripts: dict[str, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    prompts.main(["--only", "a,d", "--jobs", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("(a) prompt caching")
    assert lines[1].endswith("yes")
    assert lines[2].endswith("FALLS SHORT")


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        prompts.main(["--only", "a,e"])
    assert "a, b, c, d, joint" in capsys.readouterr().err


def test_without_data_the_other_parts_are_measured_and_it_is_said(
    scripts: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "token_budgets", token_budgets)
    monkeypatch.delenv("SEMCACHE_DATA", raising=False)
    assert prompts.main(["--only", "b,d", "--quick", "--json", "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert "(b) token budgets: dstc9_faq: say where the datasets are" in said.err
    assert [bar["name"] for bar in json.loads(said.out)["bars"]] == ["(d) some bar"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The two sets in small, with sentences of our own."""
    faq = [
        {"entity": f"Inn {n}", "title": f"Is there a pool at number {n}?", "answer": f"Inn {n} has {n} pools. " * 3}
        for n in range(90)
    ]
    turns = [{"speaker": "SYSTEM", "utterance": f"There are {n} trains a day. " * 4} for n in range(60)]
    for name, file, rows in (
        ("dstc9_faq", "faq_entries_dev.jsonl.gz", faq),
        ("sgd_sample", "raw/dev_200_longest.jsonl.gz", [{"turns": turns}]),
    ):
        path = tmp_path / name / file
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return tmp_path


@pytest.mark.slow
def test_budgets_and_optimisation_run_side_by_side(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prompts.main(["--only", "b,d", "--quick", "--data", str(data), "--json", "--jobs", "2"]) == 0
    result = told(capsys)
    bars = {bar["name"]: bar for bar in result["bars"]}
    assert bars["(b) cuts that callers see and their own limit would not make"]["holds"]
    assert bars["(b) worst run where nothing runs away: saved, %"]["value"] == 0
    assert bars["(d) bad versions refused, of 3"]["value"] == 3
    cut = {name: row["cut below it"] for name, row in result["figures"].items() if "95th" in name and "0%" in name}
    assert all(count == 0 for name, count in cut.items() if "asked again" in name)
    assert any(cut.values())
