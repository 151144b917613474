"""What placing cache marks saves, beside none, Claude's automatic caching, and what could be had at best.

Every request goes through the step against the simulator's real accounting, in virtual time. Three optima, one bar
each:

- best fixed: the best policy in hindsight, for each kind of place never, 5 minutes or an hour, all tried on the whole
  trace;
- best online: who knows the chances by which this traffic is made (how often documents are asked about again, when
  conversations end, how long gaps are), but not what they will bring; it decides for each block by itself, without
  Claude's limits of four marks, 20 blocks and the order of TTLs. Whoever has to learn those chances, and keeps to those
  limits, is expected to pay more;
- clairvoyant: the same, knowing when each block comes again. Nothing real can be below it, and where nobody can know
  what comes again (documents asked about once or often) nothing gets near it.

Who varies his system prompt within is granted under all three what only semcache does: parting it at the right place.
Input costs only; answers are equally long everywhere.

    python benchmarks/breakpoints.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from caching_optima import least_usd
from caching_policies import best_fixed_usd
from caching_traffic import TRAFFICS, Visit, laws, visits
from reporting import Bar, print_report, report

from semcache.exchange import Call, Step, send_upstream
from semcache.message import Message
from semcache.pricing import Model, PriceBook, find_claude_manifest
from semcache.request import Caller, Json, Request
from semcache.strategies.breakpoints.caching import PromptCaching
from semcache.strategies.breakpoints.memory import PrefixMemory
from semcache.strategies.compression.blocks import Blocks
from semcache.strategies.compression.terms import Terms
from semcache.strategies.consent import Consent
from semcache.strategies.remaining import RemainingTurns
from semcache.strategies.shaping import Shaping
from semcache.strategies.summaries import Summaries
from semcache.upstream.simulator import Simulator
from semcache.upstream.upstream import UpstreamRequest

BEGIN = 1_795_392_000.0  # 2026-11-23
TODAY = date(2026, 11, 23)
MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5")
HEADERS = (("content-type", "application/json"), ("anthropic-version", "2026-10-21"), ("x-api-key", "one key"))
BOOK = PriceBook.load(find_claude_manifest(None))
Shape = Callable[[Json], Json]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    figures: dict[str, dict[str, Any]] = {}
    for model in MODELS[: 1 if options.quick else None]:
        for name in TRAFFICS:
            runs = [_costs(name, seed=seed, model=BOOK.model(model)) for seed in range(options.seeds)]
            figures[f"{model}: {name}"] = _row(runs)
    settings = {"seeds": options.seeds, "models": MODELS, "quick": options.quick}
    print_report(report("breakpoints", figures, bars_of(figures), settings=settings), as_json=options.json)
    return 0


def _costs(name: str, *, seed: int, model: Model | None) -> dict[str, float]:
    """Dollars of input by each way of caching."""
    assert model is not None
    trace, prices = visits(name, seed=seed, model=model.id), model.prices_on(TODAY)
    foreseen, expected = least_usd(trace, laws()[name], model, prices)
    return {
        "none": _plain(trace, lambda body: body),
        "automatic": _plain(trace, lambda body: {**body, "cache_control": {"type": "ephemeral"}}),
        "semcache": _ours(trace),
        "best fixed": best_fixed_usd(trace, model, prices)[0],
        "best online": expected,
        "clairvoyant": foreseen,
    }


def _plain(trace: list[Visit], shape: Shape) -> float:
    clock = [BEGIN]
    simulator = Simulator(BOOK, clock=lambda: clock[0])
    for visit in trace:
        clock[0] = BEGIN + visit.at
        sent(simulator, Request(shape(visit.body), headers=HEADERS))
    return input_usd(simulator)


def _ours(trace: list[Visit]) -> float:
    clock = [BEGIN]
    simulator = Simulator(BOOK, clock=lambda: clock[0])
    step = shaping_step(("prompt_caching",), lambda: clock[0])
    for visit in trace:
        clock[0] = BEGIN + visit.at
        exchange = step(Request(visit.body, headers=HEADERS, caller=Caller(credential="one")), send_upstream)
        call = next(exchange)
        assert isinstance(call, Call)
        try:
            exchange.send(sent(simulator, call.request))
        except StopIteration:
            continue
    return input_usd(simulator)


def shaping_step(strategies: Sequence[str], clock: Callable[[], float]) -> Step:
    """The step with these strategies allowed, and nothing learned yet."""
    consent = Consent(strategies, {})
    shaping = Shaping(
        BOOK,
        consent,
        PromptCaching(consent, PrefixMemory(), clock=clock),
        blocks=Blocks(),
        turns=RemainingTurns(),
        terms=Terms(),
        summaries=Summaries(consent, None),
        clock=clock,
    )
    return shaping.step


def sent(simulator: Simulator, request: Request) -> Message:
    async def send() -> Message:
        wire = UpstreamRequest("POST", "/v1/messages", "", request.headers, request.content())
        response = await simulator.open(wire)
        content = b"".join([chunk async for chunk in response.chunks()])
        if response.status != 200:
            raise SystemExit(f"the simulator refused: {content.decode()[:300]}")
        return Message(json.loads(content))

    return asyncio.run(send())


def input_usd(simulator: Simulator) -> float:
    total = Decimal(0)
    for call in simulator.calls:
        assert call.usage is not None
        total += BOOK.cost_usd(call.model, replace(call.usage, output_tokens=0), on=TODAY) or Decimal(0)
    return float(total)


def _row(runs: Sequence[dict[str, float]]) -> dict[str, Any]:
    row: dict[str, Any] = {name: round(statistics.median(run[name] for run in runs), 4) for name in runs[0]}
    for optimum in ("best fixed", "best online", "clairvoyant"):
        above = statistics.median(100 * (run["semcache"] / run[optimum] - 1) for run in runs)
        row[f"above {optimum}, %"] = round(above, 2)
    row["worst, of none, %"] = round(max(100 * run["semcache"] / run["none"] for run in runs), 2)
    row["automatic, of none, %"] = round(statistics.median(100 * run["automatic"] / run["none"] for run in runs), 2)
    return row


def bars_of(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    bars = []
    for name, row in figures.items():
        bars.append(Bar(f"{name}: above the best fixed policy in hindsight, %", row["above best fixed, %"], 5.0, True))
        bars.append(
            Bar(f"{name}: above the best that can be decided online, %", row["above best online, %"], 5.0, True)
        )
        bars.append(Bar(f"{name}: above the clairvoyant bound, %", row["above clairvoyant, %"], 5.0, True))
        bars.append(Bar(f"{name}: worst run, of no caching, %", row["worst, of none, %"], 100.0, True))
    return bars


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3, help="traces of each traffic (3)")
    parser.add_argument("--quick", action="store_true", help="under a minute: one seed, one model")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds = 1
    return options


if __name__ == "__main__":
    sys.exit(main())
