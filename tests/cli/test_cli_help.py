"""What the command line says about itself, and how little it loads to say it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from semcache import __version__
from semcache.cli import main


def commands(group: click.Group, *prefix: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*prefix, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *prefix, name)


ALL = [pytest.param(words, command, id=" ".join(words)) for words, command in commands(main)]


@pytest.mark.parametrize(("words", "command"), ALL)
def test_every_command_and_option_says_what_it_is_for(cli, words: tuple[str, ...], command: click.Command) -> None:
    result = cli(*words, "--help")
    assert result.exit_code == 0
    assert command.help
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=" ".join(words))
        for words, command in commands(main)
        if words[-1] in ("ask", "lookup", "import", "stats", "savings", "purge", "feedback", "demo", "doctor", "list")
    ],
)
def test_commands_that_report_speak_json(words: tuple[str, ...]) -> None:
    command = dict(commands(main))[words]
    assert "as_json" in [each.name for each in command.params]


@pytest.mark.parametrize("module", ["semcache", "semcache.cli"])
def test_it_runs_as_a_module_too(module: str) -> None:
    result = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert __version__ in result.stdout


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from semcache.cli import main; main(['--help'], standalone_mode=False); "
        "print('LOADED', *sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = set(said.partition("LOADED")[2].split())
    heavy = {"faiss", "onnxruntime", "fastapi", "uvicorn", "numpy", "torch", "anthropic", "httpx2", "rich", "sqlite3"}
    assert loaded & heavy == set()


def test_help_of_a_benchmark_is_that_of_its_script() -> None:
    command = [sys.executable, "-m", "semcache", "bench", "hit-quality", "--help"]
    assert "--dataset" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_benchmark_can_be_run_by_its_name(cli) -> None:
    folder = Path(__file__).resolve().parents[2] / "benchmarks"
    scripts = {each.stem for each in folder.glob("*.py") if '__name__ == "__main__"' in each.read_text("utf-8")}
    offered = cli("bench", "--help").stdout.replace("\n", "").replace(" ", "")
    assert [each for each in scripts - {"loadgen"} if each.replace("_", "-") not in offered] == []


def test_a_benchmark_that_is_not_there_is_named(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["semcache.cli.bench"]
    monkeypatch.setattr(module, "__file__", str(cli.folder / "a" / "b" / "bench.py"))
    result = cli("bench", "latency")
    assert result.exit_code == 1
    assert "come with the repository" in result.stderr
