"""What the eight strategies save together on a typical production application, one added after the other.

The application of `impact_workload.py` is run through the whole product in virtual time against the simulator, which
bills as Claude does: unassisted, then with one strategy more each time in the order of the table that the literature
gives, at the prices of the day and at those of that table; with other mixes and other baselines; and in many orders,
for Shapley shares. Questions of the help desk are banking77's with --data, else the sample of the package; answers are
ours.

    python benchmarks/combined_impact.py --data ../shared/datasets --write benchmarks/results
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import math
import random
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from impact_report import BASE_USD, CLAIMED, MOST_WRONG, SAVED_BAR, short_of_claim, table, write_results
from impact_runs import STEPS, Outcome, Task, run_all
from impact_workload import SHARES, VARIANTS
from impact_world import ERAS, PER_HOUR, TODAY, Place, read_questions
from reporting import Bar, print_report, report
from workloads import MissingData

from semcache.learning.quality import wilson

_ALL = frozenset(STEPS)
_Z, _FEWEST_PAIRS = 1.96, 6  # fewer say nothing of how far the shares spread


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        read_questions(options.data)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    orders = _orders(options.orders)
    tasks = [*_tables(options), *_variants(options), *_subsets(options, orders)]
    found = run_all(tasks, options.data, processes=options.processes, work=options.work)
    figures = _figures(found, options, orders)
    settings = {"requests": options.requests, "seeds": options.seeds, "orders": len(orders), "shares": SHARES,
                "shapley_requests": options.shapley_requests, "base_usd": BASE_USD, "per_hour": PER_HOUR,
                "data": options.data is not None}  # fmt: skip
    results = report("combined_impact", figures, _bars(figures), settings=settings)
    if options.write is not None:
        write_results(results, options.write)
    print_report(results, as_json=options.json, table=table)
    if not options.json:
        for step, why in short_of_claim(results):
            print(f"short of its claim: {step}: {why}")
    return 0


# what is run


def _places(options: argparse.Namespace) -> Iterator[Place]:
    for era in ERAS:
        for seed in range(options.seeds):
            yield Place(era, options.requests, seed)


def _tables(options: argparse.Namespace) -> Iterator[Task]:
    """One strategy more each time."""
    for place in _places(options):
        for count in range(len(STEPS) + 1):
            yield Task(place, frozenset(STEPS[:count]))


def _variants(options: argparse.Namespace) -> Iterator[Task]:
    for variant in VARIANTS:
        for on in (frozenset[str](), _ALL):
            yield Task(Place(TODAY, options.requests, 0, variant), on)


def _subsets(options: argparse.Namespace, orders: Sequence[Sequence[str]]) -> Iterator[Task]:
    for order in orders:
        for count in range(len(order) + 1):
            yield Task(Place(TODAY, options.shapley_requests), frozenset(order[:count]))


def _orders(count: int) -> list[list[str]]:
    """Random orders, each followed by its reverse: what comes first in one comes last in the other."""
    chance, orders = random.Random(0), list[list[str]]()
    for _ in range(count // 2):
        order = chance.sample(STEPS, len(STEPS))
        orders += [order, order[::-1]]
    return orders


# what came of it


def _figures(
    found: Mapping[Task, Outcome], options: argparse.Namespace, orders: Sequence[Sequence[str]]
) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for era in ERAS:
        tables = [_added_up(place, found) for place in _places(options) if place.era == era]
        figures |= {f"{era}: {name}": row for name, row in _median(tables).items()}
        figures[f"{era}: in all"] |= _wrong(found, [place for place in _places(options) if place.era == era])
    for variant in VARIANTS:
        place = Place(TODAY, options.requests, 0, variant)
        base, ours = found[Task(place, frozenset())], found[Task(place, _ALL)]
        figures[f"variant: {variant}"] = {
            "saved": 1 - ours.usd / base.usd,
            "usd_per_request": base.usd / base.requests,
            "hit_rate": ours.hits / ours.requests,
            "wrong_of_requests": ours.wrong / ours.requests,
        }
    shapley = _shapley(found, Place(TODAY, options.shapley_requests), orders)
    return figures | {f"Shapley: {name}": row for name, row in shapley.items()}


def _added_up(place: Place, found: Mapping[Task, Outcome]) -> dict[str, dict[str, Any]]:
    base = before = found[Task(place, frozenset())]
    rows: dict[str, dict[str, Any]] = {"unassisted": {"usd": base.usd, "left": 1.0}}
    for count, step in enumerate(STEPS, 1):
        now = found[Task(place, frozenset(STEPS[:count]))]
        rows[step] = {
            "usd": now.usd,
            "of_remainder": 1 - now.usd / before.usd,
            "of_base": (before.usd - now.usd) / base.usd,
            "left": now.usd / base.usd,
            "claimed_of_remainder": CLAIMED[step],
            "hit_rate": now.hits / now.requests,
            "failed": now.failed,
            "unbilled_usd": abs(now.usd - now.billed_usd),
        }
        before = now
    rows["in all"] = {"saved": 1 - before.usd / base.usd, "usd_per_request": base.usd / base.requests}
    return rows


def _wrong(found: Mapping[Task, Outcome], places: Sequence[Place]) -> dict[str, Any]:
    """With all strategies on: wrong answers of all seeds, with 95 % intervals (Wilson), and who answered."""
    last = [found[Task(place, _ALL)] for place in places]
    wrong, requests, judged = (sum(getattr(each, name) for each in last) for name in ("wrong", "requests", "judged"))
    served: dict[str, float] = {}
    for name, count in ((name, count) for each in last for name, count in each.served.items()):
        served[name] = served.get(name, 0) + count / requests
    return {
        "hit_rate": sum(each.hits for each in last) / requests,
        "wrong_of_requests": wrong / requests,
        "wrong_of_requests_interval": wilson(wrong, requests),
        "wrong_of_judged_hits": wrong / judged if judged else 0.0,
        "wrong_of_judged_hits_interval": wilson(wrong, judged) if judged else (0.0, 1.0),
        "answered_by": {name: round(share, 4) for name, share in sorted(served.items())},
    }


def _shapley(
    found: Mapping[Task, Outcome], place: Place, orders: Sequence[Sequence[str]]
) -> dict[str, dict[str, float | None]]:
    """The mean of what each strategy saves of the unassisted bill over the orders; intervals over pairs of orders."""

    def usd(on: Sequence[str]) -> float:
        return found[Task(place, frozenset(on))].usd

    rows: dict[str, dict[str, float | None]] = {}
    for step in STEPS if orders else ():
        saved = [usd(order[: order.index(step)]) - usd(order[: order.index(step) + 1]) for order in orders]
        pairs = [(one + other) / 2 / usd(()) for one, other in zip(saved[::2], saved[1::2], strict=True)]
        spread = statistics.stdev(pairs) if len(pairs) >= _FEWEST_PAIRS else None
        alone = frozenset([step])
        rows[step] = {"share": statistics.mean(pairs), "plus_minus": spread and _Z * spread / math.sqrt(len(pairs))}
        if (first := found.get(Task(place, alone))) is not None:
            rows[step]["alone"] = 1 - first.usd / usd(())
    return rows


def _median(tables: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {
        row: {name: statistics.median(table[row][name] for table in tables) for name in figures}
        for row, figures in tables[0].items()
    }


def _bars(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    bars = []
    for era in ERAS:
        last = figures[f"{era}: in all"]
        bars.append(Bar(f"saved in all, {era}", last["saved"], SAVED_BAR, at_most=False))
        bars.append(Bar(f"wrong from memory, of requests, {era}", last["wrong_of_requests"], MOST_WRONG, at_most=True))
        unbilled = max(row["unbilled_usd"] for name, row in figures.items() if name.startswith(era) and "failed" in row)
        bars.append(Bar(f"dollars between ledger and simulator, {era}", unbilled, 0.005, at_most=True))
    return bars


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"))
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--orders", type=int, default=4, help="orders of the strategies for the Shapley shares")
    parser.add_argument("--shapley-requests", type=int, default=250)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, metavar="FILE", help="keep the runs there, and go on after an interrupt")
    parser.add_argument("--quick", action="store_true", help="the same in small, in less than a minute")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write JSON, table, plot and page there")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.quick:
        options.requests, options.seeds, options.orders, options.shapley_requests = 40, 1, 2, 24
    if options.seeds < 1 or options.orders % 2:
        parser.error("--seeds: at least 1; --orders: an even number, for each order is run in reverse, too")
    return options


if __name__ == "__main__":
    sys.exit(main())
