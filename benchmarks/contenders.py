"""Other caches over the same streams: what can be had by a threshold, by vCache, by GPTCache, and at all."""

from __future__ import annotations

from collections.abc import Sequence

from baselines import (
    EXACT_ONLY,
    GPTCACHE_COSINE,
    ORACLE_DEPTHS,
    Stream,
    oracle,
    perfect_cache,
    same_slots,
    static_sweep,
)
from plans import StreamPlan
from remembering import shared_embedder
from scoring import Hindsight, Tally, Trace, in_hindsight, percent, summed
from vcache import DELTAS, Grid, Policy, vcache

Traces = dict[str, Trace]
GPTCACHE, EXACT, PERFECT = "GPTCache default (0.60)", "exact only", "perfect cache"
STATIC, VETOED = "static", "static, numbers and ids vetoed"


def contend(plan: StreamPlan) -> Traces:
    """Every other cache over one stream."""
    rows, workload = plan.drawn(), plan.workload()
    stream = Stream.of(rows, shared_embedder().vectors({row.text for row in rows}))
    traces: Traces = {}
    for cosine, trace in static_sweep(stream, workload).items():
        name = {GPTCACHE_COSINE: GPTCACHE, EXACT_ONLY: EXACT}.get(cosine, f"{STATIC} {cosine:.2f}")
        traces[name] = trace
    for cosine, trace in static_sweep(stream, workload, allowed=same_slots(stream)).items():
        traces[f"{VETOED} {cosine:.2f}"] = trace
    for grid in Grid:
        for delta in DELTAS:
            policy = Policy(delta, grid)
            traces[policy.name] = vcache(stream, workload, policy, seed=plan.seed)
    for depth in ORACLE_DEPTHS:
        traces[f"oracle, {depth} nearest"] = oracle(stream, workload, candidates=depth)
    traces[PERFECT] = perfect_cache(stream, workload)
    return traces


def settings_of(traces: Traces, family: str) -> list[Trace]:
    """One family's settings, from the loosest to the strictest: `static`, `vCache log grid`."""
    if family.startswith("vCache"):
        named = [(name, trace) for name, trace in traces.items() if name.startswith("vCache") and family[7:] in name]
        return [trace for _, trace in reversed(named)]
    named = [(name, trace) for name, trace in traces.items() if name.rpartition(" ")[0] == family]
    loosest = [traces[GPTCACHE]] if family == STATIC else []
    strictest = [traces[EXACT]] if family == STATIC else []
    return [*loosest, *(trace for _, trace in sorted(named)), *strictest]


def hindsight(runs: Sequence[Traces], family: str, max_error_share: float, *, strict: bool = True) -> Hindsight:
    """What one family could have served over all streams, its setting chosen after the fact, once for all streams."""
    by_setting = zip(*(settings_of(traces, family) for traces in runs), strict=True)
    return in_hindsight([summed(several) for several in by_setting], max_error_share, strict=strict)


def best_of_vcache(runs: Sequence[Traces], max_error_share: float) -> tuple[str, float]:
    """The better of its two grids within an error rate, and its share of hits."""
    found = {
        f"vCache {grid.value} grid": hindsight(runs, f"vCache {grid.value} grid", max_error_share) for grid in Grid
    }
    name = max(found, key=lambda grid: found[grid].hit_share)
    return name, found[name].hit_share


def summed_by_name(runs: Sequence[Traces]) -> dict[str, Tally]:
    return {name: summed(traces[name] for traces in runs) for name in runs[0]}


def hindsight_figures(runs: Sequence[Traces], error_shares: Sequence[float]) -> dict[str, dict[str, float | None]]:
    """Hit rates in hindsight, in per cent, by family and error rate."""
    families = (STATIC, VETOED, *(f"vCache {grid.value} grid" for grid in Grid))
    return {
        f"{family}, in hindsight": {
            f"at {100 * share:.2f} % wrong": percent(round(hindsight(runs, family, share).hit_share * 10_000), 10_000)
            for share in error_shares
        }
        for family in families
    }
