"""What issue 5, "cheaper prompts", asks to be shown, in one table and one JSON: each part is a script of its own.

    a      breakpoints.py           prompt caching on five kinds of traffic
    b      token_budgets.py         budgets on recorded output lengths, trimming
    c      compression_quality.py   facts kept against tokens kept
    d      prompt_optimisation.py   ten sample system prompts
    joint  shaping.py               conversations with idle gaps: all strategies decided together

The parts run side by side, each with the arguments given here; none of them measures time.

    python benchmarks/prompts.py --data DIR --json
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import contextlib
import importlib
import io
import json
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reporting import Bar, aligned, report

_COLUMNS = ("part", "what", "value", "goal", "holds")


@dataclass(frozen=True)
class Part:
    """A script that takes `--quick` and `--json`, and, where it says so, `--data` and `--seeds`."""

    module: str
    about: str
    needs_data: bool = False
    has_seeds: bool = True


PARTS = {
    "a": Part("breakpoints", "prompt caching"),
    "b": Part("token_budgets", "token budgets", needs_data=True),
    "c": Part("compression_quality", "compression", needs_data=True),
    "d": Part("prompt_optimisation", "prompt optimisation", has_seeds=False),
    "joint": Part("shaping", "all together"),
}


@dataclass(frozen=True)
class Outcome:
    """What a script printed: its result, or why there is none."""

    result: dict[str, Any] | None
    problem: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    found = _run(options)
    figures: dict[str, dict[str, Any]] = {}
    bars: list[Bar] = []
    settings: dict[str, Any] = {"quick": options.quick, "parts": {}}
    for name, outcome in found.items():
        if outcome.result is None:
            sys.stderr.write(f"({name}) {PARTS[name].about}: {outcome.problem}\n")
            continue
        figures |= {f"({name}) {row}": row_figures for row, row_figures in outcome.result["figures"].items()}
        bars += _bars(name, outcome.result)
        settings["parts"][name] = outcome.result["settings"]
    joined = report("prompts", figures, bars, settings=settings)
    print(json.dumps(joined, indent=1) if options.json else aligned(_table(found)))
    return 0 if all(outcome.result is not None for outcome in found.values()) else 1


def _run(options: argparse.Namespace) -> dict[str, Outcome]:
    """Every part that was asked for, in its order."""
    calls = {name: _arguments(PARTS[name], options) for name in options.only}
    if len(calls) == 1 or options.jobs == 1:
        return {name: _outcome(PARTS[name].module, given) for name, given in calls.items()}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        pending = {name: pool.submit(_outcome, PARTS[name].module, given) for name, given in calls.items()}
        return {name: each.result() for name, each in pending.items()}


def _arguments(part: Part, options: argparse.Namespace) -> list[str]:
    given = ["--json", *(["--quick"] if options.quick else [])]
    if part.needs_data and options.data is not None:
        given += ["--data", str(options.data)]
    if part.has_seeds and options.seeds is not None:
        given += ["--seeds", str(options.seeds)]
    return given


def _outcome(module: str, arguments: list[str]) -> Outcome:
    """Calls the script's `main`, as the command line does."""
    said, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
        code = importlib.import_module(module).main(arguments)
    if code:
        return Outcome(None, complaint.getvalue().strip() or f"{module}.py ended with {code}")
    result: dict[str, Any] = json.loads(said.getvalue())
    return Outcome(result)


def _bars(name: str, result: dict[str, Any]) -> list[Bar]:
    return [Bar(f"({name}) {row['name']}", row["value"], row["required"], row["at_most"]) for row in result["bars"]]


def _table(found: dict[str, Outcome]) -> list[tuple[str, ...]]:
    """A line for each bar, under the part that it belongs to."""
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for name, outcome in found.items():
        about = f"({name}) {PARTS[name].about}"
        if outcome.result is None:
            rows.append((about, "not measured", "", "", ""))
            continue
        for bar in outcome.result["bars"]:
            goal = f"{'≤' if bar['at_most'] else '≥'} {bar['required']}"
            rows.append((about, bar["name"], str(bar["value"]), goal, "yes" if bar["holds"] else "FALLS SHORT"))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--seeds", type=int, help="runs of each row; default: each script's own")
    parser.add_argument("--only", type=_parts, default=tuple(PARTS), help=f"parts, of {','.join(PARTS)}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parts at a time")
    parser.add_argument("--quick", action="store_true", help="under a minute, the same code path")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or not set(names) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"name parts of {', '.join(PARTS)}, split by commas")
    return tuple(name for name in PARTS if name in names)


if __name__ == "__main__":
    sys.exit(main())
