"""What routing between a weaker and a stronger model saves at which quality, from recorded right and wrong answers.

Every judgement is out of fold: subjects (or, in random folds, questions) that a model is tested on were in neither its
training nor the choice of its plan. Beside the router: the random line, always one model, the nearest neighbours
alone, plain logistic regressions, and the oracle that knows both answers.

    python benchmarks/routing.py --data DIR --seeds 5 --plots
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from plots import RESULTS, MissingPlots
from remembering import shared_embedder
from reporting import Bar, print_report, report
from routing_latency import latency
from routing_plot import RULER, draw_routing
from train_router import (
    PLANS,
    Plan,
    Recorded,
    chosen_plan,
    fitted,
    folds_of,
    load_recorded,
    predicted,
    read_rows,
    softmax_regression,
)
from workloads import MissingData

from semcache.decision.routing.neighbours import STRENGTH, WIDTH, weighted_outcomes
from semcache.decision.routing.quality import OUTCOMES, Floats, standardised
from semcache.decision.routing.surface import surface_names, surface_of

Contender = Callable[[Recorded, Recorded], Floats]  # learned from the first: outcomes of the second, a row each
PROTOCOLS = {"by subject": True, "random folds": False}
OURS, LEARNING, NEAREST = "semcache", "semcache + outcomes of its own", "similarity-only kNN"
PRICE_RATIO = 0.05  # of Claude Haiku 5.5 to Claude Sonnet 5.5, at equal numbers of tokens: models/claude.toml
MOST_MS, MOST_ECE = 0.3, 0.05
LEAST_APGR = {"by subject": 0.62, "random folds": 0.69}
_FEW_SURFACE = ("length", "sentences", "word_length", "numbers", "symbols", "questions", "options_are_figures")
_QUICK_ROWS, _BINS = 2000, 10


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        recorded = load_recorded(options.data, most=_QUICK_ROWS if options.quick else None)
        figures, curves = measure(recorded, seeds=options.seeds, price_ratio=options.price_ratio)
        figures["MT-bench, learned from MMLU"] = transfer(recorded, options.data)
        figures["latency"] = latency(options.data)
        if options.plots is not None:
            draw_routing(curves, file=options.plots / "routing.svg", ours=OURS)
    except (MissingData, MissingPlots) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    settings = {"dataset": "routellm", "requests": len(recorded.subjects), "seeds": options.seeds, "folds": 5}
    settings |= {"price_ratio": options.price_ratio, "quick": options.quick}
    print_report(report("routing", figures, bars_of(figures), settings=settings), as_json=options.json, table=_table)
    return 0


def measure(
    recorded: Recorded, *, seeds: int, price_ratio: float
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Floats]]]:
    """Figures of every contender under both protocols, and its mean curve; means over seeds, spread beside APGR."""
    figures: dict[str, dict[str, Any]] = {}
    curves: dict[str, dict[str, Floats]] = {}
    for protocol, by_subject in PROTOCOLS.items():
        scores = [_out_of_fold(recorded, by_subject=by_subject, seed=seed) for seed in range(seeds)]
        curves[protocol] = {}
        for name in scores[0]:
            runs = [figures_of(score[name], recorded, price_ratio=price_ratio) for score in scores]
            row = {key: _mean(run[key] for run in runs) for key in runs[0]}
            row["apgr_spread"] = round(statistics.pstdev(run["apgr"] or 0.0 for run in runs), 4)
            figures[f"{protocol}: {name}"] = row
            curves[protocol][name] = np.mean([_on_ruler(pgr_curve(gain_of(s[name]), recorded)) for s in scores], 0)
        figures |= {f"{protocol}: {name}": row for name, row in _lines(recorded, price_ratio).items()}
    return figures, curves


def _out_of_fold(recorded: Recorded, *, by_subject: bool, seed: int) -> dict[str, Floats]:
    """Of each contender the probabilities of the four outcomes, each row by a model that has not seen its fold."""
    folds = folds_of(recorded, by_subject=by_subject, seed=seed)
    shares: dict[str, Floats] = {}
    for fold in range(folds.max() + 1):
        tested = np.flatnonzero(folds == fold)
        learned, asked = recorded.at(np.flatnonzero(folds != fold)), recorded.at(tested)
        plan = chosen_plan(learned, PLANS, by_subject=by_subject, seed=seed)
        for name, judged in _judged(learned, asked, plan).items():
            shares.setdefault(name, np.zeros((len(recorded.subjects), len(OUTCOMES))))[tested] = judged
    shares["oracle"] = recorded.outcomes
    return shares


def _judged(learned: Recorded, asked: Recorded, plan: Plan) -> dict[str, Floats]:
    ours = predicted(fitted(learned, plan), asked)
    told, weights, nearest = _neighbours(learned, asked)
    mean = learned.outcomes.mean(0)
    return {
        OURS: ours,
        LEARNING: (told + STRENGTH * ours) / (weights + STRENGTH)[:, None],
        NEAREST: (told + np.outer(5 * nearest, mean)) / (weights + 5 * nearest)[:, None],
        "plain logistic on `weak is right`": _plain(learned, asked, target=learned.weak, is_gain=False),
        "plain logistic on the gain": _plain(learned, asked, target=learned.outcomes[:, 1], is_gain=True),
    }


def _neighbours(learned: Recorded, asked: Recorded) -> tuple[Floats, Floats, Floats]:
    """The outcomes of the nearest, their weights in all, and the weight of the very nearest."""
    similarities = asked.vectors.astype(np.float32) @ learned.vectors.astype(np.float32).T
    found = [weighted_outcomes(row, learned.outcomes) for row in similarities]
    nearest = np.exp((similarities.max(1).astype(np.float64) - 1) / WIDTH)
    return np.array([told for told, _ in found]), np.array([weight for _, weight in found]), nearest


def _plain(learned: Recorded, asked: Recorded, *, target: Floats, is_gain: bool) -> Floats:
    """A logistic regression on the vector and seven features; its probability stands for one or two outcomes."""
    columns = [_surface_place(name) for name in _FEW_SURFACE]
    centres, scales = np.nanmean(learned.surfaces[:, columns], 0), np.nanstd(learned.surfaces[:, columns], 0)
    rows, tested = (
        np.hstack([each.vectors * 5, standardised(each.surfaces[:, columns], centres, scales) / 2])
        for each in (learned, asked)
    )
    intercept, weights = softmax_regression(rows, np.stack([1 - target, target], 1), ridge=100.0)
    logits = intercept + tested @ weights
    share = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    nothing = np.zeros_like(share)
    if is_gain:
        return np.stack([nothing, share, nothing, 1 - share], 1)
    return np.stack([nothing, 1 - share, nothing, share], 1)


def gain_of(shares: Floats) -> Floats:
    return np.asarray(shares[:, 1] - shares[:, 2])


def pgr_curve(scores: Floats, recorded: Recorded) -> Floats:
    """PGR after sending 0, 1, ... of all requests to the stronger model, those with the highest score first."""
    order = np.argsort(-scores, kind="stable")
    gains = (recorded.strong - recorded.weak)[order]
    return np.asarray(np.concatenate([[0.0], np.cumsum(gains)]) / gains.sum())


def figures_of(shares: Floats, recorded: Recorded, *, price_ratio: float) -> dict[str, float | None]:
    """APGR, also where it is least without one subject, CPT and cost; calibration of the two probabilities."""
    curve = pgr_curve(gain_of(shares), recorded)
    weak, strong = recorded.weak.mean(), recorded.strong.mean()
    figures: dict[str, float | None] = {"apgr": _area(curve)}
    apart = [recorded.subjects != subject for subject in np.unique(recorded.subjects)]
    figures["apgr_least"] = min(
        _area(pgr_curve(gain_of(shares[kept]), recorded.at(np.flatnonzero(kept)))) for kept in apart
    )
    for share in (50, 80):
        figures[f"cpt{share}"] = _first_share(curve, share / 100)
    for percent in (95, 98, 100):
        needed = (percent / 100 * strong - weak) / (strong - weak)
        calls = _first_share(curve, needed)
        figures[f"calls_at_{percent}"] = calls
        figures[f"cost_at_{percent}"] = None if calls is None else calls + (1 - calls) * price_ratio
    figures["ece_weak"] = calibration_error(shares[:, 2] + shares[:, 3], recorded.weak)
    figures["ece_gain"] = calibration_error(shares[:, 1], recorded.outcomes[:, 1])
    return figures


def calibration_error(probabilities: Floats, happened: Floats) -> float:
    """The expected calibration error over ten bins of equal numbers."""
    order = np.argsort(probabilities, kind="stable")
    bins = [places for places in np.array_split(order, _BINS) if len(places)]
    gaps = (len(places) * abs(probabilities[places].mean() - happened[places].mean()) for places in bins)
    return float(sum(gaps) / len(order))


def bars_of(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    bars = []
    for protocol, least in LEAST_APGR.items():
        ours = figures[f"{protocol}: {OURS}"]
        named = ("random", NEAREST, "plain logistic on `weak is right`", "plain logistic on the gain")
        rival = max(figures[f"{protocol}: {name}"]["apgr"] for name in named)
        bars += [
            Bar(f"APGR, {protocol}", ours["apgr"], least, at_most=False),
            Bar(f"APGR above the best baseline, {protocol}", round(ours["apgr"] - rival, 4), 0.0, at_most=False),
            Bar(f"ECE of `the weaker is right`, {protocol}", ours["ece_weak"], MOST_ECE, at_most=True),
            Bar(f"ECE of `only the stronger is right`, {protocol}", ours["ece_gain"], MOST_ECE, at_most=True),
        ]
    return [*bars, Bar("added by routing, p50 ms", figures["latency"]["p50_ms"], MOST_MS, at_most=True)]


def transfer(recorded: Recorded, data: Path | None) -> dict[str, Any]:
    """Scores of free answers: ranked by a model that has only seen questions with choices."""
    rows = read_rows(data, "mt_bench")
    surfaces, vectors = _read_texts([str(row["prompt"]) for row in rows])
    weak, strong = (np.array([float(str(row[name])) for row in rows]) / 10 for name in ("weak_score", "strong_score"))
    nothing = np.zeros_like(weak)
    columns = np.stack(
        [nothing, np.maximum(strong - weak, 0), np.maximum(weak - strong, 0), np.minimum(weak, strong)], 1
    )
    asked = Recorded(np.array([str(row["subject"]) for row in rows]), surfaces, vectors, columns)
    model = fitted(recorded, chosen_plan(recorded, PLANS, by_subject=True, seed=0))
    figures = figures_of(predicted(model, asked), asked, price_ratio=PRICE_RATIO)
    return {key: _mean([figures[key]]) for key in ("apgr", "cpt50", "cpt80")} | {"requests": len(rows)}


def _read_texts(texts: Sequence[str]) -> tuple[Floats, Floats]:
    vectors = [shared_embedder().embed(text).vector for text in texts]
    return np.array([surface_of(text) for text in texts]), np.array(vectors, np.float64)


def _lines(recorded: Recorded, price_ratio: float) -> dict[str, dict[str, Any]]:
    """What needs no judgement: the straight line, and the two models by themselves."""
    weak, strong = float(recorded.weak.mean()), float(recorded.strong.mean())
    line: dict[str, Any] = {"apgr": 0.5, "cpt50": 0.5, "cpt80": 0.8}
    for percent in (95, 98, 100):
        calls = max(0.0, (percent / 100 * strong - weak) / (strong - weak))
        line |= {f"calls_at_{percent}": round(calls, 4)}
        line |= {f"cost_at_{percent}": round(calls + (1 - calls) * price_ratio, 4)}
    return {
        "random": line,
        "always weak": {"quality": round(weak, 4), "pgr": 0.0, "cost": price_ratio},
        "always strong": {"quality": round(strong, 4), "pgr": 1.0, "cost": 1.0},
    }


def _first_share(curve: Floats, needed: float) -> float | None:
    reached = np.flatnonzero(curve >= needed - 1e-12)
    return float(reached[0] / (len(curve) - 1)) if len(reached) else None


def _area(curve: Floats) -> float:
    return float((curve[1:] + curve[:-1]).mean() / 2)


def _on_ruler(curve: Floats) -> Floats:
    return np.interp(RULER, np.linspace(0, 1, len(curve)), curve)


def _surface_place(name: str) -> int:
    return surface_names().index(name)


def _mean(values: Any) -> float | None:
    given = list(values)
    return None if any(value is None for value in given) else round(statistics.fmean(given), 4)


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = "apgr apgr_spread apgr_least cpt50 cpt80 cost_at_95 cost_at_98 cost_at_100 ece_weak ece_gain".split()
    rows = ((name, *(str(row.get(column, "")) for column in columns)) for name, row in results["figures"].items())
    return [("", *columns), *rows]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--seeds", type=int, default=5, help="divisions into folds (5)")
    parser.add_argument("--price-ratio", type=float, default=PRICE_RATIO, help="weaker over stronger, a request (0.05)")
    parser.add_argument("--plots", type=Path, nargs="?", const=RESULTS, help="draw the curve, into benchmarks/results")
    parser.add_argument("--quick", action="store_true", help="under a minute: 2,000 requests, one seed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    if options.quick:
        options.seeds = 1
    return options


if __name__ == "__main__":
    sys.exit(main())
