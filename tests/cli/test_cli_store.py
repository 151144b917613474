"""`semcache store copy`: moving house on the command line."""

from __future__ import annotations

from conftest import CommandLine


def filled(cli: CommandLine) -> str:
    faq = cli.write("faq.csv", "question,answer\nWhere is my parcel?,On its way.\nWhat does it cost?,Nothing.\n")
    assert cli("import", faq).exit_code == 0
    return "local:elsewhere"


def test_a_copied_store_answers_what_the_old_one_did(cli: CommandLine) -> None:
    target = filled(cli)
    report = cli.told("store", "copy", "local:", target)
    assert (report["entries"], report["known"], report["batches_left_behind"]) == (2, 0, 0)
    assert cli.told("lookup", "Where is my parcel?", "--store", target)["outcome"] == "faq"
    assert cli.told("store", "copy", "local:", target)["known"] == 2


def test_copying_says_in_words_what_it_did(cli: CommandLine) -> None:
    assert "2 entries copied" in cli("store", "copy", "local:", filled(cli)).stdout


def test_a_store_is_not_copied_onto_itself(cli: CommandLine) -> None:
    result = cli("store", "copy", "local:", "local:")
    assert result.exit_code == 1
    assert "one and the same" in result.stderr


def test_an_unknown_store_is_named_without_its_password(cli: CommandLine) -> None:
    result = cli("store", "copy", "local:", "mysql://user:secret@host/db")
    assert result.exit_code != 0
    assert "mysql:" in result.stderr
    assert "secret" not in result.stderr


def test_what_was_purged_from_the_new_store_stays_away_and_copying_says_so(cli: CommandLine) -> None:
    target = filled(cli)
    cli("store", "copy", "local:", target)
    assert cli("purge", "--near", "Where is my parcel?", "--yes", "--store", target).exit_code == 0
    again = cli("store", "copy", "local:", target)
    assert "0 entries copied (1 known already" in again.stdout
    assert "1 entries were removed from TO since they were copied, and stay so (--anew" in again.stderr
    assert cli.told("lookup", "Where is my parcel?", "--store", target, code=1)["outcome"] == "miss"
    assert cli.told("store", "copy", "local:", target, "--anew")["entries"] == 1
    assert cli.told("lookup", "Where is my parcel?", "--store", target)["outcome"] == "faq"
