"""`semcache ask` and `semcache lookup`, in this process."""

from __future__ import annotations

import json

import pytest

ANSWER_KEYS = [
    "answer", "model", "outcome", "reason", "entry", "stored", "similarity", "confidence", "route",
    "cost_usd", "saved_usd", "latency_ms", "upstream",
]  # fmt: skip
LOOKUP_KEYS = [
    "outcome", "reason", "detail", "entry", "question", "similarity", "confidence", "considered", "would_be",
]  # fmt: skip
QUESTION = "How do I repot a fern?"


def test_an_answer_goes_to_stdout_and_its_story_to_stderr(cli) -> None:
    first, second = cli("ask", QUESTION), cli("ask", QUESTION)
    assert QUESTION in first.stdout
    assert first.stdout == second.stdout
    assert first.stderr.startswith("miss")
    assert second.stderr.startswith("exact")
    assert "simulator, not Claude" in second.stderr


def test_the_answer_as_json_has_the_same_keys_for_hit_miss_and_bypass(cli) -> None:
    views = [cli.told("ask", QUESTION), cli.told("ask", QUESTION), cli.told("ask", QUESTION, "--mode", "off")]
    assert [view["outcome"] for view in views] == ["miss", "exact", "bypass"]
    assert [list(view) for view in views] == [ANSWER_KEYS] * 3
    miss, hit, _ = views
    assert miss["stored"] == hit["entry"]
    assert miss["cost_usd"] > 0.0 == hit["cost_usd"]
    assert hit["saved_usd"] == miss["cost_usd"]


def test_a_lookup_exits_by_its_outcome_and_changes_nothing(cli) -> None:
    assert cli("lookup", QUESTION).exit_code == 1
    cli("ask", QUESTION)
    hits = [cli("lookup", QUESTION) for _ in range(2)]
    assert [hit.exit_code for hit in hits] == [0, 0]
    assert hits[0].stdout.startswith("exact\nentry ent_")
    assert cli.told("stats")["hits"] == 0


@pytest.mark.parametrize(
    ("words", "outcome", "reason"),
    [
        pytest.param((QUESTION,), "exact", None, id="hit"),
        pytest.param(("Where do penguins sleep?",), "miss", "below-threshold", id="miss"),
        pytest.param((QUESTION, "--mode", "off"), "bypass", "mode-off", id="bypass"),
        pytest.param((QUESTION, "--mode", "shadow"), "bypass", "shadow", id="shadow"),
    ],
)
def test_a_lookup_as_json_has_the_same_keys_for_every_outcome(cli, words, outcome, reason) -> None:
    cli("ask", QUESTION)
    view = cli.told("lookup", *words, code=0 if outcome == "exact" else 1)
    assert list(view) == LOOKUP_KEYS
    assert (view["outcome"], view["reason"]) == (outcome, reason)


def test_a_shadow_lookup_says_what_it_would_have_been(cli) -> None:
    cli("ask", QUESTION)
    assert cli.told("lookup", QUESTION, "--mode", "shadow", code=1)["would_be"]["outcome"] == "exact"
    assert "without that:\nexact" in cli("lookup", QUESTION, "--mode", "shadow").stdout


def test_a_lookup_shows_what_speaks_against_a_candidate(cli) -> None:
    entry = cli.told("ask", "How often should I water the 12 ferns on my balcony?")["stored"]
    question = "How often should I water the 20 ferns on my balcony?"
    nearest, *_ = cli.told("lookup", question, code=1)["considered"]
    assert nearest["entry"] == entry
    assert nearest["objections"] == ["guard:numbers"]
    shown = cli("lookup", question).stdout
    assert entry in shown
    assert "guard:numbers" in shown


def test_an_explanation_says_what_every_candidate_is_worth_and_why(cli) -> None:
    entry = cli.told("ask", "How often should I water the ferns?")["stored"]
    vetoed = cli.told("ask", "How often should I water the 12 ferns?")["stored"]
    question = "How often should I water the ferns, please?"
    view = cli.told("lookup", question, "--explain")
    assert [*LOOKUP_KEYS, "explanation", "route", "ways", "breaks_prefix", "first_max_tokens", "system"] == list(view)
    best, *others = view["explanation"]["candidates"]
    assert (best["entry"], best["wording"], best["objections"]) == (entry, "How often should I water the ferns?", [])
    assert {"feature", "value", "log_odds", "says"} == set(best["contributions"][0])
    assert {each["entry"]: each["objections"] for each in others} == {vetoed: ["guard:numbers"]}
    shown = cli("lookup", question, "--explain").stdout
    for words in ("Served: a stored answer is right", "ruled out:", "may be wrong with probability", "(+"):
        assert words in shown


def test_an_explanation_of_what_is_not_looked_up_says_so(cli) -> None:
    assert "Not looked up: mode-off." in cli("lookup", QUESTION, "--explain", "--mode", "off").stdout


def test_a_lookup_sees_what_was_asked_with_the_same_upstream(cli) -> None:
    cli("ask", QUESTION, "--upstream", "simulator", SEMCACHE_UPSTREAM="claude")
    assert cli("lookup", QUESTION, "--upstream", "simulator", SEMCACHE_UPSTREAM="claude").exit_code == 0
    assert cli("lookup", QUESTION, SEMCACHE_UPSTREAM="claude").exit_code == 1


@pytest.mark.parametrize(
    ("words", "given", "code", "said"),
    [
        pytest.param(("ask", "q", "--model", "claude-nothing-9"), {}, 1, "claude-nothing-9", id="unknown model"),
        pytest.param(("ask", ""), {}, 1, "non-empty", id="empty question"),
        pytest.param(("ask",), {}, 2, "QUESTION", id="no question"),
        pytest.param(("ask", "q", "--max-tokens", "0"), {}, 2, "--max-tokens", id="no tokens"),
        pytest.param(("ask", "q", "--mode", "fast"), {}, 2, "--mode", id="unknown mode"),
        pytest.param(("ask", "q", "--url", "localhost:1"), {}, 2, "http://", id="no url"),
        pytest.param(("ask", "q", "--url", "http://127.0.0.1:1"), {}, 1, "make run", id="nobody there"),
        pytest.param(("ask", "q", "--data-dir", "x", "--url", "http://h"), {}, 2, "--data-dir", id="whose state"),
        pytest.param(("ask", "q"), {"SEMCACHE_UPSTREAM": "simulater"}, 1, "upstream: use", id="unknown upstream"),
        pytest.param(("ask", "q"), {"SEMCACHE_PROT": "1"}, 1, "did you mean SEMCACHE_PORT?", id="unknown setting"),
        pytest.param(("ask", "q"), {"SEMCACHE_PORT": "many"}, 1, "SEMCACHE_PORT", id="wrong setting"),
        pytest.param(("stats", "--store", "mongodb://u:pass@h"), {}, 1, "store: mongodb:", id="unknown store"),
        pytest.param(("stats", "--data-dir", "/proc/none"), {}, 1, "SEMCACHE_DATA_DIR", id="no place"),
    ],
)
def test_errors_are_one_line_that_names_the_field(cli, words, given, code, said) -> None:
    result = cli(*words, **given)
    assert result.exit_code == code
    assert result.stdout == ""
    last = result.stderr.rstrip("\n").splitlines()[-1]
    assert last.startswith("Error: ")
    assert said in last
    assert "Traceback" not in result.stderr
    assert "pass@" not in result.stderr
    assert code == 2 or len(result.stderr.rstrip("\n").splitlines()) == 1


def test_debug_shows_the_trace(cli) -> None:
    from click.testing import CliRunner

    from semcache.cli import main
    from semcache.errors import SettingsError

    result = CliRunner().invoke(main, ["--debug", "stats", "--store", "none:"], env=cli.variables)
    assert isinstance(result.exception, SettingsError)


def test_text_that_is_not_unicode_is_answered(cli) -> None:
    assert json.loads(cli("ask", "caf\udce9?", "--json").stdout)["outcome"] == "miss"
