"""What routing saves on six kinds of work, at the prices of the day, and what it loses where that is recorded.

Every request goes through the public library against the simulator, which bills as Claude does. The contenders differ
in the `model` they name and in whether they say what task it is; nothing is ever answered from memory here. Of the
plain questions it is recorded whether a weak and a strong model of their time were right (RouteLLM's MMLU answers): a
question that goes to the small model counts as answered by the weak one, any other as answered by the strong one. The
judge of complexity is trained on the other half of the subjects, anew for each seed.

    python benchmarks/tiering.py                (without recorded questions: no quality)
    python benchmarks/tiering.py --data DIR
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from remembering import shared_embedder
from reporting import Bar, print_report, report
from scoring import percent
from tiering_workload import BY_VOLUME, EQUAL, KINDS, Recording, Work, mixed_workload
from train_router import Plan, Recorded, fitted, load_recorded, read_rows, written
from workloads import MissingData

from semcache import SemanticCache, Settings
from semcache.exchange import Answer
from semcache.opening import find_models_dir
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Json
from semcache.upstream.simulator import Simulator

SMALL, MIDDLE, LARGE = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
NOW = 1_795_392_000.0  # 2026-11-23: prices follow it
PLAN = Plan(64, 100.0)
MAX_TOKENS = 4_000
_TOKEN = "word "  # four bytes and a space: a quarter more than a token of the older tokenizer


@dataclass(frozen=True)
class Contender:
    """`names_tasks`: it says what kind of work a request is."""

    name: str
    model: str
    names_tasks: bool = False


CONTENDERS = (
    Contender("always small", SMALL),
    Contender("always middle", MIDDLE),
    Contender("always large", LARGE),
    Contender("semcache, tasks inferred", "auto"),
    Contender("semcache, tasks named", "auto", names_tasks=True),
)


@dataclass
class Tally:
    """What one contender paid for one kind of work, and which models it used."""

    requests: int = 0
    cost_usd: float = 0.0
    small: int = 0
    right: int = 0
    recorded: int = 0
    strong_right: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        halves = list(_halves(options))
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    figures: dict[str, dict[str, Any]] = {}
    for mix, shares in (("by volume", BY_VOLUME), ("equal shares", EQUAL)):
        runs = [
            measure(mixed_workload(options.requests, seed=seed, shares=shares, recorded=recorded), models_dir)
            for seed, (recorded, models_dir) in enumerate(halves)
        ]
        figures |= {f"{mix}: {name}": row for name, row in figures_of(runs).items()}
    settings = {
        "requests": options.requests,
        "seeds": options.seeds,
        "by volume": BY_VOLUME,
        "data": bool(options.data),
    }
    print_report(report("tiering", figures, bars_of(figures), settings=settings), as_json=options.json, table=_table)
    return 0


def measure(works: Sequence[Work], models_dir: Path) -> dict[str, dict[str, Tally]]:
    """Each contender's tally of each kind of work."""
    return {contender.name: _tallies(contender, works, models_dir) for contender in CONTENDERS}


def _tallies(contender: Contender, works: Sequence[Work], models_dir: Path) -> dict[str, Tally]:
    lengths = {work.prompt: work.answer_tokens for work in works}

    def answers(body: Json) -> str:
        return _TOKEN * lengths[body["messages"][-1]["content"]]

    simulator = Simulator(PriceBook.load(find_claude_manifest(None)), answers=answers, clock=lambda: NOW)
    tallies = {kind: Tally() for kind in KINDS}
    with _opened(simulator, models_dir) as cache:
        for work in works:
            before = simulator.bill_usd
            task = work.kind if contender.names_tasks and work.kind != "question" else ""
            answer = cache.ask(
                work.prompt, model=contender.model, task=task, mode="shadow", no_store=True, max_tokens=MAX_TOKENS
            )
            _count(tallies[work.kind], work, answer, float(simulator.bill_usd - before))
    return tallies


def _count(tally: Tally, work: Work, answer: Answer, cost_usd: float) -> None:
    is_small = answer.message.model == SMALL
    tally.requests += 1
    tally.cost_usd += cost_usd
    tally.small += is_small
    if work.right is not None:
        weak, strong = work.right
        tally.recorded += 1
        tally.right += weak if is_small else strong
        tally.strong_right += strong


@contextmanager
def _opened(simulator: Simulator, models_dir: Path) -> Iterator[SemanticCache]:
    """In shadow mode the vector is computed, as it is on every miss, and nothing is served."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), store="memory:", models_dir=models_dir, audits=False)
        with SemanticCache(settings, upstream=simulator, clock=lambda: NOW) as cache:
            yield cache


def _halves(options: argparse.Namespace) -> Iterator[tuple[list[Recording], Path]]:
    """For each seed the recorded questions of half of the subjects, and models whose router has seen the other half."""
    shipped = find_models_dir(Settings())
    if options.data is None:
        yield from (([], shipped) for _ in range(options.seeds))
        return
    recorded, rows = load_recorded(options.data), read_rows(options.data, "mmlu")
    for seed in range(options.seeds):
        names = np.unique(recorded.subjects)
        asked = set(np.random.default_rng(seed).permutation(names)[: len(names) // 2].tolist())
        is_asked = np.array([subject in asked for subject in recorded.subjects])
        questions = [
            Recording(str(row["prompt"]), bool(row["weak_correct"]), bool(row["strong_correct"]))
            for row, chosen in zip(rows, is_asked, strict=True)
            if chosen
        ]
        folder = Path(tempfile.mkdtemp(prefix="semcache-models-"))
        yield questions, _models_without(folder, shipped, recorded.at(np.flatnonzero(~is_asked)))


def _models_without(folder: Path, shipped: Path, learned: Recorded) -> Path:
    """The shipped models with a router that has learned from these alone."""
    for path in shipped.iterdir():
        if path.name != "router.toml":
            (folder / path.name).symlink_to(path.resolve())
    models = {shared_embedder().name: fitted(learned, PLAN), "any": fitted(learned, Plan(0, PLAN.ridge))}
    (folder / "router.toml").write_text(written(models), "utf-8")
    return folder


def figures_of(runs: Sequence[dict[str, dict[str, Tally]]]) -> dict[str, dict[str, Any]]:
    """Medians over the seeds: cost per 1,000 requests by kind, savings, share of the small model, quality."""
    figures: dict[str, dict[str, Any]] = {}
    for contender in CONTENDERS:
        totals = [_total(run[contender.name]) for run in runs]
        figures[contender.name] = {
            **{kind: _median(_per_thousand(run[contender.name][kind]) for run in runs) for kind in KINDS},
            "all": _median(map(_per_thousand, totals)),
            "saved against middle, %": _saved(runs, contender.name, "always middle"),
            "saved against large, %": _saved(runs, contender.name, "always large"),
            "small model, %": _median(percent(total.small, total.requests) for total in totals),
            **_quality(totals),
        }
    return figures


def _per_thousand(tally: Tally) -> float:
    return 1000 * tally.cost_usd / max(1, tally.requests)


def _total(tallies: dict[str, Tally]) -> Tally:
    total = Tally()
    for tally in tallies.values():
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    return total


def _saved(runs: Sequence[dict[str, dict[str, Tally]]], name: str, against: str) -> float:
    return _median(100 * (1 - _total(run[name]).cost_usd / _total(run[against]).cost_usd) for run in runs)


def _quality(totals: Sequence[Tally]) -> dict[str, float]:
    known = [total for total in totals if total.recorded]
    if not known:
        return {}
    return {
        "recorded right, %": _median(percent(total.right, total.recorded) for total in known),
        "lost, points of the questions": _median(
            percent(total.strong_right - total.right, total.recorded) for total in known
        ),
        "lost, points of all": _median(percent(total.strong_right - total.right, total.requests) for total in known),
    }


def bars_of(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    bars = []
    for name in ("tasks named", "tasks inferred"):
        saved = figures[f"by volume: semcache, {name}"]["saved against middle, %"]
        bars.append(Bar(f"saved against always-middle, {name}, %", saved, 60.0, False))
    return bars


def _median(values: Any) -> float:
    return round(statistics.median(values), 3)


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    figures = results["figures"]
    columns = [column for column in next(iter(figures.values()))]
    return [
        ("dollars per 1,000", *columns),
        *((name, *(f"{row[column]:g}" for column in columns)) for name, row in figures.items()),
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--seeds", type=int, default=5, help="workloads, and halves of the subjects (5)")
    parser.add_argument("--requests", type=int, default=1000, help="requests of a workload (1000)")
    parser.add_argument("--quick", action="store_true", help="under a minute: 200 requests, one seed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    if options.quick:
        options.seeds, options.requests = 1, 200
    return options


if __name__ == "__main__":
    sys.exit(main())
