"""The never-merge traps through the product: one half warms the cache, the other, never trained on, is measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from plans import in_processes, models_without
from product import run_stream
from reporting import Bar, report
from traps import Group, TrapRecord, read_groups, traps_stream, traps_workload
from truth import Row

MOST_FALSE_HITS = 1.0  # per cent of requests
LEAST_PARAPHRASES = 60.0  # per cent
NEVER_CONFUSED = ("numbers", "ids")


@dataclass(frozen=True)
class Halves:
    """Groups that may be trained on, every second of each family, and those that may not."""

    development: list[Group]
    evaluation: list[Group]

    @classmethod
    def read(cls) -> Halves:
        halves: tuple[list[Group], list[Group]] = ([], [])
        seen: Counter[str] = Counter()
        for group in read_groups():
            halves[seen[group.family] % 2].append(group)
            seen[group.family] += 1
        return cls(*halves)


def trap_figures(*, seeds: int = 5, jobs: int = 1) -> dict[str, Any]:
    """By family and for all, summed over the seeds."""
    records = in_processes(trap_record, list(range(seeds)), jobs=jobs)
    total = sum(records[1:], records[0])
    figures = total.figures()
    everything = figures["all"]
    bars = [
        Bar("false hits, % of requests", everything["false_hit_rate_of_requests"], MOST_FALSE_HITS, at_most=True),
        Bar("traps served, %", everything["traps_served_rate"], MOST_FALSE_HITS, at_most=True),
        Bar("paraphrases accepted, %", everything["paraphrases_accepted_rate"], LEAST_PARAPHRASES, at_most=False),
    ]
    bars += [
        Bar(f"traps served of {name}", float(figures[name]["confusions"]), 0.0, at_most=True)
        for name in NEVER_CONFUSED
    ]  # fmt: skip
    settings = {"dataset": "never-merge", "seeds": seeds, "warmed_with": "the development half"}
    return report("hit_quality", figures, bars, settings=settings)


def trap_record(seed: int) -> TrapRecord:
    """One stream: the development half to warm up, then the other, of which the record is."""
    halves = Halves.read()
    warming = traps_stream(halves.development, seed=seed)
    measured = traps_stream(halves.evaluation, seed=seed)
    record, waiting = TrapRecord(requests=len(measured)), {row.text for row in measured}

    def watch(asked: Row, served: Row | None) -> None:
        if asked.text in waiting:
            record.book(asked, served)

    workload = traps_workload([*halves.development, *halves.evaluation])
    run_stream([*warming, *measured], workload, seed=seed, watch=watch, models_dir=models_without(None))
    return record
