"""The commands as processes of their own: serve, simulate, demo, and ask over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parents[2] / "models"
REAL = "all-MiniLM-L6-v2"
HAS_MODEL = (MODELS / REAL / "built.json").is_file()


@dataclass
class Shell:
    """Runs `semcache` as processes."""

    folder: Path
    variables: dict[str, str]

    def start(self, *words: str, **given: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "semcache", *words],
            cwd=self.folder,
            env={**os.environ, **self.variables, **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_ctrl_c,
        )

    def run(self, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
        with self.start(*words, **given) as process:
            out, err = process.communicate(timeout=90)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    @contextmanager
    def serving(self, *words: str, **given: str) -> Iterator[str]:
        """The service on a free port; gives its URL."""
        port = free_port()
        process = self.start("serve", "--port", str(port), "--log-level", "WARNING", *words, **given)
        try:
            url = f"http://127.0.0.1:{port}"
            until_it_answers(f"{url}/healthz", process)
            yield url
        finally:
            end(process)

    @contextmanager
    def simulating(self, *words: str) -> Iterator[str]:
        process = self.start("simulate", "--port", "0", *words)
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split(" on ")[1].split()[0]
        finally:
            end(process)


def _heed_ctrl_c() -> None:
    """A test run in the background ignores SIGINT, and what it starts would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(process: subprocess.Popen[str]) -> str:
    process.terminate()
    try:
        out, err = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return out + err


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def until_it_answers(url: str, process: subprocess.Popen[str]) -> None:
    end_at = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end_at
            time.sleep(0.05)


@pytest.fixture
def shell(tmp_path: Path, cli_variables: dict[str, str]) -> Shell:
    return Shell(tmp_path, cli_variables)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_MODEL, reason="the default model has not been built")
def test_the_demo_shows_every_outcome_and_again_the_next_time(shell: Shell, cli) -> None:
    with shell.serving(SEMCACHE_EMBEDDER=REAL, SEMCACHE_AUDITS="false") as url:
        views = [cli.told("demo", "--url", url) for _ in range(2)]
        table = shell.run("demo", "--url", f"{url}/").stdout
    outcomes = [[(each["shows"], each["outcome"], each["reason"]) for each in view["questions"]] for view in views]
    assert outcomes[0] == outcomes[1]
    assert {outcome for _, outcome, _ in outcomes[0]} == {"faq", "exact", "semantic", "miss", "bypass"}
    traps = {shows: reason for shows, outcome, reason in outcomes[0] if shows.startswith("trap") and outcome == "miss"}
    assert traps == {
        "trap: another number": "guard:numbers",
        "trap: the opposite": "below-threshold",
        "trap: bound to this moment": "time-bound",
    }
    assert views[0]["total"]["saved_usd"] > 0
    assert "nothing was billed" in table


@pytest.mark.slow
def test_the_demo_removes_only_what_a_demo_left(shell: Shell, cli) -> None:
    with shell.serving() as url:
        kept = cli.told("ask", "Why is moss green?", "--namespace", "demo", "--url", url)
        cli("demo", "--url", url)
        cli("demo", "--url", url)
        again = cli.told("ask", "Why is moss green?", "--namespace", "demo", "--url", url)
    assert (again["outcome"], again["entry"]) == ("exact", kept["stored"])


@pytest.mark.slow
def test_the_demo_asks_before_it_spends_money(shell: Shell, cli) -> None:
    with shell.simulating() as upstream, shell.serving(SEMCACHE_UPSTREAM=upstream) as url:
        refused = shell.run("demo", "--url", url, "--json")
        agreed = cli.told("demo", "--url", url, "--yes", ANTHROPIC_API_KEY="any")
    booked = cli.told("savings")  # after the service has written what it had buffered
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "will cost a few cents" in refused.stderr
    questions = agreed["questions"]
    assert booked["requests"] == len(questions)


@pytest.mark.slow
def test_both_ways_to_ask_tell_the_same_keys(shell: Shell, cli) -> None:
    with shell.serving() as url:
        there = [cli.told("ask", "Why is moss green?", SEMCACHE_URL=url) for _ in (1, 2)]
    here = [cli.told("ask", "Is moss a plant?") for _ in (1, 2)]
    assert [list(view) for view in there] == [list(view) for view in here]
    assert [view["outcome"] for view in there] == [view["outcome"] for view in here] == ["miss", "exact"]
    assert [view["cost_usd"] == 0 for view in there] == [view["cost_usd"] == 0 for view in here] == [False, True]
    assert there[0]["stored"] == there[1]["entry"]


@pytest.mark.slow
def test_a_running_service_sees_what_the_command_line_changes(shell: Shell, cli) -> None:
    faq = shell.folder / "faq.jsonl"
    faq.write_text('{"question": "Who keeps the bees?", "answer": "The beekeeper."}\n', "utf-8")
    with shell.serving() as url:
        ask = ("ask", "Who keeps the bees?", "--url", url)
        cli("import", str(faq))
        imported = cli(*ask).stdout
        cli("purge", "--kind", "faq", "--yes")
        purged = cli(*ask).stdout
    assert imported == "The beekeeper.\n"
    assert "The beekeeper" not in purged


@pytest.mark.slow
def test_the_simulator_answers_from_its_table(shell: Shell) -> None:
    table = shell.folder / "answers.jsonl"
    table.write_text('\n{"question": "Who?", "answer": "A line\u2028separator."}\n', "utf-8")
    with shell.simulating("--answers", str(table), "--head-delay", "50ms") as url:
        answered = shell.run("ask", "Who?", "--upstream", url, "--json", ANTHROPIC_API_KEY="any")
    view = json.loads(answered.stdout)
    assert view["answer"] == "A line\u2028separator."
    assert view["latency_ms"] >= 50


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_everything_cleanly(shell: Shell) -> None:
    simulator = shell.start("simulate", "--port", "0")
    assert simulator.stdout is not None
    assert " on http://" in simulator.stdout.readline()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asking = shell.start("--debug", "ask", "slow", "--upstream", url, ANTHROPIC_API_KEY="any")
        silent.settimeout(60)
        asked, _ = silent.accept()  # it waits for an answer now
        with asked:
            asking.send_signal(signal.SIGINT)
            _, said = asking.communicate(timeout=30)
    simulator.send_signal(signal.SIGINT)
    _, muttered = simulator.communicate(timeout=30)
    assert (asking.returncode, said.strip()) == (1, "Aborted!")
    assert (simulator.returncode, muttered) == (0, "")


@pytest.mark.parametrize("command", ["serve", "simulate"])
def test_a_port_that_is_taken_is_one_line(shell: Shell, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = shell.run(command, "--port", port)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert port in line
    assert "Traceback" not in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"\xff\xfe{", "not UTF-8", id="encoding"),
        pytest.param(b'{"question": "a", "answer": "b"}\nnothing\n', "line 2", id="no JSON"),
        pytest.param(b'{"question": "a"}\n', "line 1", id="no answer"),
        pytest.param(b'{"question": "a", "answer": 7}\n', "line 1", id="no text"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_line(shell: Shell, cli, content: bytes, said: str) -> None:
    (shell.folder / "answers.jsonl").write_bytes(content)
    result = cli("simulate", "--port", "0", "--answers", "answers.jsonl")
    assert result.exit_code == 1
    assert said in result.stderr


def test_the_demo_says_how_to_start_what_it_needs(cli) -> None:
    result = cli("demo", "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "make run" in result.stderr
