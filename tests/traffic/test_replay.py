"""`semcache replay`: traffic in its own time, what it would have cost, and how often memory would have been wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from semcache.cli import main
from semcache.traffic.page import page
from semcache.traffic.rehearsing import Rehearsal

HAIKU = "claude-haiku-5-5"
GREEN = "Moss is green because of chlorophyll, as leaves are."
DEEP = "The trench is eleven kilometres deep at its deepest known point."


def line(question: str, answer: str | None = None, *, at: float, **fields: Any) -> dict[str, Any]:
    asked = {"model": HAIKU, "max_tokens": 300, "messages": [{"role": "user", "content": question}]}
    said = {"model": HAIKU, "content": [{"type": "text", "text": answer}], "stop_reason": "end_turn"}
    known = (
        {}
        if answer is None
        else {
            "response": {**said, "id": "msg_1", "type": "message", "role": "assistant", "usage": {"output_tokens": 20}}
        }
    )
    return {"request": asked, **known, "at": 1_795_000_000.0 + at, **fields}


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def command(lines: list[Any], *words: str, code: int = 0) -> Result:
        Path("traffic.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), "utf-8")
        known = {"SEMCACHE_EMBEDDER": "hashed", "SEMCACHE_AUDITS": "false"}
        result = CliRunner().invoke(main, ["replay", "traffic.jsonl", *words], env=known)
        assert result.exit_code == code, result.output
        return result

    return command


def view(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


TALK = [line("Why is moss green?", GREEN, at=n * 60.0) for n in range(4)] + [line("How deep is it?", DEEP, at=999.0)]


def test_repeats_are_answered_from_memory_and_the_bill_adds_up(replay: Any) -> None:
    found = view(replay(TALK, "--json"))
    assert (found["requests"], found["hits"]["exact"], found["hits"]["miss"]) == (5, 3, 2)
    savings = found["savings"]
    assert [part["strategy"] for part in savings["waterfall"]] == ["exact"]
    assert float(savings["saved_usd"]) == pytest.approx(
        float(savings["baseline_usd"]) - float(savings["cost_usd"]), abs=1e-12
    )


def test_an_answer_that_has_grown_old_by_then_is_asked_again(replay: Any) -> None:
    week = [line("Why is moss green?", GREEN, at=at) for at in (0.0, 8 * 86_400.0)]
    assert view(replay(week, "--json"))["hits"]["miss"] == 2


def test_each_strategy_is_left_out_and_tried_alone(replay: Any) -> None:
    found = view(replay(TALK, "--ablations", "--json"))
    rows = {row["name"]: row for row in found["ablations"]}
    assert rows["unassisted"]["cost_usd"] == found["savings"]["baseline_usd"]
    assert float(rows["without response caching"]["more_usd"]) > 0
    assert rows["only response caching"]["hits"] == 3


def test_where_nothing_was_recorded_a_length_is_assumed_and_nothing_is_said_of_wrong_hits(replay: Any) -> None:
    asked = [line("Why is moss green?", at=n) for n in (1.0, 2.0)]
    short, long = (view(replay(asked, "--json", "--output-tokens", tokens)) for tokens in ("60", "160"))
    assert short["hits"]["false_rate"] is None
    assert long["savings"]["output_tokens"] - short["savings"]["output_tokens"] == pytest.approx(2 * 100, rel=0.1)


def test_what_can_wait_goes_in_batches(replay: Any) -> None:
    jobs = [line(f"Describe plant number {n}.", f"Plant {n} is tall.", at=n, can_wait=True) for n in range(3)]
    found = view(replay([*TALK, *jobs], "--json"))
    assert found["hits"]["batch"] == 3
    assert "batch" in {part["strategy"] for part in found["savings"]["waterfall"]}


def test_an_interrupted_replay_goes_on_where_it_was(replay: Any) -> None:
    whole = view(replay(TALK, "--json"))
    view(replay(TALK, "--json", "--limit", "3", "--work", "work"))
    rest = view(replay(TALK, "--json", "--work", "work"))
    assert rest["hits"] == whole["hits"]
    assert rest["savings"]["cost_usd"] == whole["savings"]["cost_usd"]


def test_what_a_replay_that_was_killed_had_not_kept_is_run_again(replay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before it had kept anything, and long after: either way the store is brought back to what was kept."""
    talk = [
        *(line("Why is moss green?", GREEN, at=n * 60.0) for n in range(4)),
        *(line(f"How deep is it at {n}?", DEEP, at=999.0 + 60 * n) for n in range(9)),
    ]
    for each in talk:
        each["request"]["system"] = "Be kind to whoever asks. " * 400
    whole, answer_one = view(replay(talk, "--json")), Rehearsal._one

    def dies_after(requests: int) -> Callable[[Rehearsal, Any], None]:
        def one(self: Rehearsal, recorded: Any) -> None:
            answer_one(self, recorded)
            if self.tally.requests == requests:
                raise KeyboardInterrupt

        return one

    for requests in (1, 4, 9):
        with monkeypatch.context() as patched:
            patched.setattr(Rehearsal, "_one", dies_after(requests))
            patched.setattr("semcache.traffic.resuming._LEAST_BETWEEN", 2)
            replay(talk, "--json", "--work", "work", code=1)
    rest = view(replay(talk, "--json", "--work", "work"))
    assert whole["savings"]["cache_read_tokens"] > 0
    assert rest["hits"] == whole["hits"]
    assert rest["savings"] == whole["savings"]


def test_a_request_that_claude_would_refuse_is_counted_and_loses_no_other(replay: Any) -> None:
    bad = line("Why?", GREEN, at=1.0)
    bad["request"]["max_tokens"] = -1
    found = view(replay([bad, *TALK], "--json"))
    assert sum(found["failed"].values()) == 1
    assert found["requests"] == 6


def test_thinking_that_was_signed_elsewhere_is_replayed(replay: Any) -> None:
    thought = {"type": "thinking", "thinking": "", "signature": "bm90IG91cnM="}
    later = line("And how deep is it?", DEEP, at=1_100.0)
    said = {"role": "assistant", "content": [thought, {"type": "text", "text": GREEN}]}
    later["request"]["messages"] = [TALK[0]["request"]["messages"][0], said, *later["request"]["messages"]]
    later["request"]["model"] = "claude-sonnet-5-5"
    found = view(replay([*TALK, later], "--json"))
    assert found["failed"] == {}
    assert found["requests"] == 6


def test_the_page_stands_alone_and_shows_no_prompt(replay: Any) -> None:
    result = replay(TALK, "--ablations", "--html", "report.html")
    text = Path("report.html").read_text("utf-8")
    assert "answered from memory: 60.00%" in result.stdout
    assert "moss" not in text
    assert "http" not in text
    assert text.count("<svg") == 1
    assert "Exact hits" in text


def test_what_was_caused_stands_with_a_minus_on_the_page_and_in_the_table(replay: Any) -> None:
    long = [line(f"Why {n}?", GREEN, at=n * 30.0) for n in range(9)]
    for each in long:
        each["request"]["system"] = "Be kind to whoever asks. " * 400
    result = replay(long, "--html", "report.html")
    [caused] = [row.split() for row in result.stdout.splitlines() if "Writing to the prompt cache" in row]
    assert [caused[-3].startswith("-"), caused[-2].startswith("-")] == [True, True]
    told = Path("report.html").read_text("utf-8")
    assert re.search(r"Writing to the prompt cache</td><td>-\$0\.\d+</td><td>-\d+\.\d%", told)


def test_names_on_the_page_are_escaped(replay: Any) -> None:
    found = view(replay(TALK, "--json"))
    assert "<b>" not in page({**found, "traffic": "<b>", "failed": {"<b>": 1}})


def test_a_file_that_is_no_traffic_is_refused_by_line(replay: Any) -> None:
    result = replay([7], code=1)
    assert "line 1" in result.output
