"""`semcache warm`: prompts of a file, held in Claude's cache, with what that costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LONG = "The ferry leaves at nine and the harbour opens at six on every day of the week.\n" * 60


def written(folder: Path, *bodies: dict[str, Any]) -> str:
    file = folder / "prompts.jsonl"
    file.write_text("\n".join(json.dumps(body) for body in bodies))
    return str(file)


def body(question: str = "When?", **fields: Any) -> dict[str, Any]:
    asked = [{"role": "user", "content": question}]
    return {"model": "claude-sonnet-5-5", "max_tokens": 50, "system": LONG, "messages": asked, **fields}


def test_different_prompts_are_sent_once_each_and_what_it_costs_is_told(cli, tmp_path: Path) -> None:
    file = written(tmp_path, body("When?"), body("Where?"), body(system=f"Ahoy. {LONG}"), body(system="Short."))
    found = cli.told("warm", file)["prompts"]
    assert [row["sent"] for row in found] == [1, 1]
    assert all(row["written_tokens"] > 1_000 for row in found)
    assert all(0 < float(row["expected_usd"]) < 0.02 for row in found)


def test_a_dry_run_sends_nothing(cli, tmp_path: Path) -> None:
    [row] = cli.told("warm", written(tmp_path, body()), "--for", "1h", "--dry-run")["prompts"]
    assert (row["sent"], row["ttl"], row["times_more"], row["pays_from"]) == (0, "5m", 13, 3)


def test_a_file_without_anything_to_hold_is_told(cli, tmp_path: Path) -> None:
    result = cli("warm", written(tmp_path, body(system="Short.")))
    assert result.exit_code == 1
    assert "none of 1 requests has a static part" in result.stderr
