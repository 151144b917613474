"""`semcache bench`: runs the benchmark scripts of the repository."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import click

_NAMES = (
    "batch", "booking", "breakpoints", "certificate", "combined-impact", "compression-quality", "conversations",
    "decision-latency", "hit-quality", "judge-quality", "latency", "poisoning", "prompt-optimisation", "prompts",
    "routing", "shaping", "soak", "stores", "tiering", "token-budgets", "train-router", "train-scorer",
)  # fmt: skip


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", type=click.Choice(_NAMES))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str, arguments: tuple[str, ...]) -> None:
    """Run a benchmark of the repository with its own ARGUMENTS; `semcache bench NAME --help` lists them."""
    folder = Path(__file__).resolve().parents[2] / "benchmarks"
    script = folder / f"{name.replace('-', '_')}.py"
    if not folder.is_dir():
        raise click.ClickException("the benchmarks come with the repository, not with the package; clone it first")
    if not script.is_file():
        raise click.ClickException(f"{script} is not there; update the repository")
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(folder))
    runpy.run_path(str(script), run_name="__main__")
