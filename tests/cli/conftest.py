"""The command line in this process, on the simulator and a state of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from semcache.cli import main

MODELS = Path(__file__).resolve().parents[2] / "models"


@dataclass
class CommandLine:
    """Runs commands as a shell would, with these variables set."""

    folder: Path
    variables: dict[str, str]

    def __call__(self, *words: str, typed: str | None = None, **variables: str) -> Result:
        result = CliRunner().invoke(main, words, input=typed, env={**self.variables, **variables})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def told(self, *words: str, code: int = 0, **variables: str) -> Any:
        """What the command prints as JSON, and nothing else."""
        result = self(*words, "--json", **variables)
        assert result.exit_code == code, result.stderr
        return json.loads(result.stdout)

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return str(path)


@pytest.fixture
def cli_variables(tmp_path: Path) -> dict[str, str]:
    return {
        "SEMCACHE_DATA_DIR": str(tmp_path / "index"),
        "SEMCACHE_MODELS_DIR": str(MODELS),
        "SEMCACHE_EMBEDDER": "hashed",
        "SEMCACHE_UPSTREAM": "simulator",
    }


@pytest.fixture
def cli(tmp_path: Path, cli_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, cli_variables)
