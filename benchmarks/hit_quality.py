"""How many requests are answered from memory, and how many of those answers are wrong.

Streams queries through the public library against the simulator, which knows the gold answers: an empty cache, a prior
that has not seen the data, fixed seeds, each outcome counted before anything is learned from it. Beside it: static
thresholds, vCache, GPTCache's rule, oracles and the perfect cache over the very same streams.

    python benchmarks/hit_quality.py --dataset banking77 --data DIR --budgets 0.005 0.01 0.02 0.05
    python benchmarks/hit_quality.py --dataset drift-split --data DIR
    python benchmarks/hit_quality.py --dataset never-merge
    python benchmarks/hit_quality.py --dataset sample
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comparison import compare
from plans import DRIFTS, StreamPlan
from plots import RESULTS
from reporting import print_report
from sample_quality import sample_figures
from trap_quality import trap_figures
from workloads import MissingData


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        results = _measured(options)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    print_report(results, as_json=options.json, table=_table)
    return 0


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    if options.dataset == "sample":
        return sample_figures()
    if options.dataset == "never-merge":
        return trap_figures(seeds=options.seeds, jobs=options.jobs)
    streams = [
        StreamPlan(options.dataset, options.data, options.requests, seed, options.stream, options.zipf)
        for seed in range(options.seeds)
    ]
    return compare(
        streams,
        error_budgets=options.budgets,
        mistaken=options.mistaken,
        jobs=options.jobs,
        plots=options.plots,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    named = ", ".join(["banking77", "clinc150", "clinc150-all", "quora", *DRIFTS, "never-merge", "sample"])
    parser.add_argument("--dataset", default="sample", help=f"{named}, or a CSV/JSONL file")
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--stream", choices=("fresh", "zipf", "natural", "no-repeat"), default="fresh", help=_STREAMS)
    parser.add_argument("--requests", type=int, default=8000, help="length of a stream (8000)")
    parser.add_argument("--seeds", type=int, default=5, help="number of streams (5)")
    parser.add_argument("--zipf", type=float, default=1.0, help="exponent of the popularity of classes (1.0)")
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.01], help="error budgets to run with (0.01)")
    parser.add_argument("--mistaken", type=float, nargs="+", default=[0.0], help="shares of verdicts turned round (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (one for each core)")
    parser.add_argument("--plots", type=Path, nargs="?", const=RESULTS, help="draw plots, into benchmarks/results")
    parser.add_argument("--quick", action="store_true", help="under a minute: one short stream")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    if options.quick:
        options.requests, options.seeds = min(options.requests, 2000), 1
    return options


_STREAMS = "fresh: no text twice (default); zipf: texts repeat; natural: every text once; no-repeat: every class once"


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = {
        "hit_rate": "hits",
        "net_hit_rate": "net of audits",
        "error_rate": "wrong / request",
        "strict_error_rate": "strict",
        "similar_false_hit_rate": "wrong / similar hit",
        "unjudged_rate": "unjudged",
    }
    rows = [(name, row) for name, row in results["figures"].items() if "hit_rate" in row and _is_shown(name)]
    return [
        ("per cent", *columns.values()),
        *((name, *(str(row.get(column, "")) for column in columns)) for name, row in rows),
    ]


def _is_shown(name: str) -> bool:
    last = name.split()[-1]
    return "vetoed" not in name and (not name.startswith("static") or last in ("0.70", "0.80", "0.90", "0.95"))


if __name__ == "__main__":
    sys.exit(main())
