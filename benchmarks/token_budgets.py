"""What ending runaways saves on recorded answer lengths, what callers see of it, and what trimming keeps.

Answers are those of the DSTC9 FAQ and the assistant's turns of SGD, as long as they are there, and long ones of our
own making (lognormal, median 300 tokens, sigma 0.8), for no data set here has any. To a share of requests, as stated,
Claude does not stop until his limit; asked again he does in nine of ten. Every request goes through the public library
and the simulator's bill, beside two rules that are often recommended: `max_tokens` from a table by task, and the 95th
percentile of all answers, which nobody knows beforehand. Each is counted as it would be used: what it cuts goes to the
caller cut (`cut below it`), or, made good like ours, is asked again with all the room (`…, asked again`).

For trimming, the entries of forty hotels and restaurants are one reference text each, asked about by the titles of
their entries: does the paragraph that answers stay?

    python benchmarks/token_budgets.py --data ../shared/datasets --json
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answer_lengths import KINDS, Entry, answers_of, faq_entries
from reporting import Bar, print_report, report
from workloads import MissingData

from semcache import SemanticCache, Settings
from semcache.message import Message
from semcache.pricing import Model, PriceBook, estimate_tokens, find_claude_manifest
from semcache.request import Json, Request
from semcache.strategies.token_budget.trimming import trimmed
from semcache.upstream.simulator import Simulator

MODEL, LIMIT = "claude-haiku-4-5", 4_096
RATES = (0.0, 0.01, 0.03)  # of answers that run away
RECOVERS = 0.9
_DOCUMENT_ENTRIES = 40
_FILLER = "Ask at the desk for anything else; the staff will be glad to help you at any hour of the day. " * 2
OURS, PLAIN = "semcache", "no budget"
Asks = Callable[[SemanticCache, str, int], Message]  # the answer to a question, with at most so many tokens


class Moody:
    """Says the recorded answer; a drawn share of requests runs away when it is asked for the first time."""

    def __init__(self, answers: dict[str, str], runaways: frozenset[str], stubborn: frozenset[str]) -> None:
        self._answers = answers
        self._runaways = runaways
        self._stubborn = stubborn
        self._asked: set[str] = set()

    def __call__(self, body: Json) -> str:
        question = body["messages"][-1]["content"]
        is_first = question not in self._asked
        self._asked.add(question)
        runs_away = question in self._runaways and (is_first or question in self._stubborn)
        return "and so on " * LIMIT if runs_away else self._answers[question]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    figures: dict[str, dict[str, Any]] = {}
    try:
        for kind in KINDS:
            answers = answers_of(kind, options.data, count=options.requests)
            for rate in RATES[:: 2 if options.quick else 1]:
                figures |= _policies(kind, answers, rate, seeds=options.seeds)
        figures |= _trimming(faq_entries(options.data))
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    settings = {"requests": options.requests, "seeds": options.seeds, "limit": LIMIT, "model": MODEL}
    settings |= {"asked again, runaways recover": RECOVERS, "quick": options.quick}
    print_report(report("token_budgets", figures, bars_of(figures), settings=settings), as_json=options.json)
    return 0


@dataclass(frozen=True)
class Run:
    """One run's bill, and how many answers were cut: at the caller's own limit, and below it."""

    usd: float
    output_tokens: int
    cut: int
    cut_below: int


@dataclass(frozen=True)
class World:
    """What is asked, what would be answered, and who runs away, also when asked again."""

    asked: dict[str, str]
    runaways: frozenset[str]
    stubborn: frozenset[str]

    @classmethod
    def drawn(cls, kind: str, answers: Sequence[str], rate: float, seed: int) -> World:
        chance = random.Random(seed)
        shuffled = chance.sample(list(answers), len(answers))
        asked = {f"{kind}, question {number}": answer for number, answer in enumerate(shuffled)}
        runaways = frozenset(question for question in asked if chance.random() < rate)
        return cls(asked, runaways, frozenset(each for each in sorted(runaways) if chance.random() >= RECOVERS))


def _policies(kind: str, answers: Sequence[str], rate: float, *, seeds: int) -> dict[str, dict[str, Any]]:
    """One row for each way of choosing `max_tokens`."""
    ways: dict[str, tuple[tuple[str, ...], Asks]] = {
        PLAIN: ((), _with_all_the_room),
        OURS: (("token_budget",), _with_all_the_room),
    }
    table, seen = KINDS[kind], sorted(estimate_tokens(answer) for answer in answers)
    for name, tokens in (("table by task", table), ("95th percentile", seen[int(0.95 * len(seen))])):
        ways[f"{name} ({tokens})"] = ((), _fixed(tokens))
        ways[f"{name} ({tokens}), asked again"] = ((), _asked_again(tokens))
    worlds = [World.drawn(kind, answers, rate, seed) for seed in range(seeds)]
    runs = {name: [_run(world, *way) for world in worlds] for name, way in ways.items()}
    plain = runs[PLAIN]
    return {f"{kind}, runaways {rate:.0%}: {name}": _row(found, plain) for name, found in runs.items()}


def _row(runs: Sequence[Run], plain: Sequence[Run]) -> dict[str, Any]:
    """Medians; of what callers see the worst run."""
    pairs = list(zip(runs, plain, strict=True))
    return {
        "usd": round(statistics.median(run.usd for run in runs), 6),
        "saved, %": round(statistics.median(100 * (1 - run.usd / other.usd) for run, other in pairs), 2),
        "worst saved, %": round(min(100 * (1 - run.usd / other.usd) for run, other in pairs), 2),
        "output tokens saved": round(
            statistics.median(other.output_tokens - run.output_tokens for run, other in pairs)
        ),
        "cut at the limit": max(run.cut - run.cut_below for run in runs),
        "cut below it": max(run.cut_below for run in runs),
    }


def _with_all_the_room(cache: SemanticCache, question: str, limit: int) -> Message:
    return cache.ask(question, model=MODEL, max_tokens=limit, mode="off").message


def _fixed(tokens: int) -> Asks:
    return lambda cache, question, limit: _with_all_the_room(cache, question, min(tokens, limit))


def _asked_again(tokens: int) -> Asks:
    def asks(cache: SemanticCache, question: str, limit: int) -> Message:
        message = _with_all_the_room(cache, question, min(tokens, limit))
        return message if message.stop_reason != "max_tokens" else _with_all_the_room(cache, question, limit)

    return asks


def _run(world: World, strategies: tuple[str, ...], asks: Asks) -> Run:
    answers = Moody(world.asked, world.runaways, world.stubborn)
    simulator = Simulator(PriceBook.load(find_claude_manifest(None)), answers=answers)
    cut = below = 0
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), store="memory:", embedder="hashed", strategies=strategies, audits=False
        )
        with SemanticCache(settings, upstream=simulator) as cache:
            for question in world.asked:
                message = asks(cache, question, LIMIT)
                if message.stop_reason == "max_tokens":
                    cut += 1
                    below += message.usage.output_tokens < LIMIT
            written = sum(call.usage.output_tokens for call in simulator.calls if call.usage is not None)
            return Run(float(simulator.bill_usd), written, cut, below)


def _trimming(entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
    """Share of questions whose paragraph stays, at the share of tokens that trimming keeps; beside cutting the tail."""
    model = PriceBook.load(find_claude_manifest(None)).model("claude-sonnet-5-5")
    assert model is not None
    chance, kept, head, shares = random.Random(0), 0, 0, list[float]()
    asked = 0
    for start in range(0, len(entries) - _DOCUMENT_ENTRIES, _DOCUMENT_ENTRIES):
        part = list(entries[start : start + _DOCUMENT_ENTRIES])
        for entry in chance.sample(part, 10):
            share, stays, in_head = _one_trimmed(part, entry, model)
            asked, kept, head = asked + 1, kept + stays, head + in_head
            shares.append(share)
    return {
        "trimming": {"tokens_kept": statistics.mean(shares), "answers_kept": kept / asked, "questions": asked},
        "cutting the tail at the same size": {"answers_kept": head / asked},
    }


def _one_trimmed(part: Sequence[Entry], entry: Entry, model: Model) -> tuple[float, bool, bool]:
    paragraphs = [f"{each.entity}. {each.answer} {_FILLER}" for each in part]
    gold = paragraphs[part.index(entry)]
    text = "\n\n".join(paragraphs)
    asked = f"{text}\n\n{entry.entity}: {entry.title}"
    request = Request({"model": model.id, "max_tokens": 99, "messages": [{"role": "user", "content": asked}]})
    found = trimmed(request, model)
    said = asked if found is None else found.messages[-1]["content"]
    share = estimate_tokens(said) / estimate_tokens(asked)
    return share, gold in said, gold in text[: round(len(text) * share)]


def bars_of(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    """Nobody sees a cut of ours, nobody pays more, and where answers run away it is less than by any rule beside it."""
    ours = {name: row for name, row in figures.items() if name.endswith(f": {OURS}")}
    below = sum(row["cut below it"] for row in ours.values())
    still = [row["worst saved, %"] for name, row in ours.items() if "runaways 0%" in name]
    bars = [
        Bar("cuts that callers see and their own limit would not make", below, 0, at_most=True),
        Bar("worst run where nothing runs away: saved, %", min(still), 0.0, at_most=False),
    ]
    for name, row in ours.items():
        if "runaways 0%" not in name:
            bars.append(
                Bar(f"{name.removesuffix(f': {OURS}')}: worst run: saved, %", row["worst saved, %"], 0.0, False)
            )
    kept = figures["trimming"]["answers_kept"]
    bars.append(Bar("trimming: paragraphs that answer kept", kept, 0.95, at_most=False))
    return bars


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--requests", type=int, default=1000, help="of each kind of answer (1000)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each row (3)")
    parser.add_argument("--quick", action="store_true", help="under a minute: one seed, 200 requests")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    if options.quick:
        options.requests, options.seeds = 200, 1
    return options


if __name__ == "__main__":
    sys.exit(main())
