"""Conversations of 5 to 60 turns with idle gaps: what the planner pays, beside each strategy alone and all always on.

Through the planning step against the simulator's accounting, in virtual time; dollars of input. Twelve conversations a
cell, one after the other, so that what is learned from the first serves the later ones; every contender plans with the
same memory of its own. *Always on* shortens all that is old at every turn and marks the last block automatically.

    python benchmarks/shaping.py
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

from breakpoints import BEGIN, BOOK, HEADERS, input_usd, sent, shaping_step
from caching_traffic import text
from plans import in_processes
from reporting import Bar, print_report, report

from semcache.exchange import Call, Step, send_upstream
from semcache.request import Caller, Json, Request
from semcache.strategies.compression import Compression, Means, Terms, compressed
from semcache.strategies.compression.blocks import Blocks
from semcache.upstream.simulator import Simulator

MODEL = "claude-sonnet-5-5"
TURNS, GAPS_SECONDS = (5, 15, 30, 60), (20, 200, 900, 5_000)
CONVERSATIONS = 12
ALONE: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "marks alone": ("prompt_caching",),
    "compression alone": ("compression",),
}
PLANNER, ALWAYS = "planner", "always on"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    turns, gaps = (TURNS[:2], GAPS_SECONDS[1:3]) if options.quick else (TURNS, GAPS_SECONDS)
    cells = [(count, gap) for count in turns for gap in gaps]
    tasks = [(count, gap, seed) for count, gap in reversed(cells) for seed in range(options.seeds)]  # the longest first
    costs = dict(zip(tasks, in_processes(_costs_of, tasks, jobs=options.jobs), strict=True))
    figures = {}
    for count, gap in cells:
        runs = [costs[count, gap, seed] for seed in range(options.seeds)]
        figures[f"{count} turns, {gap} s apart"] = {
            name: round(statistics.median(run[name] for run in runs), 4) for name in runs[0]
        }
    settings = {"seeds": options.seeds, "model": MODEL, "conversations": CONVERSATIONS}
    print_report(report("shaping", figures, bars_of(figures), settings=settings), as_json=options.json)
    return 0


def _costs_of(task: tuple[int, float, int]) -> dict[str, float]:
    return _costs(*task)


def _costs(turns: int, gap_seconds: float, seed: int) -> dict[str, float]:
    contenders: dict[str, Callable[[Callable[[], float]], Step]] = {
        name: lambda clock, names=names: shaping_step(names, clock)
        for name, names in {**ALONE, PLANNER: ("compression", "prompt_caching")}.items()
    }
    contenders[ALWAYS] = lambda clock: _always()
    return {name: _cost(make, turns, gap_seconds, seed) for name, make in contenders.items()}


def _always() -> Step:
    """Shortens whatever is old, at every turn, and lets Claude mark the last block."""
    blocks, model = Blocks(), BOOK.model(MODEL)
    assert model is not None

    def step(request: Request, forward: Any) -> Any:
        outcome = compressed(request, terms=Terms(), model=model, means=Means(memory=blocks))
        outcome.remember(blocks)
        shaped = outcome.request if isinstance(outcome, Compression) else request
        return forward(shaped.reshaped("always", {"cache_control": {"type": "ephemeral"}}))

    return step


def _cost(make: Callable[[Callable[[], float]], Step], turns: int, gap_seconds: float, seed: int) -> float:
    chance, clock = random.Random(seed), [BEGIN]
    simulator = Simulator(BOOK, clock=lambda: clock[0])
    step, system = make(lambda: clock[0]), text(1_200, random.Random(seed))
    for _ in range(CONVERSATIONS):
        messages: list[Json] = []
        for _ in range(turns):
            messages = [*messages, {"role": "user", "content": _said(60, chance)}]
            body = {"model": MODEL, "max_tokens": 16, "system": system, "messages": messages}
            exchange = step(Request(body, headers=HEADERS, caller=Caller(credential="one")), send_upstream)
            call = next(exchange)
            assert isinstance(call, Call)
            with contextlib.suppress(StopIteration):
                exchange.send(sent(simulator, call.request))
            messages = [*messages, {"role": "assistant", "content": _said(180, chance)}]
            clock[0] += gap_seconds * chance.lognormvariate(0, 0.5)
        clock[0] += 2 * gap_seconds
    return input_usd(simulator)


def _said(tokens: int, chance: random.Random) -> str:
    """Sentences, some with a number in them."""
    sentences = [text(14, chance).capitalize() for _ in range(max(1, tokens // 14))]
    return " ".join(
        sentence if chance.random() < 0.8 else f"{sentence[:-1]} {chance.randint(2, 99)}." for sentence in sentences
    )


def bars_of(figures: dict[str, dict[str, float]]) -> list[Bar]:
    """In every cell the planner against the cheapest of the others, in per cent."""
    return [
        Bar(
            f"{cell}: planner, of the cheapest other, %",
            round(100 * row[PLANNER] / min(v for k, v in row.items() if k != PLANNER), 2),
            100.0,
            True,
        )
        for cell, row in figures.items()
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3, help="sets of conversations of each cell (3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1); figures are in virtual time")
    parser.add_argument("--quick", action="store_true", help="under a minute: four cells, one seed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds = 1
    return options


if __name__ == "__main__":
    sys.exit(main())
