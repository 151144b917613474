"""Which follow-ups are answered from another conversation, and how many of those answers are wrong.

Every stored conversation is asked of one cache through the public library against the simulator, which knows the
gold answer of each; then other conversations are looked up in the filled cache. Suites: the project's own minimal
pairs, CAsT turns under their own, another and no history, Disfl-QA's corrected questions, DSTC9 questions about
another entity, and replayed agent transcripts.

    python benchmarks/conversations.py                (own pairs and agents)
    python benchmarks/conversations.py --data DIR     (all)
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialogues import Dialogue, Suite, agent_suite, data_suites, own_suites
from reporting import Bar, print_report, report
from scoring import percent, wilson
from workloads import MissingData

from semcache import Hit, SemanticCache, Settings
from semcache.opening import find_models_dir
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Json
from semcache.upstream.simulator import Simulator

MODEL = "claude-haiku-5-5"
_TRAPS_PERCENT = 1.0  # of traps that may be served, as for the never-merge traps
_PASSING_PERCENT = 5.0  # of turns called context-dependent: about one in twenty is complete but for a nuance
_MOST_SERVED = {
    "CAsT, another history": _PASSING_PERCENT,
    "CAsT, same words asked alone before": _PASSING_PERCENT,
    "DSTC9, entity in the history": _TRAPS_PERCENT,
    "DSTC9, entity in the question": _TRAPS_PERCENT,
}
PARAPHRASES_PERCENT = 60.0  # of reworded histories that should still be answered


@dataclass
class Outcome:
    """What became of one suite."""

    asked: int = 0
    right: int = 0
    wrong: int = 0
    filling: int = 0
    wrong_while_filling: int = 0
    wrong_pairs: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        return {
            "asked": self.asked,
            "right %": percent(self.right, self.asked),
            "wrong %": percent(self.wrong, self.asked),
            "wrong": self.wrong,
            "wrong interval": wilson(self.wrong, self.asked),
            "stored first": self.filling,
            "wrong while storing": self.wrong_while_filling,
            **({"wrong ids": self.wrong_pairs[:20]} if self.wrong_pairs else {}),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        results = _measured(options)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    print_report(results, as_json=options.json, table=_table)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--seeds", type=int, default=1, help="number of draws of rows and transcripts (1)")
    parser.add_argument("--rows", type=int, default=600, help="conversations of a dataset's suite, at most (600)")
    parser.add_argument("--quick", action="store_true", help="under a minute: 60 conversations a suite")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    if options.quick:
        options.rows, options.seeds = min(options.rows, 60), 1
    return options


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    outcomes: dict[str, Outcome] = {}
    for suite in own_suites():
        run_suite(suite, outcomes.setdefault(suite.name, Outcome()))
    for seed in range(options.seeds):
        suites = [agent_suite(rows=options.rows, seed=seed)]
        suites += data_suites(options.data, rows=options.rows, seed=seed) if options.data is not None else []
        for suite in suites:
            run_suite(suite, outcomes.setdefault(suite.name, Outcome()))
    figures = {name: outcome.figures() for name, outcome in outcomes.items()}
    settings = {"rows": options.rows, "seeds": options.seeds, "data": options.data is not None}
    return report("conversations", figures, _bars(outcomes), settings=settings)


def run_suite(suite: Suite, outcome: Outcome) -> None:
    """Fill a fresh cache with the suite's stored conversations, then look the others up in it.

    An answer given while filling counts too: a conversation may be served what an earlier one of the suite has stored.
    """
    answers = {_spoken(dialogue.turns): dialogue.gold for dialogue in suite.stored}
    prices = PriceBook.load(find_claude_manifest(find_models_dir(Settings())))
    simulator = Simulator(prices, answers=lambda body: answers[_spoken(body["messages"])])
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), upstream="simulator")
        with SemanticCache(settings, upstream=simulator) as cache:
            for dialogue in suite.stored:
                answer = cache.ask(dialogue.question, history=dialogue.history, model=MODEL)
                outcome.filling += 1
                outcome.wrong_while_filling += answer.message.text != dialogue.gold
            for dialogue in suite.asked:
                _count(dialogue, outcome, cache)


def _count(dialogue: Dialogue, outcome: Outcome, cache: SemanticCache) -> None:
    lookup = cache.lookup(dialogue.question, history=dialogue.history, model=MODEL)
    outcome.asked += 1
    if isinstance(lookup, Hit):
        is_right = lookup.entry.message.text == dialogue.gold
        outcome.right += is_right
        outcome.wrong += not is_right
        if not is_right:
            outcome.wrong_pairs.append(dialogue.name)


def _spoken(turns: Sequence[Json]) -> str:
    return json.dumps(list(turns), sort_keys=True)


def _bars(outcomes: dict[str, Outcome]) -> list[Bar]:
    own = [outcome for name, outcome in outcomes.items() if name.startswith("own:")]
    bars = [
        Bar("own pairs served wrongly", float(sum(each.wrong for each in own)), 0.0, at_most=True),
        Bar("agent transcripts served across conversations", float(outcomes["agents"].wrong), 0.0, at_most=True),
    ]
    reworded = outcomes["own: paraphrased-history"]
    share = percent(reworded.right, reworded.asked)
    bars.append(Bar("own reworded histories answered, %", share, PARAPHRASES_PERCENT, at_most=False))
    for name, most in _MOST_SERVED.items():
        if (outcome := outcomes.get(name)) is not None:
            bars.append(Bar(f"{name}: served, %", percent(outcome.wrong, outcome.asked), most, at_most=True))
    return bars


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = ("asked", "right %", "wrong %", "wrong", "stored first", "wrong while storing")
    head = ("suite", *columns)
    return [head, *((name, *(str(row[column]) for column in columns)) for name, row in results["figures"].items())]


if __name__ == "__main__":
    sys.exit(main())
