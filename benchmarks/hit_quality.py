"""How many requests are answered from memory, and how many of those answers are wrong.

Streams queries through the public library against the simulator, which knows the gold answers: an empty cache,
Zipf popularity, fixed seeds. Beside the service as shipped: exact repeats only, a static similarity threshold from
0.60 to 0.99, GPTCache's default rule, and the perfect cache.

    python benchmarks/hit_quality.py --dataset banking77 --data DIR
    python benchmarks/hit_quality.py --dataset sample
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from baselines import GPTCACHE_COSINE, SWEEP, Stream, perfect_cache, static_threshold
from numpy.typing import NDArray
from reporting import Bar, print_report, report
from sample_quality import sample_figures
from scoring import Tally, summed
from workloads import MissingData, Row, Workload, load_workload, natural_stream, zipf_stream

from semcache import Hit, SemanticCache, Settings
from semcache.assembly import find_models_dir
from semcache.embedders.opening import open_embedder
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.upstream.simulator import Simulator

MODEL = "claude-haiku-5-5"
STATED_RATE = 1.0  # per cent: the default error budget


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        results = sample_figures() if options.dataset == "sample" else _measured(options)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    print_report(results, as_json=options.json, table=_table)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", default="sample", help="banking77, clinc150, quora, sample, or a CSV/JSONL file")
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--requests", type=int, default=8000, help="length of a stream (8000)")
    parser.add_argument("--seeds", type=int, default=5, help="number of streams (5)")
    parser.add_argument("--zipf", type=float, default=1.0, help="exponent of the popularity of classes (1.0)")
    parser.add_argument("--natural", action="store_true", help="every text once instead: a stream without repeats")
    parser.add_argument("--quick", action="store_true", help="under a minute: one short stream")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    if options.quick:
        options.requests, options.seeds = min(options.requests, 2000), 1
    return options


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    workload = load_workload(options.dataset, options.data)
    streams = [_drawn(workload, options, seed) for seed in range(options.seeds)]
    runs: dict[str, list[Tally]] = {"service as shipped": [], "exact only": [], "perfect cache": []}
    for rows in streams:
        runs["service as shipped"].append(through_the_library(rows, workload, mode="semantic"))
        runs["exact only"].append(through_the_library(rows, workload, mode="exact"))
    vectors = _embedded({row.text for rows in streams for row in rows})
    for rows in streams:
        stream = Stream.of(rows, vectors)
        runs["perfect cache"].append(perfect_cache(stream, workload))
        for cosine in SWEEP:
            name = "GPTCache default (0.60)" if cosine == GPTCACHE_COSINE else f"static {cosine:.2f}"
            runs.setdefault(name, []).append(static_threshold(stream, workload, cosine))
    figures = {name: summed(tallies).figures() for name, tallies in runs.items()}
    for name, tallies in runs.items():
        figures[name]["error_rate_by_seed"] = [tally.figures()["error_rate"] for tally in tallies]
    shipped = figures["service as shipped"]
    bars = [Bar(f"{workload.name}: wrong answers, % of requests", shipped["error_rate"], STATED_RATE, at_most=True)]
    settings = {"dataset": workload.name, "requests": options.requests, "seeds": options.seeds}
    settings |= {"zipf": None if options.natural else options.zipf, "texts": len(workload.rows)}
    return report("hit_quality", figures, bars, settings=settings)


def through_the_library(rows: Sequence[Row], workload: Workload, *, mode: str) -> Tally:
    """Ask each row of a fresh cache, through the public API; the simulator answers what no memory can."""
    by_text = {row.text: row for row in workload.rows}
    prices = PriceBook.load(find_claude_manifest(find_models_dir(Settings())))
    answers = {text: f"This is the answer of class {row.class_id}." for text, row in by_text.items()}
    tally, seen = Tally(), set[str]()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), upstream="simulator")
        with SemanticCache(settings, upstream=Simulator(prices, answers=answers)) as cache:
            for row in rows:
                lookup = cache.ask(row.text, model=MODEL, mode=mode).lookup
                served = by_text[lookup.entry.question] if isinstance(lookup, Hit) else None
                judges = (workload.judge, workload.strict_judge)
                tally.count(is_repeat=row.text in seen, asked=row, stored=served, judges=judges)
                seen.add(row.text)
    return tally


def _drawn(workload: Workload, options: argparse.Namespace, seed: int) -> list[Row]:
    if options.natural:
        return natural_stream(workload.rows, requests=options.requests, seed=seed)
    return zipf_stream(workload.rows, requests=options.requests, exponent=options.zipf, seed=seed)


def _embedded(texts: set[str]) -> dict[str, NDArray[np.float32]]:
    settings = Settings()
    embedder = open_embedder(settings.embedder, models_dir=find_models_dir(settings))
    ordered = sorted(texts)
    vectors = [embedding.vector for embedding in embedder.embed_many(ordered)]
    embedder.close()
    return dict(zip(ordered, vectors, strict=True))


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = ("hit_rate", "new_wording_hit_rate", "error_rate", "similar_false_hit_rate", "strict_error_rate")
    columns += ("unjudged_rate",)
    head = (
        "per cent",
        "hits",
        "hits on new wordings",
        "wrong / request",
        "wrong / similar hit",
        "strict wrong",
        "unjudged",
    )
    shown = {name: row for name, row in results["figures"].items() if not name.startswith("static") or _is_tenth(name)}
    return [head, *((name, *(str(row.get(column, "")) for column in columns)) for name, row in shown.items())]


def _is_tenth(name: str) -> bool:
    return name.split()[-1] in ("0.70", "0.80", "0.85", "0.90", "0.95", "0.99")


if __name__ == "__main__":
    sys.exit(main())
