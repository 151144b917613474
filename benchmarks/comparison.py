"""The cache as shipped against others over the same streams: figures, bars, plots."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contenders import (
    GPTCACHE,
    PERFECT,
    STATIC,
    Traces,
    best_of_vcache,
    contend,
    hindsight,
    hindsight_figures,
    settings_of,
    summed_by_name,
)
from plans import RunPlan, StreamPlan, in_processes, run
from plots import Series, plot_cold_starts, plot_hits_against_errors
from product import Run
from reporting import Bar, report
from scoring import Trace, bootstrap, cold_start, percent, summed

DEFAULT_BUDGET = 0.01
ERROR_SHARES = (0.005, 0.01, 0.02)
# By data set, how many times the hits of a static threshold and of vCache at the same error rate (issue 3).
REQUIRED_RATIOS = {"banking77": (1.7, 3.0), "clinc150-all": (1.5, 3.0)}
NO_REPEAT_WRONG = 0.5  # per cent of requests


def compare(
    streams: Sequence[StreamPlan],
    *,
    error_budgets: Sequence[float] = (DEFAULT_BUDGET,),
    mistaken: Sequence[float] = (0.0,),
    jobs: int = 1,
    plots: Path | None = None,
) -> dict[str, Any]:
    """All streams with each budget and each share of mistaken verdicts; the others once."""
    plans = [
        RunPlan(stream, budget, share) for budget in error_budgets for share in mistaken for stream in streams
    ]  # fmt: skip
    outcomes = in_processes(_carried_out, [*plans, *streams], jobs=jobs)
    runs, others = outcomes[: len(plans)], outcomes[len(plans) :]
    ours = {
        _name(budget, share): runs[place : place + len(streams)]
        for place, (budget, share) in zip(
            range(0, len(plans), len(streams)), ((b, s) for b in error_budgets for s in mistaken), strict=True
        )
    }
    figures: dict[str, Any] = {name: figures_of(several) for name, several in ours.items()}
    figures |= {name: tally.figures() for name, tally in summed_by_name(others).items()}
    first = streams[0]
    name = first.dataset if first.kind == "fresh" else f"{first.dataset}, {first.kind}"
    compared = _compared(ours, others, chance=random.Random(0))
    bars = _bars(first, ours, compared)
    if plots is not None:
        _draw(name, ours, others, plots)
    settings = {
        "dataset": name,
        "requests": first.requests,
        "seeds": len(streams),
        "zipf": first.exponent,
        "budgets": list(error_budgets),
    }
    return report("hit_quality", figures | compared, bars, settings=settings)


def figures_of(runs: Sequence[Run]) -> dict[str, Any]:
    """Rates over all streams, and of each stream alone where a promise is made for each."""
    traces = [each.trace for each in runs]
    total = summed(traces)
    audits = sum(each.audits for each in runs)
    true_rates = [percent(trace.strict_wrong, trace.similar) or 0.0 for trace in traces]
    bounds = [round(100 * each.upper_bound, 2) for each in runs]
    return {
        **total.figures(),
        "net_hit_rate": percent(total.hits - audits, total.requests),
        "audits_of_requests": percent(audits, total.requests),
        "error_rate_by_seed": [percent(trace.wrong + trace.outdated, trace.requests) for trace in traces],
        "strict_error_rate_by_seed": [percent(trace.strict_wrong + trace.outdated, trace.requests) for trace in traces],
        "similar_false_hit_rate_by_seed": true_rates,
        "certified_by_seed": bounds,
        "certificate_holds": sum(bound >= rate for bound, rate in zip(bounds, true_rates, strict=True)),
        "cautions": [each.caution for each in runs],
        **cold_start(traces),
    }


def _carried_out(task: RunPlan | StreamPlan) -> Any:
    return run(task) if isinstance(task, RunPlan) else contend(task)


def _name(budget: float, mistaken: float) -> str:
    noise = f", {mistaken:.0%} of verdicts mistaken" if mistaken else ""
    return f"semcache, budget {100 * budget:g} %{noise}"


def _compared(ours: dict[str, list[Run]], others: list[Traces], *, chance: random.Random) -> dict[str, Any]:
    """What others could have served at given error rates, and at the rate that we came to."""
    found: dict[str, Any] = hindsight_figures(others, ERROR_SHARES)
    for name, runs in ours.items():
        total = summed(run.trace for run in runs)
        realised = total.strict_error_share
        static = hindsight(others, STATIC, realised)
        grid, vcache_share = best_of_vcache(others, realised)
        net = (total.hits - sum(run.audits for run in runs)) / total.requests
        nearest = _nearest_setting(others, realised)
        found[f"{name}, beside others at the same error rate"] = {
            "error_rate": percent(round(1e6 * realised), 1_000_000),
            "static_hit_rate": percent(round(1e6 * static.hit_share), 1_000_000),
            "vcache_hit_rate": percent(round(1e6 * vcache_share), 1_000_000),
            "vcache_grid": grid,
            "times_static": _ratio(total.hit_share, static.hit_share),
            "times_static_net_of_audits": _ratio(net, static.hit_share),
            "times_vcache": _ratio(total.hit_share, vcache_share),
            "times_vcache_net_of_audits": _ratio(net, vcache_share),
            "times_static_interval": _finite(bootstrap([run.trace for run in runs], nearest, chance=chance)),
        }
    return found


def _nearest_setting(others: list[Traces], error_share: float) -> list[Trace]:
    """The static threshold whose error rate is nearest, over all streams: something to draw classes from."""
    settings = list(zip(*(settings_of(traces, STATIC) for traces in others), strict=True))
    return list(min(settings, key=lambda several: abs(summed(several).strict_error_share - error_share)))


def _bars(stream: StreamPlan, ours: dict[str, list[Run]], compared: dict[str, Any]) -> list[Bar]:
    bars = []
    for name, runs in ours.items():
        worst = max(100 * run.trace.error_share for run in runs)
        budget = 100 * runs[0].error_budget
        bars.append(Bar(f"{name}: wrong answers in the worst stream, % of requests", worst, budget, at_most=True))
    default = _name(DEFAULT_BUDGET, 0.0)
    if default not in ours:
        return bars
    if stream.kind == "no-repeat":
        wrong = 100 * summed(run.trace for run in ours[default]).strict_error_share
        bars.append(Bar("served where nothing should be, % of requests", wrong, NO_REPEAT_WRONG, at_most=True))
    if stream.dataset in REQUIRED_RATIOS and stream.kind == "fresh":
        row = compared[f"{default}, beside others at the same error rate"]
        static, vcache = REQUIRED_RATIOS[stream.dataset]
        strict = 100 * summed(run.trace for run in ours[default]).strict_error_share
        bars += [
            Bar("strictly wrong, % of requests", strict, 1.0, at_most=True),
            Bar("net hits, times a static threshold's", row["times_static_net_of_audits"], static, at_most=False),
            Bar("net hits, times vCache's", row["times_vcache_net_of_audits"], vcache, at_most=False),
        ]
    return bars


def _finite(interval: tuple[float, float]) -> tuple[float, float] | None:
    """None where the other cache served nothing at all."""
    return (round(interval[0], 2), round(interval[1], 2)) if math.isfinite(interval[1]) else None


def _ratio(ours: float, theirs: float) -> float | None:
    return round(ours / theirs, 2) if theirs else None


def _draw(name: str, ours: dict[str, list[Run]], others: list[Traces], folder: Path) -> None:
    series = [_series(STATIC, others, STATIC)]
    series += [_series(f"vCache, {grid} grid", others, f"vCache {grid} grid") for grid in ("log", "linear")]
    totals = summed_by_name(others)
    series.append(Series.of(GPTCACHE, [totals[GPTCACHE]], strict=True))
    steady = [runs for label, runs in ours.items() if "mistaken" not in label]
    series.append(
        Series.of("semcache", [summed(run.trace for run in runs) for runs in steady], strict=True, is_ours=True)
    )
    ceilings = {label: tally for label, tally in totals.items() if label.startswith("oracle, 1") or label == PERFECT}
    slug = name.replace(", ", "_")
    plot_hits_against_errors(
        f"{name}: hits against wrong answers", series, ceilings=ceilings, file=folder / f"hit_quality_{slug}.svg"
    )
    cold = {label: [run.trace for run in runs] for label, runs in ours.items()}
    plot_cold_starts(f"{name}: from an empty cache", cold, file=folder / f"cold_start_{slug}.svg")


def _series(label: str, others: list[Traces], family: str) -> Series:
    settings = zip(*(settings_of(traces, family) for traces in others), strict=True)
    return Series.of(label, [summed(several) for several in settings], strict=True)
