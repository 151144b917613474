"""Find the similarity at which a stated share of hits is wrong, for one embedding model.

How it measures. Each data set fills a cache with half of its texts, and the other half asks. A question meets
what the service would show its judge: the nearest stored texts, guards on, and only if it may be looked up at
all (not time-bound, not personal). The nearest one that no guard forbids gives a similarity and an outcome:
right, wrong, or unjudged where the data does not say. Retrieved neighbours, not random pairs: a full cache
always holds something close.

The sets, and what is wrong in them:
  banking77    another intent; 79 confusable intent pairs are unjudged (`--strict` judges them too)
  clinc150     another intent; and for `slot` intents another value (words rare within the intent, and known
               to few intents, on both sides). The same intent of the kinds `live_or_account`, `action` and
               `random` is unjudged: within one caller's scope "play the next song" may have one answer, but
               the data does not say
  qqp          Quora pairs among all other questions as distractors: what was labelled "not a duplicate";
               neighbours that nobody labelled are unjudged
  disfl_qa     a corrected question answered by another question's answer
  dstc9        the same question about another hotel or restaurant: every hit is wrong

How they are weighed. The false-hit rate is the mean of the first four sets' rates, weighted WEIGHTS: support
and assistant questions are what a cache is for; Quora's pairs were picked because they look alike, and
Disfl-QA's because they mislead. Of Quora's rate the share of wrong labels is taken off first: its rate at
cosine >= 0.97 with all guards passed (published estimates: 5-10 %). A set with fewer than 200 judged hits at a
threshold does not vote there. dstc9 has no right answers, hence no rate per hit: its false hits per request
must stay below the stated rate. The rates as measured, with and without guards, are printed beside the choice.

The confidence is a logistic fit of right against similarity over all judged neighbours, with the same weights.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import gzip
import hashlib
import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from slot_values import SlotValues

from semcache.decision.guards import conflicts_between
from semcache.decision.profile import Profile
from semcache.decision.wording import is_personal, is_time_bound
from semcache.embedders.embedder import Embedder
from semcache.embedders.opening import open_embedder

RATES = (0.005, 0.01, 0.02, 0.05)
WEIGHTS = {"banking77": 0.4, "clinc150": 0.4, "qqp": 0.15, "disfl_qa": 0.05}
NOISE_FROM = 0.97  # Quora pairs this close that pass every guard and are labelled different: wrong labels
NEAREST = 16
LOWEST = 0.60  # similarities below this are never served, and not fitted
FEWEST_HITS = 200
STEP = 0.005

Row = dict[str, Any]
Judged = bool | None  # None: the data does not say
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Trial:
    """One data set: what is stored, what is asked, and whether a stored row answers an asked one."""

    name: str
    stored: Sequence[Row]
    asked: Sequence[Row]
    right: Callable[[Row, Row], Judged]


@dataclass(frozen=True)
class Outcome:
    """The neighbour that a question would be answered by, were the threshold low enough."""

    similarity: float
    right: Judged
    unguarded_similarity: float
    unguarded_right: Judged


def main() -> None:
    arguments = _arguments()
    embedder = open_embedder(arguments.embedder, models_dir=arguments.models)
    try:
        vectors_of = _remembering(embedder)
        trials = list(_trials(arguments.data, quick=arguments.quick, strict=arguments.strict, seed=arguments.seed))
        outcomes = {trial.name: _run(trial, vectors_of) for trial in trials}
    finally:
        embedder.close()
    report = _report(outcomes, {trial.name: len(trial.asked) for trial in trials})
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _print_table(report)
    if arguments.write is not None:
        _write(arguments.write, arguments.embedder, report)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the development data")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of built models")
    parser.add_argument("--embedder", default="all-MiniLM-L6-v2")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the thresholds into this embedders.toml")
    parser.add_argument("--strict", action="store_true", help="judge banking77's confusable intents too")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, same code path")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick and arguments.write is not None:
        parser.error("--quick measures too little to be written; leave one of the two out")
    return arguments


# The data


def _trials(data: Path, *, quick: bool, strict: bool, seed: int) -> Iterator[Trial]:
    shuffle = random.Random(seed)

    def rows(path: str) -> list[Row]:
        with gzip.open(data / path, "rt", encoding="utf-8") as lines:
            read = [json.loads(line) for line in lines]
        shuffle.shuffle(read)
        return read[: len(read) // 10] if quick else read

    listed = json.loads((data / "banking77/derived/confusable_intent_pairs.json").read_text("utf-8"))
    confusable = frozenset() if strict else frozenset(frozenset(pair["intents"]) for pair in listed["pairs"])
    yield Trial("banking77", *_halves(rows("banking77/derived/stream.jsonl.gz")), _same_intent(confusable))
    assistant = rows("clinc150/stream_dev.jsonl.gz")
    yield Trial("clinc150", *_halves(assistant), _same_answer(assistant))
    yield _quora(rows("qqp_gptcache/derived/pairs_dev.jsonl.gz"))
    spoken = rows("disfl_qa/stream_dev.jsonl.gz")
    originals = [row for row in spoken if row["kind"] == "original"]
    yield Trial("disfl_qa", originals, [row for row in spoken if row["kind"] != "original"], _same_class)
    swaps = rows("dstc9_faq/entity_swap_pairs_dev.jsonl.gz")
    stored = [{"text": pair["a"], "answer": pair["answer_a"]} for pair in swaps]
    asked = [{"text": pair["b"], "answer": pair["answer_b"]} for pair in swaps]
    yield Trial("dstc9", stored, asked, lambda a, b: bool(a["answer"] == b["answer"]))


def _halves(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    unique = list({row["text"]: row for row in rows}.values())
    return unique[::2], unique[1::2]


def _same_class(asked: Row, stored: Row) -> Judged:
    return bool(asked["class_id"] == stored["class_id"])


def _same_intent(confusable: frozenset[frozenset[str]]) -> Callable[[Row, Row], Judged]:
    def judged(asked: Row, stored: Row) -> Judged:
        same = asked["class_id"] == stored["class_id"]
        return None if frozenset((asked["class_id"], stored["class_id"])) in confusable and not same else same

    return judged


def _same_answer(rows: list[Row]) -> Callable[[Row, Row], Judged]:
    slot_values = SlotValues((row["class_id"], row["text"]) for row in rows)

    def judged(asked: Row, stored: Row) -> Judged:
        if asked["class_id"] != stored["class_id"] or asked["answer_kind"] == "oos":
            return False
        if asked["answer_kind"] == "static":
            return True
        is_slot = asked["answer_kind"] == "slot"
        return not slot_values.differ(asked["class_id"], asked["text"], stored["text"]) if is_slot else None

    return judged


def _quora(pairs: list[Row]) -> Trial:
    """Every second question asks; all others, its pair among them, are stored."""
    labels = {frozenset((pair["a"], pair["b"])): pair["label"] == 1 for pair in pairs if not pair["conflict"]}
    classes = {pair[side]: pair[f"class_{side}"] for pair in pairs for side in ("a", "b")}
    asked = list(dict.fromkeys(pair["a"] for pair in pairs))[: len(pairs) // 5]
    asking = set(asked)
    stored = [text for text in classes if text not in asking]

    def judged(question: Row, neighbour: Row) -> Judged:
        if classes[question["text"]] == classes[neighbour["text"]]:
            return True
        return labels.get(frozenset((question["text"], neighbour["text"])))

    return Trial("qqp", [{"text": text} for text in stored], [{"text": text} for text in asked], judged)


# The measurement


def _remembering(embedder: Embedder) -> Callable[[Sequence[str]], Vectors]:
    """Embed texts, keeping the vectors in the temporary folder between runs: never in the repository."""

    def vectors_of(texts: Sequence[str]) -> Vectors:
        named = hashlib.sha256("\0".join([embedder.fingerprint, *texts]).encode()).hexdigest()[:24]
        path = Path(tempfile.gettempdir()) / f"semcache-calibration-{named}.npz"
        if path.is_file():
            kept: Vectors = np.load(path)["vectors"]
            return kept
        print(f"embedding {len(texts)} texts", file=sys.stderr)
        vectors = np.stack([embedding.vector for embedding in embedder.embed_many(texts)]).astype(np.float32)
        np.savez(path, vectors=vectors)
        return vectors

    return vectors_of


def _run(trial: Trial, vectors_of: Callable[[Sequence[str]], Vectors]) -> list[Outcome]:
    asked = [row for row in trial.asked if not is_time_bound(row["text"]) and not is_personal(row["text"])]
    stored_vectors = vectors_of([row["text"] for row in trial.stored])
    asked_vectors = vectors_of([row["text"] for row in asked])
    outcomes: list[Outcome] = []
    for start in range(0, len(asked), 256):
        similarities = asked_vectors[start : start + 256] @ stored_vectors.T
        nearest = np.argpartition(-similarities, min(NEAREST, similarities.shape[1]) - 1, axis=1)[:, :NEAREST]
        for index, columns in enumerate(nearest):
            near = sorted(((float(similarities[index, column]), int(column)) for column in columns), reverse=True)
            outcomes.append(_outcome(trial, asked[start + index], near))
    return outcomes


def _outcome(trial: Trial, asked: Row, near: list[tuple[float, int]]) -> Outcome:
    top_similarity, top = near[0]
    unguarded = trial.right(asked, trial.stored[top])
    profile = Profile.of(asked["text"])
    for similarity, column in near:
        if similarity < LOWEST:
            break
        stored = trial.stored[column]
        if not conflicts_between(profile, Profile.of(stored["text"])):
            return Outcome(similarity, trial.right(asked, stored), top_similarity, unguarded)
    return Outcome(-1.0, None, top_similarity, unguarded)


# The choice


def _report(outcomes: dict[str, list[Outcome]], sizes: dict[str, int]) -> dict[str, Any]:
    grid = np.round(np.arange(LOWEST, 0.9951, STEP), 4)
    rates = [_weighted_rate(outcomes, float(threshold)) for threshold in grid]
    chosen = {rate: _lowest_safe(grid, rates, outcomes["dstc9"], rate) for rate in RATES}
    intercept, slope = _logistic(outcomes)
    return {
        "thresholds": [
            {
                "false_hit_rate": rate,
                "similarity": threshold,
                "sets": {name: _figures(found, sizes[name], threshold) for name, found in outcomes.items()},
            }
            for rate, threshold in chosen.items()
        ],
        "logit_intercept": round(intercept, 3),
        "logit_slope": round(slope, 3),
        "curve": [[float(threshold), rate] for threshold, rate in zip(grid, rates, strict=True)],
    }


def _rate(outcomes: list[Outcome], threshold: float) -> float | None:
    hits = [outcome.right for outcome in outcomes if outcome.similarity >= threshold and outcome.right is not None]
    return hits.count(False) / len(hits) if len(hits) >= FEWEST_HITS else None


def _weighted_rate(outcomes: dict[str, list[Outcome]], threshold: float) -> float:
    total = weight = 0.0
    noise = _rate(outcomes["qqp"], NOISE_FROM) or 0.0
    for name, share in WEIGHTS.items():
        rate = _rate(outcomes[name], threshold)
        if rate is not None:
            total += share * max(rate - (noise if name == "qqp" else 0.0), 0.0)
            weight += share
    return total / weight if weight else 0.0


def _lowest_safe(grid: NDArray[np.float64], rates: list[float], traps: list[Outcome], rate: float) -> float:
    """The lowest threshold from which on, all the way up, the rate is kept: rates need not fall monotonically."""
    safe = float(grid[-1])
    for threshold, measured in zip(grid[::-1], rates[::-1], strict=True):
        trapped = sum(trap.similarity >= threshold and trap.right is False for trap in traps) / max(len(traps), 1)
        if measured > rate or trapped > rate:
            break
        safe = float(threshold)
    return round(safe, 4)


def _figures(outcomes: list[Outcome], requests: int, threshold: float) -> dict[str, Any]:
    served = [outcome.right for outcome in outcomes if outcome.similarity >= threshold]
    bare = [outcome.unguarded_right for outcome in outcomes if outcome.unguarded_similarity >= threshold]
    judged, bare_judged = _judged(served), _judged(bare)
    return {
        "requests": requests,
        "hit_rate": round(len(served) / max(requests, 1), 4),
        "false_hit_rate": round(judged.count(False) / max(len(judged), 1), 4),
        "judged_hits": len(judged),
        "hit_rate_without_guards": round(len(bare) / max(requests, 1), 4),
        "false_hit_rate_without_guards": round(bare_judged.count(False) / max(len(bare_judged), 1), 4),
    }


def _judged(outcomes: list[Judged]) -> list[bool]:
    return [outcome for outcome in outcomes if outcome is not None]


def _logistic(outcomes: dict[str, list[Outcome]]) -> tuple[float, float]:
    """Weighted maximum likelihood of right ~ similarity, by Newton's steps with a trace of ridge."""
    similarities, labels, weights = [], [], []
    for name, share in WEIGHTS.items():
        judged = [each for each in outcomes[name] if each.right is not None and each.similarity >= LOWEST]
        similarities += [each.similarity for each in judged]
        labels += [float(bool(each.right)) for each in judged]
        weights += [share / max(len(judged), 1)] * len(judged)
    design = np.column_stack([np.ones(len(labels)), similarities])
    target, weight = np.array(labels), np.array(weights) * len(labels)
    solution = np.zeros(2)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-np.clip(design @ solution, -30, 30)))
        gradient = design.T @ (weight * (target - probability)) - 1e-6 * solution
        curvature = (design * (weight * probability * (1 - probability))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        solution = solution + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return float(solution[0]), float(solution[1])


# The output


def _print_table(report: dict[str, Any]) -> None:
    head = f"{'FHR':>6} {'cosine':>7}  {'set':<10} {'requests':>8} {'hits':>7} {'wrong':>7} {'judged':>7}"
    print(head + f"  {'hits, no guards':>16} {'wrong':>7}")
    for row in report["thresholds"]:
        for name, each in row["sets"].items():
            print(
                f"{row['false_hit_rate']:>6.1%} {row['similarity']:>7.3f}  {name:<10} {each['requests']:>8} "
                f"{each['hit_rate']:>7.1%} {each['false_hit_rate']:>7.2%} {each['judged_hits']:>7}  "
                f"{each['hit_rate_without_guards']:>16.1%} {each['false_hit_rate_without_guards']:>7.2%}"
            )
    print(f"confidence = 1 / (1 + exp(-({report['logit_intercept']} + {report['logit_slope']} * similarity)))")


def _write(path: Path, embedder: str, report: dict[str, Any]) -> None:
    """Replace the calibration table of one model, and nothing else of the file."""
    text = path.read_text("utf-8")
    header = f"[models.{embedder}.calibration]"
    pattern = re.compile(re.escape(header) + r"\n(?:(?!\[)[^\n]*\n?)*")
    if pattern.search(text) is None:
        text = f"{text.rstrip()}\n\n{header}\n"
    path.write_text(pattern.sub(lambda _: _calibration(header, report), text).rstrip() + "\n", "utf-8")


def _calibration(header: str, report: dict[str, Any]) -> str:
    rows = "".join(
        f"    {{ false_hit_rate = {row['false_hit_rate']}, similarity = {row['similarity']} }},\n"
        for row in report["thresholds"]
    )
    return (
        f"{header}\n# Measured with the guards on; benchmarks/calibrate_threshold.py says how.\n"
        f"thresholds = [\n{rows}]\n"
        f"logit_intercept = {report['logit_intercept']}\nlogit_slope = {report['logit_slope']}\n"
        'data = "banking77, clinc150, qqp (development), disfl_qa, dstc9 swaps: nearest neighbours in a filled cache"\n'
        'command = "python benchmarks/calibrate_threshold.py --data DATA --write models/embedders.toml"\n'
        f"checked = {datetime.now(UTC).date().isoformat()}\n\n"
    )


if __name__ == "__main__":
    main()
