"""What ending runaways saves on recorded answer lengths, what callers see of it, and what trimming keeps.

Answers are those of the DSTC9 FAQ, as long as they are there; to a share of requests, as stated, Claude does not stop
until his limit, unless he is asked again. Every request goes through the public library and the simulator's bill. For
trimming, the entries of forty hotels and restaurants are one reference text each, asked about by the titles of their
entries: does the paragraph that answers stay?

    python benchmarks/token_budgets.py --data ../shared/datasets --json
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import gzip
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reporting import Bar, print_report, report
from workloads import MissingData

from semcache import SemanticCache, Settings
from semcache.pricing import Model, PriceBook, estimate_tokens, find_claude_manifest
from semcache.request import Json, Request
from semcache.strategies.token_budget.trimming import trimmed
from semcache.upstream.simulator import Simulator

MODEL, LIMIT = "claude-haiku-4-5", 4_096
RATES = (0.0, 0.01, 0.03)  # of answers that run away
_DOCUMENT_ENTRIES = 40
_FILLER = "Ask at the desk for anything else; the staff will be glad to help you at any hour of the day. " * 2


@dataclass(frozen=True)
class Entry:
    """One entry of the FAQ: whose it is, its question and its answer."""

    entity: str
    title: str
    answer: str


class Moody:
    """Says the recorded answer; a drawn share of requests runs away when it is asked for the first time."""

    def __init__(self, answers: dict[str, str], runaways: frozenset[str]) -> None:
        self._answers = answers
        self._runaways = runaways
        self._asked: set[str] = set()

    def __call__(self, body: Json) -> str:
        question = body["messages"][-1]["content"]
        is_first = question not in self._asked
        self._asked.add(question)
        return "and so on " * LIMIT if is_first and question in self._runaways else self._answers[question]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        entries = _entries(options.data)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    figures: dict[str, dict[str, Any]] = {}
    for rate in RATES:
        runs = [_budgets(entries[: options.requests], rate, seed) for seed in range(options.seeds)]
        figures[f"runaways {rate:.0%}"] = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    figures |= _trimming(entries)
    settings = {"requests": options.requests, "seeds": options.seeds, "limit": LIMIT, "model": MODEL}
    print_report(report("token_budgets", figures, _bars(figures), settings=settings), as_json=options.json)
    return 0


@dataclass(frozen=True)
class Run:
    """One run's bill, and how many answers were cut: at the caller's own limit, and below it."""

    usd: float
    cut: int
    cut_below: int


def _budgets(entries: Sequence[Entry], rate: float, seed: int) -> dict[str, float]:
    """The same requests unassisted and with budgets."""
    chance = random.Random(seed)
    asked = {f"{entry.entity}: {entry.title} ({number})": entry.answer for number, entry in enumerate(entries)}
    runaways = frozenset(question for question in asked if chance.random() < rate)
    plain, budgeted = (_run(asked, runaways, strategies) for strategies in ((), ("token_budget",)))
    return {
        "unassisted_usd": plain.usd,
        "usd": budgeted.usd,
        "saved_share": 1 - budgeted.usd / plain.usd,
        "cut_at_the_callers_limit_unassisted": plain.cut,
        "cut_at_the_callers_limit": budgeted.cut,
        "cut_below_it": budgeted.cut_below,
    }


def _run(asked: dict[str, str], runaways: frozenset[str], strategies: tuple[str, ...]) -> Run:
    simulator = Simulator(PriceBook.load(find_claude_manifest(None)), answers=Moody(asked, runaways))
    cut = below = 0
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), store="memory:", embedder="hashed", strategies=strategies, audits=False
        )
        with SemanticCache(settings, upstream=simulator) as cache:
            for question in asked:
                message = cache.ask(question, model=MODEL, max_tokens=LIMIT, mode="off").message
                if message.stop_reason == "max_tokens":
                    cut += 1
                    below += message.usage.output_tokens < LIMIT
            return Run(float(simulator.bill_usd), cut, below)


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


def _bars(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    runs = [row for name, row in figures.items() if name.startswith("runaways")]
    return [
        Bar("cuts that callers see and their own limit would not make", sum(row["cut_below_it"] for row in runs), 0,
            at_most=True),
        Bar("saved where nothing runs away", runs[0]["saved_share"], 0.0, at_most=False),
        Bar("saved where 3 % run away", runs[-1]["saved_share"], 0.1, at_most=False),
    ]  # fmt: skip


def _entries(data: Path | None) -> list[Entry]:
    path = None if data is None else Path(data) / "dstc9_faq" / "faq_entries_dev.jsonl.gz"
    if path is None or not path.is_file():
        raise MissingData("dstc9_faq: say where the datasets are with --data DIR or SEMCACHE_DATA")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [Entry(str(row.get("entity") or row.get("domain")), str(row["title"]), str(row["answer"])) for row in rows]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"))
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
