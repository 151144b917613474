"""The conversations of the benchmark, and its script on a few of them."""

from __future__ import annotations

import json
from pathlib import Path

import conversations
import pytest
from dialogues import NOTHING, PAIRS, agent_suite, data_suites, own_suites
from workloads import MissingData


def test_every_pair_is_two_conversations_that_end_with_the_user() -> None:
    pairs = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
    assert len(pairs) >= 60
    assert len({pair["id"] for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert pair["expect"] in ("hit", "miss")
        assert pair["stored"] != pair["asked"] or pair["expect"] == "hit"
        assert len(pair["stored"]) % 2 == len(pair["asked"]) % 2 == 1


def test_where_a_pair_must_miss_no_stored_answer_is_right() -> None:
    suites = {suite.name: suite for suite in own_suites()}
    assert {dialogue.gold for dialogue in suites["own: other-history"].asked} == {NOTHING}
    shifts = suites["own: topic-shift"]
    assert [dialogue.gold for dialogue in shifts.stored] == [dialogue.gold for dialogue in shifts.asked]


def test_no_looked_up_agent_transcript_was_stored() -> None:
    suite = agent_suite(rows=20, seed=3)
    stored = {json.dumps(dialogue.turns) for dialogue in suite.stored}
    assert suite.asked
    assert stored.isdisjoint(json.dumps(dialogue.turns) for dialogue in suite.asked)


@pytest.mark.slow
def test_the_script_reports_every_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert conversations.main(["--rows", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["figures"]["agents"]["wrong"] == 0
    assert result["figures"]["own: other-history"]["asked"] >= 20
    assert all({"name", "value", "required", "holds"} <= set(bar) for bar in result["bars"])


def test_missing_data_says_where_it_can_be_had(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="treccast"):
        list(data_suites(tmp_path, rows=1, seed=0))
