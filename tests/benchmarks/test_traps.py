"""The never-merge traps: how they are read, asked and counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from traps import Group, TrapRecord, read_groups, traps_stream, traps_workload
from truth import Verdict


@pytest.fixture
def groups(tmp_path: Path) -> list[Group]:
    for family in ("numbers", "negation"):
        rows = [
            {
                "family": family,
                "question": f"{family} question {number}",
                "answer": "yes",
                "paraphrases": [f"{family} paraphrase {number}", f"{family} other paraphrase {number}"],
                "paraphrase_answer": "indeed",
                "trap": f"{family} trap {number}",
                "trap_answer": "no",
            }
            for number in range(20)
        ]
        (tmp_path / f"{family}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    return read_groups(tmp_path)


def test_the_trap_is_a_class_of_its_own_and_paraphrases_are_not(groups: list[Group]) -> None:
    judge, group = traps_workload(groups).judge, groups[0]
    assert judge(group.paraphrases[0], group.question) is Verdict.RIGHT
    assert judge(group.trap, group.question) is Verdict.WRONG
    assert len({row.class_id for each in groups for row in each.rows}) == 2 * len(groups) == 80
    assert group.paraphrases[0].reply == "indeed"


def test_each_question_is_asked_before_its_trap_and_its_paraphrases(groups: list[Group]) -> None:
    stream = traps_stream(groups, seed=1)
    place = {row.text: number for number, row in enumerate(stream)}
    assert len(place) == len(stream) == 160
    assert all(place[group.question.text] == min(place[row.text] for row in group.rows) for group in groups)
    assert stream != traps_stream(groups, seed=2)


def test_hits_are_counted_by_family_and_by_what_was_served(groups: list[Group]) -> None:
    negation, numbers = groups[0], groups[20]
    record = TrapRecord(requests=4)
    record.book(negation.trap, negation.question)
    record.book(numbers.question, None)
    record.book(numbers.paraphrases[0], numbers.question)
    record.book(numbers.paraphrases[1], negation.question)
    figures = record.figures()
    assert (figures["negation"]["false_hits"], figures["negation"]["confusions"]) == (1, 1)
    assert (figures["numbers"]["false_hits"], figures["numbers"]["confusions"]) == (1, 0)
    assert figures["numbers"]["paraphrases_accepted_rate"] == 50.0
    assert figures["all"]["paraphrases_accepted_rate_warm"] == 50.0
    assert figures["all"]["false_hit_rate_of_requests"] == 50.0


def test_the_projects_own_files_are_complete() -> None:
    groups = read_groups()
    assert len(groups) >= 100
    for group in groups:
        assert len(group.paraphrases) == 2
        assert all(row.text and row.answer for row in group.rows)
        assert len({row.text for row in group.rows}) == 4
