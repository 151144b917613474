"""What the eight strategies save together on a typical production application, one added after the other.

The application of `impact_workload.py` is run through the whole product in virtual time against the simulator, which
bills as Claude does: unassisted, then with one strategy more each time in the order of the table that the literature
gives, and in other orders for Shapley shares. Once at the prices of the day, once at those of that table. Questions of
the help desk are banking77's with --data, else the sample of the package; answers are ours.

    python benchmarks/combined_impact.py --data ../shared/datasets --html benchmarks/results/combined_impact.html --json
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import io
import itertools
import random
import statistics
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impact_page import impact_page
from impact_prompts import approve_shorter
from impact_workload import SHARES
from impact_world import ERAS, World, open_world, read_questions
from remembering import shared_embedder
from reporting import Bar, print_report, report
from workloads import MissingData

from semcache import Settings
from semcache.policy import ESCORTS
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import AUTO_MODEL, Mode
from semcache.traffic.recorded import Recorded
from semcache.traffic.rehearsing import Rehearsal, Rehearsed, Stage

BASE_USD = 25_000  # a month, unassisted
BAR, MOST_WRONG = 0.81, 0.01
TIERING, CACHING, BUDGETS, BATCH, RESPONSES, COMPRESSION, ROUTING, OPTIMISATION = STEPS = (
    "model tiering", "prompt caching", "token budgets", "batch", "response caching", "context compression",
    "smart routing", "prompt optimisation",
)  # fmt: skip
CLAIMED = dict(zip(STEPS, (0.40, 0.30, 0.15, 0.20, 0.15, 0.10, 0.10, 0.05), strict=True))  # of the remainder
_STRATEGIES = {
    TIERING: ("tiering",),
    CACHING: ("prompt_caching",),
    BUDGETS: ("token_budget", "trimming"),  # how much shorter a real Claude answers when asked to, nobody can simulate
    COMPRESSION: ("compression",),
    ROUTING: ("routing",),
    OPTIMISATION: ("tidying", "prompt_optimisation"),
}


@dataclass(frozen=True)
class Outcome:
    """One run: dollars, hits, and how many of those were judged and wrong."""

    usd: float
    hits: int
    judged: int
    wrong: int
    failed: int


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        questions = read_questions(options.data)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    figures: dict[str, dict[str, Any]] = {}
    for era in ERAS:
        tables = []
        for seed in range(options.seeds):
            with open_world(questions, options.requests, era, seed=seed) as world:
                tables.append(_added_up(world))
        figures |= {f"{era}: {name}": row for name, row in _median(tables).items()}
    with open_world(questions, options.shapley_requests, ERAS[0], seed=0) as world:
        figures |= {f"Shapley: {name}": {"share": share} for name, share in _shapley(world, options.orders).items()}
    settings = {"requests": options.requests, "seeds": options.seeds, "orders": options.orders, "shares": SHARES,
                "base_usd": BASE_USD, "data": bool(options.data)}  # fmt: skip
    results = report("combined_impact", figures, _bars(figures), settings=settings)
    if options.html:
        options.html.write_text(impact_page(results, base_usd=BASE_USD, plot=_plot(results)), "utf-8")
    print_report(results, as_json=options.json, table=_table)
    return 0


# runs


def run(world: World, on: Collection[str]) -> Outcome:
    """The application with these strategies."""
    chosen = tuple(name for step in on for name in _STRATEGIES.get(step, ()))
    is_routed = TIERING in on or ROUTING in on
    mode = Mode.SEMANTIC if RESPONSES in on or ROUTING in on else Mode.OFF
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            store="memory:",
            models_dir=world.models_dir,
            mode=mode,
            strategies=(*chosen, *(ESCORTS if is_routed else ())),
            namespaces={},
        )
        prices = PriceBook.load(find_claude_manifest(world.models_dir))
        stage = Stage(settings, prices, shared_embedder())
        with Rehearsal(stage, began_at=world.traffic[0].at or 0.0) as rehearsal:
            if ROUTING in on:
                rehearsal.cache.import_faq(world.faq)
            if OPTIMISATION in on:
                approve_shorter(rehearsal.cache)
            rehearsal.run(_as_asked(world.traffic, on))
            return _outcome(rehearsal.result())


def _as_asked(traffic: Sequence[Recorded], on: Collection[str]) -> Iterator[Recorded]:
    """How the application sends its requests where it counts on these strategies."""
    for each in traffic:
        is_auto = TIERING in on or ROUTING in on
        params = {**each.params, "model": AUTO_MODEL} if is_auto else each.params
        yield replace(
            each,
            params=params,
            task=each.task if TIERING in on else "",
            can_wait=each.can_wait and BATCH in on,
            no_store=RESPONSES not in on,
        )


def _outcome(found: Rehearsed) -> Outcome:
    tally = found.tally
    hits = sum(tally.outcomes[kind] for kind in ("exact", "semantic", "faq"))
    return Outcome(float(found.savings.total.cost_usd), hits, tally.judged, tally.wrong, sum(tally.failed.values()))


def _added_up(world: World) -> dict[str, dict[str, Any]]:
    """One strategy more each time."""
    rows: dict[str, dict[str, Any]] = {}
    before = base = run(world, ())
    rows["unassisted"] = {"usd": base.usd, "left": 1.0}
    for count, step in enumerate(STEPS, 1):
        now = run(world, STEPS[:count])
        rows[step] = {
            "usd": now.usd,
            "of_remainder": 1 - now.usd / before.usd,
            "of_base": (before.usd - now.usd) / base.usd,
            "left": now.usd / base.usd,
            "claimed_of_remainder": CLAIMED[step],
            "hits": now.hits,
            "wrong_of_requests": now.wrong / len(world.traffic),
            "failed": now.failed,
        }
        before = now
    rows["in all"] = {"saved": 1 - before.usd / base.usd, "wrong_of_requests": before.wrong / len(world.traffic)}
    return rows


def _shapley(world: World, orders: int) -> dict[str, float]:
    """The mean of what each strategy saves over random orders and their reverses: of the unassisted bill."""
    known: dict[frozenset[str], float] = {}

    def usd(on: frozenset[str]) -> float:
        if on not in known:
            known[on] = run(world, [step for step in STEPS if step in on]).usd
        return known[on]

    chance, saved = random.Random(0), {step: list[float]() for step in STEPS}
    for _ in range(orders // 2):
        order = chance.sample(STEPS, len(STEPS))
        for sequence in (order, order[::-1]):
            for place, step in enumerate(sequence):
                less, more = frozenset(sequence[:place]), frozenset(sequence[: place + 1])
                saved[step].append((usd(less) - usd(more)) / usd(frozenset()))
    return {step: statistics.mean(shares) for step, shares in saved.items()}


def _median(tables: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {
        row: {name: statistics.median(table[row][name] for table in tables) for name in figures}
        for row, figures in tables[0].items()
    }


# the report


def _bars(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    bars = []
    for era in ERAS:
        bars.append(Bar(f"saved in all, {era}", figures[f"{era}: in all"]["saved"], BAR, at_most=False))
    wrong = figures["prices of today: in all"]["wrong_of_requests"]
    return [*bars, Bar("wrong answers from memory, of all requests", wrong, MOST_WRONG, at_most=True)]


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("strategy added", "of the remainder", "claimed", "bill a month, $")]
    for name, row in results["figures"].items():
        if "left" in row:
            claimed = f"{row['claimed_of_remainder']:.1%}" if "claimed_of_remainder" in row else ""
            saved = f"{row['of_remainder']:.1%}" if "of_remainder" in row else ""
            rows.append((name, saved, claimed, f"{BASE_USD * row['left']:,.0f}"))
        elif "saved" in row:
            rows.append((name, f"{row['saved']:.1%}", "81.0%", ""))
        else:
            rows.append((name, f"{row['share']:.1%}", "", ""))
    return rows


def _plot(results: dict[str, Any]) -> str:
    """The bill after each strategy, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5))
    names = ["unassisted", *STEPS]
    for era, width in zip(ERAS, (-0.2, 0.2), strict=True):
        left = [BASE_USD * results["figures"][f"{era}: {name}"]["left"] for name in names]
        axes.bar([place + width for place in range(len(names))], left, 0.38, label=era)
    claimed = list(itertools.accumulate(CLAIMED.values(), lambda left, share: left * (1 - share), initial=BASE_USD))
    axes.plot(range(len(names)), claimed, "k.--", label="as claimed")
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_ylabel("dollars a month")
    axes.legend()
    figure.tight_layout()
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    text = drawn.getvalue()
    return text[text.index("<svg") :]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"))
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--orders", type=int, default=16, help="orders of the strategies for the Shapley shares")
    parser.add_argument("--shapley-requests", type=int, default=800)
    parser.add_argument("--html", type=Path)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
