"""Whether the certificate is true and the risk budget kept, on simulated streams where the truth is known.

Certificate: streams of served answers whose chance of being wrong is steady, jumps, climbs, swings, or is set by an
adversary who sees the audits and hides its faults where few are made. The rate of audits falls by the schedule. The
bound is compared with the true running rate, both the expected one and that of the answers really served, after each
of the first 100 hits and then at each growth by 1 %. Risk budget: streams of requests with the scorer's confidence,
right or wrong in a stated way, run through the real controller, schedule and late audits. The controller's defaults
were chosen on streams drawn like these, except the rows marked unseen, which played no part in that. `slack` leaves out
what audits in flight may add, `slack_with_late` has it: the guard's bound on audited losses is checked with the latter.

    python benchmarks/certificate.py            200 streams of 5,000 hits, 1,280 of 8,000 requests; about five minutes
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from reporting import Bar, print_report, report
from risk_streams import SCORERS, SHAPES, TRAFFIC, UNSEEN_SCORERS, UNSEEN_TRAFFIC, adversary, chance_of_fault, requests

from semcache.decision.audit_schedule import AuditSchedule
from semcache.decision.certificate import Evidence, false_hit_rate_upper
from semcache.decision.risk_budget import RiskBudget

Array = npt.NDArray[np.float64]
BUDGETS = (0.005, 0.01, 0.02, 0.05)
WIDTHS_AT = (300, 1_000, 5_000)
RATES = (0.0, 0.0025, 0.005, 0.01)
GENTLER = AuditSchedule(steps=((300, 0.2), (1_000, 0.1), (2_000, 0.05)))
LATE = 20  # requests until an audit has been judged


@dataclass(frozen=True)
class Plan:
    """How much is simulated."""

    streams: int
    hits: int
    widths: int
    seeds: int
    requests: int = 8_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", help="unused: everything is simulated")
    parser.add_argument("--seeds", type=int, default=8, help="seeds of each kind of traffic for the risk budget (8)")
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer streams")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    plan = Plan(20, 2_000, 3, 1) if options.quick else Plan(200, 5_000, 40, options.seeds)
    coverage, widths, budgets = _coverage(plan), _widths(plan), _budgets(plan)
    settings = vars(plan) | {"alpha": 0.05, "late_requests": LATE, "traffic": list(TRAFFIC)}
    figures = coverage | widths | budgets
    print_report(report("certificate", figures, _bars(figures), settings=settings), as_json=options.json)
    return 0


# --- the certificate -------------------------------------------------------------------------------------------------


def _coverage(plan: Plan) -> dict[str, Any]:
    """The share of streams in which the bound was ever below the truth."""
    failed: dict[str, list[tuple[bool, bool]]] = {shape: [] for shape in SHAPES}
    for seed in range(plan.streams):
        shape = SHAPES[seed % len(SHAPES)]
        failed[shape].append(_ever_below(shape, plan.hits, random.Random(seed)))
    rows = failed | {"all": [outcome for outcomes in failed.values() for outcome in outcomes]}
    return {
        f"coverage, {shape}": {
            "streams": len(outcomes),
            "ever_below_expected": round(statistics.mean(expected for expected, _ in outcomes), 4),
            "ever_below_served": round(statistics.mean(served for _, served in outcomes), 4),
        }
        for shape, outcomes in rows.items()
        if outcomes
    }


def _ever_below(shape: str, hits: int, randomness: random.Random) -> tuple[bool, bool]:
    below_expected = below_served = False
    expected = served = checked = 0.0
    for count, (evidence, chance, is_wrong) in enumerate(_stream(shape, hits, randomness), 1):
        expected, served = expected + chance, served + is_wrong
        if count > 100 and count < 1.01 * checked:
            continue
        checked, bound = count, evidence.upper()
        below_expected |= bound < expected / count - 1e-9
        below_served |= bound < served / count - 1e-9
    return below_expected, below_served


def _stream(shape: str, hits: int, randomness: random.Random) -> Iterator[tuple[Evidence, float, bool]]:
    schedule, evidence, clean = AuditSchedule(), Evidence(), 0
    level, offset = randomness.choice((0.003, 0.01, 0.03, 0.1)), randomness.random()
    for place in range(hits):
        rate = schedule.rate(hits=place, audited=evidence.audited)
        chance = (
            adversary(rate, clean, level)
            if shape == "adversarial"
            else chance_of_fault(shape, place / hits, level, offset)
        )
        is_wrong = randomness.random() < chance
        is_drawn = schedule.plan(rate, randomness).is_uniform
        clean = 0 if is_drawn and is_wrong else clean + is_drawn
        evidence = evidence.observe_hit(rate, is_wrong if is_drawn else None)
        yield evidence, chance, is_wrong


def _widths(plan: Plan) -> dict[str, Any]:
    """The median bound at a steady true rate, beside other ways to bound it."""
    figures: dict[str, Any] = {}
    for true in RATES:
        for name, schedule in {"width": AuditSchedule(), "width with gentler steps": GENTLER}.items():
            runs = [_bounds_along(true, schedule, random.Random(seed)) for seed in range(plan.widths)]
            for place, hits in enumerate(WIDTHS_AT):
                columns = [run[place] for run in runs]
                figures[f"{name}, true {true:.2%}, {hits:,} hits"] = {
                    column: round(statistics.median(row[column] for row in columns), 5) for column in columns[0]
                }
    return figures


def _bounds_along(true: float, schedule: AuditSchedule, randomness: random.Random) -> list[dict[str, float]]:
    evidence, everything, found = Evidence(), 0, []
    for hits in range(1, max(WIDTHS_AT) + 1):
        rate = schedule.rate(hits=hits - 1, audited=evidence.audited)
        is_wrong, is_drawn = randomness.random() < true, randomness.random() < rate
        everything += is_wrong
        evidence = evidence.observe_hit(rate, is_wrong if is_drawn else None)
        if hits in WIDTHS_AT:
            found.append(
                _bounds(evidence, schedule.rates) | {"if_all_were_audited": false_hit_rate_upper(everything, hits)}
            )
    return found


def _bounds(evidence: Evidence, rates: Sequence[float]) -> dict[str, float]:
    lowest, hits = min(arm.rate for arm in evidence.arms), evidence.hits
    weighted = sum(arm.wrong * lowest / arm.rate for arm in evidence.arms)
    mean_rate = sum(arm.rate * arm.hits for arm in evidence.arms) / hits
    return {
        "audits": evidence.audited,
        "published": evidence.upper(rates=rates),
        "weighted_by_lowest_rate": false_hit_rate_upper(weighted, hits, audit_rate=lowest),
        "audit_weighted_mean": false_hit_rate_upper(evidence.wrong, hits, audit_rate=mean_rate),
    }


# --- the risk budget -------------------------------------------------------------------------------------------------


def _budgets(plan: Plan) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    seen, unseen = tuple(TRAFFIC), tuple(UNSEEN_TRAFFIC)
    cases = [(scorer, seen, "") for scorer in SCORERS] + [
        (scorer, seen, ", unseen scorer") for scorer in UNSEEN_SCORERS
    ]
    cases += [(scorer, unseen, ", unseen traffic") for scorer in SCORERS + UNSEEN_SCORERS]
    for scorer, kinds, note in cases:
        for budget in BUDGETS:
            runs = [
                _run(budget, *requests(traffic, scorer, plan.requests, seed), seed)
                for seed in range(plan.seeds)
                for traffic in kinds
            ]
            figures[f"budget {budget:.1%}, {scorer}{note}"] = _summary(runs, budget)
    return figures


def _summary(runs: list[dict[str, float]], budget: float) -> dict[str, Any]:
    spent = [run["error_rate"] / budget for run in runs]
    return {
        "runs": len(runs),
        "spent_mean": round(statistics.mean(spent), 3),
        "spent_worst": round(max(spent), 3),
        "over_budget": round(statistics.mean(share > 1 for share in spent), 3),
        "over_with_slack": round(statistics.mean(run["error_rate"] > budget + run["slack"] for run in runs), 3),
        "bound_broken": round(
            statistics.mean(run["audited_rate"] > budget + run["slack_with_late"] for run in runs), 3
        ),
        **{name: round(statistics.mean(run[name] for run in runs), 4) for name in _MEANS},
    }


_MEANS = ("hit_rate", "best_hit_rate", "slack", "slack_with_late", "audits", "extra_audits")


def _run(budget: float, confidences: Array, chances: Array, seed: int) -> dict[str, float]:
    """One stream through controller, schedule and late audits, as the cache uses them."""
    randomness, schedule, controller = random.Random(seed), AuditSchedule(), RiskBudget(budget)
    hits = wrong = audits = extra = flying = 0
    decile, pending = 0.05, deque[tuple[int, float, bool, float | None]]()
    for place, (confidence, chance) in enumerate(zip(confidences.tolist(), chances.tolist(), strict=True)):
        while pending and pending[0][0] <= place:
            _, audited, verdict, rate = pending.popleft()
            controller.settle(audited, verdict, rate=rate)
        is_wrong = randomness.random() >= chance
        if not controller.accepts(confidence):
            controller.spend()
            controller.learn(confidence, is_wrong)
            continue
        controller.spend(confidence)
        is_risky = 1 - confidence > decile
        decile += 0.003 * (0.9 if is_risky else -0.1)
        rate = schedule.rate(hits=hits, audited=audits, is_alarmed=controller.is_strained)
        plan = schedule.plan(rate, randomness, is_risky=is_risky)
        hits, wrong, audits, extra = (
            hits + 1,
            wrong + is_wrong,
            audits + plan.is_uniform,
            extra + (plan.is_drawn and not plan.is_uniform),
        )
        if plan.is_drawn:
            pending.append((place + LATE, confidence, is_wrong, plan.rate if plan.is_uniform else None))
            flying = max(flying, sum(rate is not None for *_, rate in pending))
    best = np.sort(1 - chances)
    return {
        "error_rate": wrong / len(chances),
        "audited_rate": controller.losses / len(chances),
        "slack": controller.slack(len(chances)),
        "slack_with_late": controller.slack(len(chances), late=max(0, flying - 1)),
        "hit_rate": hits / len(chances),
        "best_hit_rate": float((np.cumsum(best) <= budget * len(chances)).mean()),
        "audits": audits,
        "extra_audits": extra,
    }


def _bars(figures: dict[str, Any]) -> list[Bar]:
    def worst(column: str, *scorers: str) -> float:
        rows = [(name.split(", ")[1], row) for name, row in figures.items() if name.startswith("budget")]
        return float(max(row[column] for scorer, row in rows if not scorers or scorer in scorers))

    everywhere = figures["coverage, all"]
    bars = {
        "streams in which the certificate was ever below the expected rate": (everywhere["ever_below_expected"], 0.05),
        "streams in which it was ever below the rate of the answers served": (everywhere["ever_below_served"], 0.05),
        "runs over the budget and its slack, any scorer, worst row": (worst("over_with_slack"), 0.0),
        "runs that break the guard's bound, any scorer, worst row": (worst("bound_broken"), 0.0),
        "runs over the bare budget, any scorer, worst row": (worst("over_budget"), 0.0),
        "runs over the bare budget, calibrated scorer, worst row": (worst("over_budget", "calibrated"), 0.0),
    }
    return [Bar(name, value, required, at_most=True) for name, (value, required) in bars.items()]


if __name__ == "__main__":
    sys.exit(main())
