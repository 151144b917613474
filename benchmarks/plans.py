"""Which stream is run through which cache, as plain values: a worker process draws and runs them by itself."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from product import Run, run_stream
from remembering import shared_embedder
from streams import Drift, Relabelling, fresh_zipf_stream, natural_stream, no_repeat_stream, zipf_stream
from truth import Row, Workload, same_class
from workloads import load_workload

from semcache import Settings
from semcache.opening import find_models_dir

SCORERS = Path(__file__).with_name("scorers")
DRIFTS = {"drift-split": Relabelling.SPLIT, "drift-merge": Relabelling.MERGE}
DRIFT_DOMAINS = ("banking77", "clinc150-all")
# What a prior must not have seen, by the data it is measured on.
HELD_OUT = {"banking77": "banking77", "clinc150": "clinc150", "clinc150-all": "clinc150", "quora": "quora"}
HELD_OUT |= dict.fromkeys(DRIFTS, "banking77-clinc150")

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class StreamPlan:
    """A stream of a data set (or a file, or one of `DRIFTS`); `kind` is one of fresh, zipf, natural, no-repeat."""

    dataset: str
    data: Path | None
    requests: int
    seed: int
    kind: str = "fresh"
    exponent: float = 1.0

    def drawn(self) -> list[Row]:
        """The same rows for the same plan."""
        if self.dataset in DRIFTS:
            drift = _drift(self.dataset, self.data)
            return drift.stream(requests=self.requests, exponent=self.exponent, seed=self.seed)
        rows = self.workload().rows
        match self.kind:
            case "natural":
                return natural_stream(rows, requests=self.requests, seed=self.seed)
            case "no-repeat":
                return no_repeat_stream(rows, requests=self.requests, seed=self.seed)
            case _:
                draw = zipf_stream if self.kind == "zipf" else fresh_zipf_stream
                return draw(rows, requests=self.requests, exponent=self.exponent, seed=self.seed)

    def workload(self) -> Workload:
        if self.dataset in DRIFTS:
            return Workload(self.dataset, (), same_class, same_class)
        return _workload(self.dataset, self.data)


@dataclass(frozen=True)
class RunPlan:
    """One run of the product over a stream; `mistaken`: see `product.run_stream`."""

    stream: StreamPlan
    error_budget: float = 0.01
    mistaken: float = 0.0
    mode: str = "semantic"

    def run(self) -> Run:
        """With the prior that has not seen the data."""
        return run_stream(
            self.stream.drawn(),
            self.stream.workload(),
            seed=self.stream.seed,
            mistaken=self.mistaken,
            error_budget=self.error_budget,
            models_dir=models_without(HELD_OUT.get(self.stream.dataset)),
        )


def models_without(held_out: str | None) -> Path:
    """The models folder, with the prior that was trained without some data; None: the shipped prior."""
    models = find_models_dir(Settings()).resolve()
    return models if held_out is None else _models_with(models, SCORERS / f"without-{held_out}.toml")


def in_processes(act: Callable[[Task], Outcome], tasks: Sequence[Task], *, jobs: int) -> list[Outcome]:
    """Each task in one of several processes, each with one thread; outcomes in the order of the tasks."""
    if jobs == 1 or len(tasks) == 1:
        return [act(task) for task in tasks]
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=spawning) as pool:
        return list(pool.map(act, tasks))


def run(plan: RunPlan) -> Run:
    """The plan's run, as a function that a process can be given; labels stay there, they are many."""
    outcome = plan.run()
    outcome.labels = []
    return outcome


@cache
def _workload(dataset: str, data: Path | None) -> Workload:
    return load_workload(dataset, data)


@cache
def _drift(name: str, data: Path | None) -> Drift:
    first, second = (_workload(domain, data) for domain in DRIFT_DOMAINS)
    vectors = shared_embedder().vectors({row.text for workload in (first, second) for row in workload.rows})
    return Drift.between(first, second, DRIFTS[name], vectors=vectors)


@cache
def _models_with(models: Path, scorers: Path) -> Path:
    """A folder like `models` with another scorer.toml; kept for the life of the process."""
    if not scorers.is_file():
        raise FileNotFoundError(f"{scorers} is missing; make it with benchmarks/train_scorer.py")
    folder = _temporary_folder()
    for each in models.iterdir():
        if each.name != "scorer.toml":
            os.symlink(each, folder / each.name)
    os.symlink(scorers.resolve(), folder / "scorer.toml")
    return folder


_folders: list[tempfile.TemporaryDirectory[str]] = []


def _temporary_folder() -> Path:
    _folders.append(tempfile.TemporaryDirectory(prefix="semcache-models-"))
    return Path(_folders[-1].name)
