"""The README is the manual: everything it must name is there, and its snippets run."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest
from fastapi.routing import APIRoute

from semcache.policy import RoutingPolicy
from semcache.settings import ABOUT, Settings, load_settings, variable_of

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def shown(value: object) -> str:
    """A default as the settings table shows it."""
    if value in (None, (), {}, RoutingPolicy()):
        return "none"
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(getattr(value, "value", value))


@pytest.mark.parametrize("name", [each.name for each in fields(Settings)])
def test_every_setting_is_in_the_manual(name: str) -> None:
    variable = name if name in ("namespaces", "routing") else variable_of(name)  # tables: in the file only
    assert f"| `{variable}` | {shown(getattr(Settings(), name))} | {ABOUT[name]} |" in README


def test_every_command_is_in_the_manual() -> None:
    from semcache.cli import main

    def names(group: click.Group, prefix: str) -> list[str]:
        found = []
        for name, command in group.commands.items():
            nested = isinstance(command, click.Group)
            found += names(command, f"{prefix} {name}") if nested else [f"{prefix} {name}"]
        return found

    missing = [name for name in names(main, "semcache") if f"`{name}" not in README]
    assert not missing


def test_every_endpoint_of_ours_is_in_the_manual() -> None:
    from semcache.service.app import create_app

    app = create_app(load_settings({}, store="memory:", upstream="simulator"))
    paths = {route.path for route in app.routes if isinstance(route, APIRoute)}
    assert not [path for path in paths if re.sub(r"\{.*?\}", "ID", path) not in README]


def test_every_header_of_ours_is_in_the_manual() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "semcache").rglob("*.py"))
    named = set(re.findall(r"\bx-semcache-[a-z][a-z-]*[a-z]\b", sources))
    assert not [header for header in sorted(named) if f"`{header}`" not in README]


def test_the_first_screen_shows_the_two_commands_and_the_one_line() -> None:
    first_screen = README[:1500]
    for needed in ("make run", "make test", "export ANTHROPIC_BASE_URL=http://127.0.0.1:8080"):
        assert needed in first_screen


def test_the_python_snippets_run(tmp_path: Path) -> None:
    snippets = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert len(snippets) >= 2
    script = "\n".join(snippets)
    environment = {"PATH": "", "SEMCACHE_UPSTREAM": "simulator", "SEMCACHE_MODELS_DIR": str(ROOT / "models")}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "exact" in result.stdout


def test_every_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(each for extra in extras for each in extra)]
    names = {re.split(r"[<>=!;\[ ]", each)[0] for each in requirements}
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert not [name for name in sorted(names) if name not in guide]
