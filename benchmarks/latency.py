"""How long an answer from memory takes, beside the forward pass of the model alone, which nothing can beat.

Fills one scope with questions, then asks through the library and through the real service over HTTP: the same again
(exact), in other words (semantic), and something new (miss, answered by the simulator). What is asked is drawn with
popularity 1/rank, as traffic is, after a while of such traffic in yet other words; no embedding is ever kept.

    python benchmarks/latency.py                    1,000 and 10,000 entries; about four minutes
    python benchmarks/latency.py --entries 100000   about ten minutes more
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from questions import Question, questions
from reporting import Bar, print_report, report
from serving import KEY, MAX_TOKENS, MODEL, body, load, running

from semcache import Hit, SemanticCache, Settings
from semcache.opening import find_models_dir

ANSWER = "Open the settings, choose the entry you mean, and follow the three steps on the screen. " * 3
BAR_ENTRIES = 10_000


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    entries: tuple[int, ...]
    clients: tuple[int, ...]
    runs: int
    asked: int  # requests of one kind in one run by one client
    earlier: int  # requests before anything is measured


def main(arguments: Sequence[str] | None = None) -> int:
    plan, as_json = _options(arguments)
    figures: dict[str, dict[str, Any]] = {}
    for entries in plan.entries:
        with tempfile.TemporaryDirectory() as folder:
            asked = _filled(Path(folder), entries, plan)
            figures |= _library(Path(folder), entries, plan, asked)
            figures |= _service(Path(folder), entries, plan, asked)
    settings = {"entries": plan.entries, "clients": plan.clients, "runs": plan.runs, "threads": 1}
    print_report(report("latency", figures, _bars(figures), settings=settings), as_json=as_json)
    return 0


def _options(arguments: Sequence[str] | None) -> tuple[Plan, bool]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--entries", default="1000,10000", help="entries in the scope, comma-separated (1000,10000)")
    parser.add_argument("--clients", default="1,32", help="concurrent HTTP clients (1,32)")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median counts (5)")
    parser.add_argument("--asked", type=int, default=200, help="requests of each kind in a run (200)")
    parser.add_argument("--quick", action="store_true", help="under a minute: 1,000 entries, one run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    entries, clients = (tuple(map(int, text.split(","))) for text in (options.entries, options.clients))
    if options.quick:
        return Plan(entries[:1], clients, 1, min(options.asked, 100), earlier=200), options.json
    return Plan(entries, clients, options.runs, options.asked, earlier=2000), options.json


def _filled(folder: Path, entries: int, plan: Plan) -> list[Question]:
    """A store with so many entries; the questions that may be asked of it, in an order of chance."""
    stored = questions(entries, seed=1)
    with _opened(folder) as cache:
        for question in stored:
            cache.put(question.text, ANSWER, model=MODEL, max_tokens=MAX_TOKENS, api_key=KEY)
    needed = plan.asked * plan.runs * (1 + sum(plan.clients)) + plan.earlier
    return random.Random(2).choices(stored, [1 / rank for rank in range(1, entries + 1)], k=needed)


def _opened(folder: Path) -> SemanticCache:
    """Without audits: the simulator's answers are not those that were stored, and it would be found out."""
    settings = Settings(data_dir=folder, models_dir=find_models_dir(Settings()), upstream="simulator", audits=False)
    return SemanticCache(settings)


# in process


def _library(folder: Path, entries: int, plan: Plan, asked: list[Question]) -> dict[str, dict[str, Any]]:
    with _opened(folder) as cache:
        embed = cache.parts.assembly.embedder.embed

        def ask(text: str) -> bool:
            options = {"model": MODEL, "max_tokens": MAX_TOKENS, "api_key": KEY}
            return isinstance(cache.ask(text, **options).lookup, Hit)

        for question in asked[-plan.earlier :]:
            ask(question.earlier)
        kinds: dict[str, tuple[Callable[[str], Any], Callable[[Question], str]]] = {
            "forward pass": (embed, lambda question: question.reworded),
            "exact hit": (ask, lambda question: question.text),
            "semantic hit": (ask, lambda question: question.reworded),
            "miss": (ask, lambda question: question.unknown),
        }
        measured: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
        for run in range(plan.runs):
            part = asked[run * plan.asked : (run + 1) * plan.asked]
            for kind, (act, text_of) in kinds.items():
                texts = [text_of(question) for question in part]
                if kind == "miss":  # each of them new
                    texts = [f"{text} ({run}.{number})" for number, text in enumerate(texts)]
                measured[kind].append(_timed(act, texts, hits=kind.endswith("hit")))
    return {f"library, {entries:,} entries: {kind}": _summary(runs) for kind, runs in measured.items()}


def _timed(act: Callable[[str], Any], texts: list[str], *, hits: bool) -> list[float]:
    latencies, served = [], 0
    for text in texts:
        began = time.perf_counter()
        served += act(text) is True
        latencies.append((time.perf_counter() - began) * 1000)
    if hits and served < 0.95 * len(texts):
        raise SystemExit(f"only {served} of {len(texts)} were hits: this would not measure what it says")
    return latencies


# over HTTP


def _service(folder: Path, entries: int, plan: Plan, asked: list[Question]) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    with running(folder) as (port, process, ready_seconds):
        load(port, 1, [body(question.earlier) for question in asked[-plan.earlier :]])
        rest = asked[plan.asked * plan.runs :]
        for clients in plan.clients:
            count = plan.asked * clients
            for kind, text_of in (("exact hit", lambda q: q.text), ("semantic hit", lambda q: q.reworded)):
                results = [
                    load(port, clients, [body(text_of(each)) for each in rest[run * count : (run + 1) * count]])
                    for run in range(plan.runs)
                ]
                name = f"HTTP, {entries:,} entries, {clients} clients: {kind}"
                figures[name] = _http_summary(results, kind.split()[0])
            rest = rest[plan.runs * count :] or asked
        misses = [
            load(port, 1, [body(f"{q.unknown} (HTTP {run}.{number})") for number, q in enumerate(asked[: plan.asked])])
            for run in range(plan.runs)
        ]
        figures[f"HTTP, {entries:,} entries, 1 clients: miss"] = _http_summary(misses, None)
        memory = _resident_megabytes(process.pid)
    figures[f"service, {entries:,} entries"] = {"ready_s": round(ready_seconds, 2), "resident_mb": memory}
    return figures


def _resident_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


# figures


def _http_summary(results: list[dict[str, Any]], kind: str | None) -> dict[str, Any]:
    served = sum(result["outcomes"].get(kind, 0) for result in results)
    total = sum(len(result["latencies_ms"]) for result in results)
    if kind is not None and served < 0.95 * total:
        raise SystemExit(f"only {served} of {total} were {kind} hits: this would not measure what it says")
    summary = _summary([result["latencies_ms"] for result in results])
    rates = [len(result["latencies_ms"]) / result["seconds"] for result in results]
    return summary | {"requests_per_s": round(statistics.median(rates), 0)}


def _summary(runs: list[list[float]]) -> dict[str, Any]:
    """The median over the runs of each run's percentiles, in milliseconds."""
    shares = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
    return {
        name: round(statistics.median(sorted(run)[min(len(run) - 1, int(share * len(run)))] for run in runs), 3)
        for name, share in shares.items()
    }


def _bars(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    size = f"{BAR_ENTRIES:,} entries"
    if f"service, {size}" not in figures:
        return []

    def figure(name: str, what: str) -> float | None:
        return figures.get(name, {}).get(what)

    forward = figure(f"library, {size}: forward pass", "p50_ms")
    library = figure(f"library, {size}: semantic hit", "p50_ms")
    ratio = None if forward is None or library is None else round(library / forward, 2)
    return [
        Bar("library semantic hit, p50 ms", library, 2.5, at_most=True),
        Bar(
            "HTTP semantic hit, 1 client, p50 ms",
            figure(f"HTTP, {size}, 1 clients: semantic hit", "p50_ms"),
            5,
            at_most=True,
        ),
        Bar(
            "HTTP exact hit, 1 client, p50 ms", figure(f"HTTP, {size}, 1 clients: exact hit", "p50_ms"), 2, at_most=True
        ),
        Bar(
            "HTTP semantic hits/s, 32 clients",
            figure(f"HTTP, {size}, 32 clients: semantic hit", "requests_per_s"),
            500,
            at_most=False,
        ),
        Bar("ready, s", figure(f"service, {size}", "ready_s"), 3, at_most=True),
        Bar("resident at its highest, MB", figure(f"service, {size}", "resident_mb"), 400, at_most=True),
        Bar("library semantic hit / forward pass (no bar was set)", ratio, float("inf"), at_most=True),
    ]


if __name__ == "__main__":
    sys.exit(main())
