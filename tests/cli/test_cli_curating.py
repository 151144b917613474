"""`semcache import`, `stats`, `savings`, `purge` and `feedback`."""

from __future__ import annotations

import os
import time
from decimal import Decimal
from pathlib import Path

import pytest

FAQ = "question,answer,tags\nHow tall is the tower?,Forty metres.,tower\nWho built the bridge?,A ferryman.,bridge\n"
BROKEN = "question,answer\nHow deep is the well?,Nine metres.\nHow old is the oak?,\n"


def test_importing_twice_changes_nothing_the_second_time(cli) -> None:
    file = cli.write("faq.csv", FAQ)
    reports = [cli.told("import", file)[file] for _ in range(2)]
    assert [report["added"] for report in reports] == [2, 0]
    assert [report["unchanged"] for report in reports] == [0, 2]
    assert cli.told("stats")["faq_entries"] == 2


def test_a_bad_row_is_named_by_file_and_line_and_loses_no_other(cli) -> None:
    file = cli.write("faq.csv", BROKEN)
    result = cli("import", file)
    assert result.exit_code == 0
    assert "1 added, 0 updated, 0 unchanged" in result.stdout
    assert f"{file}:3: answer: empty" in result.stderr


def test_a_file_without_one_good_row_fails(cli) -> None:
    file = cli.write("faq.csv", "question,answer\nHow old is the oak?,\n")
    assert cli("import", file).exit_code == 1
    assert cli.told("import", file, code=1)[file]["errors"][0]["line"] == 2


def test_one_good_file_among_bad_ones_is_enough(cli) -> None:
    bad, good = cli.write("bad.csv", "question,answer\n,\n"), cli.write("good.csv", FAQ)
    assert cli("import", bad, good).exit_code == 0


def test_an_import_belongs_where_it_says(cli) -> None:
    cli("import", cli.write("faq.txt", FAQ), "--format", "csv", "--namespace", "town", "--tags", "sights,old")
    assert cli.told("lookup", "Who built the bridge?", "--namespace", "town")["outcome"] == "faq"
    assert cli("lookup", "Who built the bridge?").exit_code == 1
    assert cli.told("purge", "--tag", "old", "--dry-run")["removed"] == 2


def test_a_file_that_is_not_there_is_a_mistake_of_usage(cli) -> None:
    result = cli("import", "nothing.csv")
    assert result.exit_code == 2
    assert "nothing.csv" in result.stderr


def test_tags_that_cannot_be_are_refused_before_anything_is_stored(cli) -> None:
    assert cli("import", cli.write("faq.csv", FAQ), "--tags", "two words").exit_code == 1
    assert cli.told("stats")["entries"] == 0


def test_savings_add_up(cli) -> None:
    for _ in range(3):
        cli("ask", "How do I repot a fern?")
    view = cli.told("savings")
    rows = {row["outcome"]: row for row in view["outcomes"]}
    assert (rows["exact"]["requests"], rows["miss"]["requests"], view["requests"]) == (2, 1, 3)
    assert Decimal(rows["exact"]["saved_usd"]) == 2 * Decimal(rows["miss"]["cost_usd"]) > 0
    assert [(part["strategy"], part["saved_usd"]) for part in view["waterfall"]] == [("exact", view["saved_usd"])]
    assert "total" in cli("savings").stdout


def test_savings_of_a_namespace_or_a_time_leave_out_the_rest(cli) -> None:
    cli("ask", "How do I repot a fern?", "--namespace", "garden")
    assert cli.told("savings", "--namespace", "garden", "--since", "1h")["requests"] == 1
    assert cli.told("savings", "--namespace", "kitchen")["requests"] == 0


@pytest.mark.parametrize("text", ["7", "7x", "d", "-1d", "1.d", ""])
def test_what_is_no_duration_is_a_mistake_of_usage(cli, text: str) -> None:
    result = cli("savings", "--since", text)
    assert result.exit_code == 2
    assert "7d" in result.stderr


@pytest.fixture
def filled(cli):
    cli("import", cli.write("faq.csv", FAQ))
    cli("ask", "How do I repot a fern?")
    return cli


@pytest.mark.parametrize(
    ("words", "count"),
    [
        pytest.param(("--namespace", "default"), 3, id="namespace"),
        pytest.param(("--tag", "tower"), 1, id="tag"),
        pytest.param(("--kind", "learned"), 1, id="kind"),
        pytest.param(("--model", "claude-sonnet-5-5"), 1, id="model"),
        pytest.param(("--older-than", "1h"), 0, id="age, too young"),
        pytest.param(("--older-than", "0s"), 3, id="age"),
        pytest.param(("--near", "Who built the bridge?"), 1, id="near"),
        pytest.param(("--near", "Who built the bridge?", "--similarity", "-1"), 3, id="near and far"),
        pytest.param(("--entry", "ent_none"), 0, id="entry"),
        pytest.param(("--kind", "faq", "--tag", "bridge"), 1, id="every condition"),
    ],
)
def test_a_purge_counts_then_removes_what_meets_every_condition(filled, words, count) -> None:
    assert filled.told("purge", *words, "--dry-run") == {"removed": count, "dry_run": True}
    assert filled.told("stats")["entries"] == 3
    assert filled.told("purge", *words, "--yes") == {"removed": count, "dry_run": False}
    assert filled.told("stats")["entries"] == 3 - count


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("n\n", 3), ("", 3)])
def test_a_purge_shows_the_count_and_asks(filled, typed: str, left: int) -> None:
    result = filled("purge", "--namespace", "default", typed=typed)
    assert "remove 3 entries?" in result.stderr
    assert result.exit_code == (0 if left == 0 else 1)
    assert filled.told("stats")["entries"] == left


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param((), "at least one condition", id="no condition"),
        pytest.param(("--tag", "tower", "--similarity", "0.5"), "--near", id="near what"),
        pytest.param(("--near", " "), "--near: empty", id="near nothing"),
        pytest.param(("--near", "x", "--similarity", "2"), "--similarity", id="no cosine"),
        pytest.param(("--namespace", "default", "--json"), "--yes", id="json without a yes"),
    ],
)
def test_a_purge_that_is_not_quite_said_removes_nothing(filled, words, said) -> None:
    result = filled("purge", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert filled.told("stats")["entries"] == 3


def test_a_wrong_answer_is_forgotten_and_a_right_one_stays(cli) -> None:
    entry = cli.told("ask", "How do I repot a fern?")["stored"]
    said = cli.told("feedback", entry, "right")
    assert (said["entry"], said["verdict"], said["effect"]) == (entry, "right", "unchanged")
    assert cli("lookup", "How do I repot a fern?").exit_code == 0
    assert cli("feedback", entry, "wrong").exit_code == 0
    assert cli("lookup", "How do I repot a fern?").exit_code == 1


def test_feedback_for_another_question_keeps_the_answer(cli) -> None:
    entry = cli.told("ask", "How do I repot a fern?")["stored"]
    cli("feedback", entry, "wrong", "--question", "How do I repot a cactus?")
    assert cli("lookup", "How do I repot a fern?").exit_code == 0


def test_feedback_on_an_unknown_entry_says_where_ids_are_found(cli) -> None:
    result = cli("feedback", "ent_none", "right")
    assert result.exit_code == 1
    assert "x-semcache-entry" in result.stderr


def test_older_than_counts_from_now(cli) -> None:
    from semcache.cli.curating import _conditions

    before = time.time()
    assert before - 60.5 < _conditions(older_than=60.0)["created_before"] <= time.time() - 60.0


def test_two_processes_may_work_on_one_state(cli) -> None:
    from semcache import SemanticCache
    from semcache.settings import load_settings

    with SemanticCache(load_settings(cli.variables | {"PATH": os.defpath})) as running:
        cli("import", cli.write("faq.csv", FAQ))
        assert running.ask("Who built the bridge?").message.text == "A ferryman."
        cli("purge", "--tag", "bridge", "--yes")
        assert running.ask("Who built the bridge?").message.text != "A ferryman."
    assert Path(cli.variables["SEMCACHE_DATA_DIR"]).is_dir()
