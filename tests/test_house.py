"""The house rules, checked: style, types, layers, names, lengths."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "semcache").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "core", "base", "manager", "engine"}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check", "."], id="ruff"),
        pytest.param(["ruff", "format", "--check", "."], id="format"),
        pytest.param(["mypy"], id="mypy"),
        pytest.param(["lint-imports"], id="layers"),
    ],
)
def test_the_checkers_have_nothing_to_say(command: list[str]) -> None:
    tool = Path(sys.executable).with_name(command[0])
    result = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert _body_lines(node) <= 40, f"{node.name} has {_body_lines(node)} lines"


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines without the docstring."""
    documented = ast.get_docstring(node) is not None and len(node.body) > 1
    first = node.body[1] if documented else node.body[0]
    return (node.end_lineno or 0) - first.lineno + 1


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not [path for path in SOURCES if path.stem in FORBIDDEN_NAMES]


def test_every_file_of_tests_has_a_name_of_its_own() -> None:
    """Two of one name can be collected one by one, and not together."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        pytest.param("fastapi", ("service",), id="fastapi"),
        pytest.param("httpx2", ("upstream", "sdk.py"), id="http client"),
        pytest.param("faiss", ("stores",), id="faiss"),
        pytest.param("sqlite3", ("stores",), id="sqlite"),
        pytest.param("onnxruntime", ("embedders",), id="onnxruntime"),
        pytest.param("torch", ("embedders",), id="torch"),
        pytest.param("opentelemetry", ("service",), id="opentelemetry"),
        pytest.param("anthropic", ("sdk.py", "cli", "cli.py"), id="anthropic"),
    ],
)
def test_heavy_libraries_stay_in_their_rooms(library: str, homes: tuple[str, ...]) -> None:
    users = [path.relative_to(ROOT / "semcache") for path in SOURCES if library in _imported(path)]
    assert [
        user for user in users if user.parts[0].removesuffix(".py") not in {h.removesuffix(".py") for h in homes}
    ] == []


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_importing_the_package_is_light() -> None:
    script = "import sys, semcache, semcache.settings; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {
        "faiss",
        "onnxruntime",
        "fastapi",
        "torch",
        "numpy",
        "anthropic",
        "sqlite_utils",
        "opentelemetry",
    } & set(loaded)


def test_the_public_names_are_sorted_and_all_there() -> None:
    import semcache

    assert list(semcache.__all__) == sorted(semcache.__all__)
    assert all(getattr(semcache, name) for name in semcache.__all__)
