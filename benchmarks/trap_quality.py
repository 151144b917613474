"""The never-merge traps through the product: one half warms the cache, the other, never trained on, is measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from plans import in_processes, models_without
from product import run_stream
from reporting import Bar, report
from traps import Group, TrapRecord, read_groups, traps_stream, traps_workload
from truth import Row

MOST_FALSE_HITS = 1.0  # per cent of requests
LEAST_PARAPHRASES = 60.0  # per cent
NEVER_CONFUSED = ("numbers", "ids")
PERFECT = "with a perfect judge"


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
    """By family and for all, summed over the seeds: with the local judge on real answers, and with a perfect one."""
    tasks = [(seed, is_perfect) for is_perfect in (False, True) for seed in range(seeds)]
    records = in_processes(trap_record, tasks, jobs=jobs)
    local, perfect = records[:seeds], records[seeds:]
    figures = sum(local[1:], local[0]).figures()
    judged_perfectly = sum(perfect[1:], perfect[0]).figures()
    everything = figures["all"]
    bars = [
        Bar("false hits, % of requests", everything["false_hit_rate_of_requests"], MOST_FALSE_HITS, at_most=True),
        Bar("traps served, %", everything["traps_served_rate"], MOST_FALSE_HITS, at_most=True),
        Bar("paraphrases accepted, %", everything["paraphrases_accepted_rate"], LEAST_PARAPHRASES, at_most=False),
    ]
    bars += [
        Bar(f"traps served of {name}", float(figures[name]["confusions"]), 0.0, at_most=True) for name in NEVER_CONFUSED
    ]
    accepted = judged_perfectly["all"]["paraphrases_accepted_rate"]
    bars.append(Bar(f"paraphrases accepted {PERFECT}, %", accepted, LEAST_PARAPHRASES, at_most=False))
    figures |= {f"{name}, {PERFECT}": row for name, row in judged_perfectly.items()}
    settings = {"dataset": "never-merge", "seeds": seeds, "warmed_with": "the development half"}
    return report("hit_quality", figures, bars, settings=settings)


def trap_record(task: tuple[int, bool]) -> TrapRecord:
    """One stream: the development half to warm up, then the other, of which the record is.

    A perfect judge is one who compares answers that are equal or plainly different, instead of the texts' own.
    """
    seed, is_perfect = task
    halves = Halves.read()
    streams = [traps_stream(half, seed=seed) for half in (halves.development, halves.evaluation)]
    if is_perfect:
        streams = [[replace(row, answer="") for row in stream] for stream in streams]
    warming, measured = streams
    record, waiting = TrapRecord(requests=len(measured)), {row.text for row in measured}

    def watch(asked: Row, served: Row | None) -> None:
        if asked.text in waiting:
            record.book(asked, served)

    workload = traps_workload([*halves.development, *halves.evaluation])
    run_stream([*warming, *measured], workload, seed=seed, watch=watch, models_dir=models_without(None))
    return record
