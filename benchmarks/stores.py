"""What each store does in a second, and how long it takes: in one run on real servers, beside what nothing can beat.

Every store gets the same entries of 384 dimensions, first in one scope, then in 1,000, and is asked by 1, 8 and 32
threads of one process, as one replica of the service asks it: put, exact lookup, similar lookup. The stores take turns
within each run, so that what else the machine does hits all of them. Beside them: the empty statement of each server,
and brute force over the same vectors in numpy. Last, similar hits over HTTP by the real service with the real model on
each of the stores.

    python benchmarks/stores.py                                        up to 20,000 entries in a scope
    python benchmarks/stores.py --entries 1000,5000,100000 --stores postgres,redis
    python benchmarks/stores.py --postgres postgresql://… --redis redis://…      servers that are there already

PostgreSQL is started from the wheel of the extra `semcache[test]` and as durable as it comes; Redis 8 from Debian's
packages, writing its log every second.
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
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import store_load
from questions import questions
from reporting import Bar, print_report, report
from serving import KEY, MAX_TOKENS, MODEL, body, load, running
from store_load import Content, Run, exact, fill, nearest, put, scope_of, timed
from store_subjects import STORES, Subject, server_urls, subjects

from semcache import SemanticCache, Settings
from semcache.opening import find_models_dir

BAR_ENTRIES = 5000
SERVICE_ENTRIES = 1000
ONE_SCOPE, MANY_SCOPES, EACH, PUTS_SCOPE = 0, 1000, 5, 10_000
HTTP_ASKED = 150
ANSWER = "Open the settings, choose the entry you mean, and follow the three steps on the screen. " * 3
_BARS_MS = {"postgres": 2.0, "redis": 1.5}
_SERVICE_BAR_MS = 3.0

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    stores: tuple[str, ...]
    entries: tuple[int, ...]
    callers: tuple[int, ...]
    runs: int
    asked: int  # calls of a kind in a run
    most_seconds: float  # of calls of a kind in a run
    scopes: int
    service_entries: int


def main(arguments: Sequence[str] | None = None) -> int:
    plan, given, as_json = _options(arguments)
    figures: Figures = {}
    with server_urls(plan.stores, given) as urls:
        with subjects(urls) as opened:
            figures |= _one_scope(opened, plan)
            figures |= _many_scopes(opened, plan)
        figures |= _service({name: url for name, url in urls.items() if name != "memory"}, plan)
    settings = {"entries": plan.entries, "callers": plan.callers, "runs": plan.runs, "k": store_load.NEAREST}
    print_report(report("stores", figures, _bars(figures, plan), settings=settings), as_json=as_json, table=_table)
    return 0


def _options(arguments: Sequence[str] | None) -> tuple[Plan, dict[str, str | None], bool]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stores", default=",".join(STORES), help=f"comma-separated ({','.join(STORES)})")
    parser.add_argument("--entries", default="1000,5000,20000", help="in one scope, comma-separated (1000,5000,20000)")
    parser.add_argument("--callers", default="1,8,32", help="threads that ask, comma-separated (1,8,32)")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median counts (5)")
    parser.add_argument("--asked", type=int, default=200, help="calls of each kind in a run (200)")
    parser.add_argument("--postgres", help="URL of a PostgreSQL server, instead of starting one")
    parser.add_argument("--redis", help="URL of a Redis 8 server, instead of starting one")
    parser.add_argument("--quick", action="store_true", help="under a minute: 1,000 entries, one run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    stores = tuple(options.stores.split(","))
    entries, callers = (tuple(sorted(map(int, text.split(",")))) for text in (options.entries, options.callers))
    given = {"postgres": options.postgres, "redis": options.redis}
    if options.quick:
        return Plan(stores, entries[:1], callers[:2], 1, min(options.asked, 50), 1.0, 50, 200), given, options.json
    return (
        Plan(stores, entries, callers, options.runs, options.asked, 2.0, MANY_SCOPES, SERVICE_ENTRIES),
        given,
        options.json,
    )


# stores


def _one_scope(opened: list[Subject], plan: Plan) -> Figures:
    """All entries in one scope, more and more of them."""
    figures: Figures = {}
    put_in_all = plan.runs * plan.asked * len(plan.callers) * len(plan.entries)
    content = Content(plan.entries[-1] + put_in_all)
    fresh = iter(range(plan.entries[-1], plan.entries[-1] + put_in_all))
    filled = 0
    for size in plan.entries:
        for subject in opened:
            fill(subject.store, content, filled, size, lambda number: scope_of(ONE_SCOPE))
        filled = size
        figures |= {f"{each.name}: {size:,} entries": _room(each, size) for each in opened}
        name = f"{size:,} in a scope"
        figures |= _lookups(opened, plan, content, name, entries=size, scope=lambda number: scope_of(ONE_SCOPE))
        figures |= _puts(opened, plan, content, fresh, name)
        figures[f"numpy: {name}: brute force"] = _brute_force(content, size, plan)
    figures |= {f"{each.name}: empty statement": _nothing_asked(each.ask_nothing, plan) for each in opened}
    return {name: figure for name, figure in figures.items() if figure}


def _many_scopes(opened: list[Subject], plan: Plan) -> Figures:
    """A few entries in each of many scopes, asked in turn."""
    count = plan.scopes * EACH
    content, name = Content(count, seed=2), f"{plan.scopes:,} scopes of {EACH}"
    for subject in opened:
        fill(subject.store, content, 0, count, _scattered(plan))
    return _lookups(opened, plan, content, name, entries=count, scope=_scattered(plan))


def _scattered(plan: Plan) -> Callable[[int], Any]:
    return lambda number: scope_of(1 + number % plan.scopes)


def _lookups(
    opened: list[Subject], plan: Plan, content: Content, name: str, *, entries: int, scope: Callable[[int], Any]
) -> Figures:
    runs: dict[str, list[Run]] = {}
    for run in range(-1, plan.runs):  # the first warms up and does not count
        for callers in plan.callers:
            numbers = random.Random(f"{run} {callers}").choices(range(entries), k=plan.asked)
            rows = content.asked(numbers)
            for each in opened:
                kinds: dict[str, list[Callable[[], Any]]] = {
                    "exact": [partial(exact, each.store, scope(n), n) for n in numbers],
                    "similar": [
                        partial(nearest, each.store, scope(n), row) for n, row in zip(numbers, rows, strict=True)
                    ],
                }
                for kind, acts in kinds.items():
                    timing = timed(acts, callers, most_seconds=plan.most_seconds)
                    if run >= 0:
                        runs.setdefault(f"{each.name}: {name}, {_callers(callers)}: {kind}", []).append(timing)
    return {key: _summary(some) for key, some in runs.items()}


def _puts(opened: list[Subject], plan: Plan, content: Content, fresh: Any, name: str) -> Figures:
    """Into a scope that no lookup is asked of, while the store holds so many: sizes stay as they are named."""
    runs: dict[str, list[Run]] = {}
    for _ in range(plan.runs):
        for callers in plan.callers:
            numbers = [next(fresh) for _ in range(min(plan.asked, 100))]
            for each in opened:
                acts = [partial(put, each.store, scope_of(PUTS_SCOPE), n, content.rows[n]) for n in numbers]
                timing = timed(acts, callers, most_seconds=plan.most_seconds)
                runs.setdefault(f"{each.name}: {name}, {_callers(callers)}: put", []).append(timing)
    return {key: _summary(some) for key, some in runs.items()}


def _room(subject: Subject, entries: int) -> dict[str, Any]:
    room = subject.footprint()
    return {
        "memory_bytes_an_entry": None if room.memory_bytes is None else round(room.memory_bytes / entries),
        "disk_bytes_an_entry": None if room.disk_bytes is None else round(room.disk_bytes / entries),
    }


# what nothing can beat


def _nothing_asked(ask: Callable[[], Any] | None, plan: Plan) -> dict[str, Any]:
    if ask is None:
        return {}
    return _summary([timed([ask] * plan.asked, 1, most_seconds=plan.most_seconds) for _ in range(plan.runs)])


def _brute_force(content: Content, size: int, plan: Plan) -> dict[str, Any]:
    rows = content.rows[:size]

    def act(query: np.ndarray[Any, Any]) -> None:
        np.argpartition(rows @ query, -store_load.NEAREST)

    runs = []
    for run in range(plan.runs):
        asked = content.asked(random.Random(run).choices(range(size), k=plan.asked))
        runs.append(timed([partial(act, query) for query in asked], 1, most_seconds=plan.most_seconds))
    return _summary(runs)


# over HTTP


def _service(urls: dict[str, str], plan: Plan) -> Figures:
    """One service on each store, asked in turn by one client."""
    asked = questions(plan.service_entries, seed=1)
    runs: dict[str, list[Run]] = {name: [] for name in urls}
    with ExitStack() as stack:
        ports = {}
        for name, url in urls.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            options = {"data_dir": folder, "models_dir": find_models_dir(Settings()), "store": url}
            with SemanticCache(Settings(upstream="simulator", audits=False, **options)) as cache:
                for question in asked:
                    cache.put(question.text, ANSWER, model=MODEL, max_tokens=MAX_TOKENS, api_key=KEY)
            ports[name] = stack.enter_context(running(folder, store=url))[0]
        for run in range(-1, plan.runs):
            some = random.Random(run).sample(asked, min(HTTP_ASKED, len(asked)))
            for name, port in ports.items():
                timing = _hits(port, [body(question.reworded) for question in some])
                if run >= 0:
                    runs[name].append(timing)
    name = f"HTTP, {plan.service_entries:,} in a scope, 1 caller: similar hit"
    return {f"{store}: {name}": _summary(some) for store, some in runs.items()}


def _hits(port: int, bodies: list[dict[str, Any]]) -> Run:
    told = load(port, 1, bodies)
    if told["outcomes"].get("semantic", 0) < 0.95 * len(bodies):
        raise SystemExit(f"too few similar hits, {told['outcomes']}: this would not measure what it says")
    return Run(told["latencies_ms"], told["seconds"])


# figures


def _callers(number: int) -> str:
    return f"{number} caller{'s' if number > 1 else ''}"


def _summary(runs: list[Run]) -> dict[str, Any]:
    """The median over the runs of each one's percentiles in milliseconds, and calls per second; and refusals."""
    refused = sum(run.refused for run in runs)
    runs = [run for run in runs if run.latencies_ms]
    if not runs:
        return {"refused": refused}
    shares = {"p50_ms": 0.50, "p99_ms": 0.99}
    ordered = [sorted(run.latencies_ms) for run in runs]
    percentiles = {
        name: round(statistics.median(some[min(len(some) - 1, int(share * len(some)))] for some in ordered), 3)
        for name, share in shares.items()
    }
    least = {"least_ms": round(min(some[0] for some in ordered), 3)}
    rates = [len(run.latencies_ms) / run.seconds for run in runs]
    return percentiles | least | {"per_s": round(statistics.median(rates))} | ({"refused": refused} if refused else {})


def _bars(figures: Figures, plan: Plan) -> list[Bar]:
    bars = [
        Bar(
            f"{store} similar lookup, {BAR_ENTRIES:,} in a scope, p50 ms",
            figures.get(f"{store}: {BAR_ENTRIES:,} in a scope, 1 caller: similar", {}).get("p50_ms"),
            required,
            at_most=True,
        )
        for store, required in _BARS_MS.items()
        if BAR_ENTRIES in plan.entries
    ]
    hits = {store: _http_ms(figures, store, plan) for store in ("local", *_BARS_MS)}
    for store in _BARS_MS:
        here, there = hits["local"], hits[store]
        added = None if here is None or there is None else round(there - here, 3)
        bars.append(
            Bar(f"{store}: a similar hit over HTTP, more than local, p50 ms", added, _SERVICE_BAR_MS, at_most=True)
        )
    return bars


def _http_ms(figures: Figures, store: str, plan: Plan) -> float | None:
    name = f"{store}: HTTP, {plan.service_entries:,} in a scope, 1 caller: similar hit"
    found: float | None = figures.get(name, {}).get("p50_ms")
    return found


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = ("p50_ms", "p99_ms", "least_ms", "per_s", "memory_bytes_an_entry", "disk_bytes_an_entry")
    figures = results["figures"].items()
    rows = [(name, *("" if row.get(each) is None else f"{row[each]:,}" for each in columns)) for name, row in figures]
    return [("", *columns), *rows]


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    sys.exit(code)
