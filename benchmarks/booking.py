"""What bookkeeping adds to an answer from memory: the ledger, and the service's stages, metrics and log line.

What the ledger's step takes beside what it wraps is measured within each request, on the real store and model. Beside
it stands the paired difference: the same request with the ledger and without, turn and turn about; of similar hits,
whose forward pass varies by more than booking takes, it is mostly noise.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from questions import questions
from reporting import Bar, print_report, report

from semcache import Hit, SemanticCache, Settings
from semcache.exchange import Answer, Exchange
from semcache.opening import find_models_dir
from semcache.request import Request
from semcache.service.ending import ending_of
from semcache.service.metrics import Metrics
from semcache.service.tracing import Untraced
from semcache.stopwatch import UNTIMED, Stage, Stopwatch
from semcache.wire import answer_headers

KEY, MODEL, MAX_TOKENS = "benchmark", "claude-haiku-5-5", 512
ANSWER = "Open the settings, choose the entry you mean, and follow the three steps on the screen. " * 3
BOOKING_MS = 0.1  # the bar: p50, of a hit
HIT_STAGES = (
    Stage.READ, Stage.QUEUE, Stage.IDENTIFY, Stage.EXACT, Stage.NEAREST, Stage.EMBED, Stage.DECIDE, Stage.SERVE,
    Stage.BOOK, Stage.REPLY,
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    entries: int
    runs: int
    pairs: int  # of each kind in a run


def main(arguments: Sequence[str] | None = None) -> int:
    plan, as_json = _options(arguments)
    with tempfile.TemporaryDirectory() as folder, _opened(Path(folder)) as cache:
        pipeline = _Pipeline(cache, plan)
        figures = {kind: pipeline.booking(kind) for kind in ("exact", "semantic")}
        answered = pipeline.answer("exact")
    figures["service, a hit"] = _observed(answered, plan)
    bars = [
        Bar(f"booking adds to {kind} hit, p50 (ms)", figures[kind]["booking_p50_ms"], BOOKING_MS, at_most=True)
        for kind in ("exact", "semantic")
    ]
    settings = {"entries": plan.entries, "runs": plan.runs, "pairs": plan.pairs, "threads": 1}
    print_report(report("booking", figures, bars, settings=settings), as_json=as_json, table=_table)
    return 0


def _options(arguments: Sequence[str] | None) -> tuple[Plan, bool]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=1000, help="entries in the scope (1000)")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median counts (5)")
    parser.add_argument("--pairs", type=int, default=500, help="pairs of each kind in a run (500)")
    parser.add_argument("--quick", action="store_true", help="under a minute: 200 entries, 300 pairs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if options.quick:
        return Plan(200, min(options.runs, 3), 300), options.json
    return Plan(options.entries, options.runs, options.pairs), options.json


def _opened(folder: Path) -> SemanticCache:
    settings = Settings(data_dir=folder, models_dir=find_models_dir(Settings()), upstream="simulator", audits=False)
    return SemanticCache(settings)


class _Pipeline:
    """The steps that a hit passes, with the ledger around them and without."""

    def __init__(self, cache: SemanticCache, plan: Plan) -> None:
        self._plan = plan
        self._assembly = cache.parts.assembly
        self._caller = self._assembly.tenants.local(KEY)
        self._inner_ms = 0.0
        self._asked = questions(plan.entries, seed=1)
        for question in self._asked:
            cache.put(question.text, ANSWER, model=MODEL, max_tokens=MAX_TOKENS, api_key=KEY)

    def booking(self, kind: str) -> dict[str, Any]:
        """What the ledger adds to hits of a kind: medians, and a mean; rows are written by another thread."""
        runs = [self._run(kind) for _ in range(self._plan.runs)]
        medians = [statistics.median(each.booking) for each in runs]
        return {
            "booking_p50_ms": round(statistics.median(medians), 4),
            "booking_p50_ms_by_run": [round(each, 4) for each in medians],
            "booking_mean_ms, other load included": _median_of(statistics.mean, [each.booking for each in runs]),
            "paired_difference_p50_ms": _median_of(statistics.median, [each.differences for each in runs]),
            "hit_p50_ms, without booking": _median_of(statistics.median, [each.plain for each in runs]),
        }

    def answer(self, kind: str) -> tuple[Request, Answer]:
        request = self._request(kind, 0)
        return request, _driven(self._booked(request))

    def _run(self, kind: str) -> _Run:
        """Turn and turn about, so that neither is always the first."""
        run = _Run([], [], [])
        for number in range(self._plan.pairs):
            booked, plain = self._request(kind, number), self._request(kind, number)
            if number % 2:
                with_ledger, without = _timed(self._booked, booked), _timed(self._plain, plain)
            else:
                without, with_ledger = _timed(self._plain, plain), _timed(self._booked, booked)
            run.booking.append(with_ledger - self._inner_ms)
            run.differences.append(with_ledger - without)
            run.plain.append(without)
        return run

    def _request(self, kind: str, number: int) -> Request:
        question = self._asked[number % len(self._asked)]
        text = question.text if kind == "exact" else question.reworded
        body = {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": text}]}
        return Request.parse(json.dumps(body).encode(), caller=self._caller)

    def _plain(self, request: Request) -> Exchange:
        return self._assembly.cache.step(request, _nowhere)

    def _booked(self, request: Request) -> Exchange:
        return self._assembly.ledger.step(request, self._clocked)

    def _clocked(self, request: Request) -> Exchange:
        began = time.perf_counter()
        answer = yield from self._plain(request)
        self._inner_ms = (time.perf_counter() - began) * 1000
        return answer


@dataclass(frozen=True)
class _Run:
    """Milliseconds."""

    booking: list[float]
    differences: list[float]
    plain: list[float]


def _median_of(statistic: Callable[[list[float]], float], runs: list[list[float]]) -> float:
    return round(statistics.median(map(statistic, runs)), 4)


def _nowhere(request: Request) -> Exchange:
    raise SystemExit("a request was no hit: this would not measure what it says")
    yield  # a generator like any other


def _driven(exchange: Exchange) -> Answer:
    try:
        next(exchange)
    except StopIteration as stop:
        answer: Answer = stop.value
        return answer
    raise SystemExit("a hit asked upstream")


def _timed(step: Callable[[Request], Exchange], request: Request) -> float:
    began = time.perf_counter()
    answer = _driven(step(request))
    seconds = time.perf_counter() - began
    if not isinstance(answer.lookup, Hit):
        raise SystemExit("a request was no hit")
    return seconds * 1000


# what the service adds


def _observed(answered: tuple[Request, Answer], plan: Plan) -> dict[str, Any]:
    """Microseconds for each part of what is noted of one hit, medians of runs."""
    request, answer = answered
    headers = answer_headers(request, answer, upstream="simulator", now=time.time())
    metrics = Metrics(upstream="simulator", embedder="all-MiniLM-L6-v2")
    timed = _passed(Stopwatch())
    ending = ending_of(_with(request, timed), answer, headers, seconds=0.0005)
    nothing = Untraced()
    acts: dict[str, Callable[[], object]] = {
        "stage timing, ten laps": lambda: _passed(Stopwatch()),
        "the same where nobody times": lambda: _passed(UNTIMED),
        "what became of it": lambda: ending_of(_with(request, timed), answer, headers, seconds=0.0005),
        "metrics": lambda: (metrics.answered(answer), metrics.ended(ending)),
        "log line, its text": lambda: str(ending),
        "tracing, off": lambda: nothing.visit(()).end(ending, timed),
    }
    return {f"{name} (us)": round(_microseconds(act, plan), 2) for name, act in acts.items()}


def _with(request: Request, stopwatch: Stopwatch) -> Request:
    object.__setattr__(request, "stopwatch", stopwatch)
    return request


def _passed(stopwatch: Stopwatch) -> Stopwatch:
    for stage in HIT_STAGES:
        stopwatch.lap(stage)
    return stopwatch


def _microseconds(act: Callable[[], object], plan: Plan) -> float:
    def run() -> float:
        began = time.perf_counter()
        for _ in range(plan.pairs):
            act()
        return (time.perf_counter() - began) / plan.pairs * 1e6

    run()
    return statistics.median(run() for _ in range(plan.runs))


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(kind, name, str(value)) for kind, figures in results["figures"].items() for name, value in figures.items()]


if __name__ == "__main__":
    raise SystemExit(main())
