"""Trains the prior of the decision: what each piece of evidence says before a deployment has labels of its own.

Runs development streams through the product, takes the labelled cases it collects, adds judged question pairs, and
fits one logistic model to all, each source with a weight of its own. Prints the weights, or writes them.

    python benchmarks/train_scorer.py --data DIR --write models/scorer.toml --held-out benchmarks/scorers

`--held-out` also writes the priors that evaluations use: each without the data it is to be measured on.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import random
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from plans import HELD_OUT, in_processes
from product import run_stream
from remembering import shared_embedder
from reporting import aligned
from scorer_file import written
from streams import fresh_zipf_stream
from trap_quality import Halves
from traps import read_groups, traps_stream, traps_workload
from truth import Row
from workloads import MissingData, load_workload, quora_pairs

from semcache import Settings
from semcache.decision.evidence import FEATURES, Witness
from semcache.decision.rivals import rivals_of
from semcache.decision.scorer import Scorer, weight_bounds
from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Scope
from semcache.message import text_message

Floats = NDArray[np.float64]
SEED = 100  # evaluations use 0 to 4
PRIOR_STRENGTH = 100.0  # labels of a stream that weigh as much as the prior
RIDGE = 0.3
CASES = 3000.0  # what a source of weight 1 counts for
HEAVIEST = 20.0
LEAST_SCALE = 0.05
# Intents tell nothing of these: "cancel it" and "do not cancel it" are one intent, and need two answers.
_CONFLICTS = [place for place, feature in enumerate(FEATURES) if feature.endswith("_conflict")]
_PAIRS, _STORED_TOGETHER, _NEAREST = 5000, (300, 5000), 32


@dataclass(frozen=True)
class Cases:
    """Evidence with its outcome: rows of FEATURES, 0 or 1, and how often each counts."""

    rows: Floats
    labels: Floats
    counts: Floats

    @classmethod
    def joined(cls, several: Sequence[Cases]) -> Cases:
        return cls(*(np.concatenate([getattr(one, name) for one in several]) for name in ("rows", "labels", "counts")))

    def weighing(self, total: float) -> Cases:
        return Cases(self.rows, self.labels, self.counts * (total / self.counts.sum()))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        gathered = gather(options.data, quick=options.quick, jobs=options.jobs)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    scorer = _kept(gathered, options.embedder, without=(), file=options.write)
    for held_out in sorted(set(HELD_OUT.values())) if options.held_out else ():
        options.held_out.mkdir(parents=True, exist_ok=True)
        file = options.held_out / f"without-{held_out}.toml"
        _kept(gathered, options.embedder, without=held_out.split("-"), file=file)
    weights = sorted(zip(FEATURES, scorer.weights, strict=True), key=lambda pair: -abs(pair[1]))
    print(aligned([("feature", "weight"), *((name, f"{weight:+.3f}") for name, weight in weights)]))
    return 0


def gather(data: Path, *, quick: bool = False, jobs: int = 1) -> dict[str, Cases]:
    """The cases of every source, each with its weight in all."""
    scale = 0.05 if quick else 1.0
    found = in_processes(_gathered, [(name, data, scale) for name in SOURCES], jobs=jobs)
    for name, cases in zip(SOURCES, found, strict=True):
        sys.stderr.write(f"{name}: {len(cases.labels)} cases, {cases.labels.mean():.2f} the same\n")
    return dict(zip(SOURCES, found, strict=True))


def _gathered(task: tuple[str, Path, float]) -> Cases:
    name, data, scale = task
    weight, gathering = SOURCES[name]
    return gathering(data, scale).weighing(weight * CASES)


def _kept(gathered: dict[str, Cases], embedder: str, *, without: Sequence[str], file: Path | None) -> Scorer:
    """Fit to all sources but some, and write the prior where there is a file for it."""
    used = [name for name in gathered if re.split("[-:]", name)[0] not in without]
    scorer = fitted(Cases.joined([gathered[name] for name in used]))
    if file is not None:
        file.write_text(written(file, scorer, embedder, ", ".join(used)), "utf-8")
    return scorer


def fitted(cases: Cases) -> Scorer:
    """A logistic model of the cases, as a prior worth `PRIOR_STRENGTH` labels."""
    centre = cases.rows.mean(axis=0)
    scale = np.maximum(cases.rows.std(axis=0), LEAST_SCALE)
    count = len(FEATURES)
    blank = Scorer(
        0.0, np.zeros(count), centre, scale, np.zeros(count + 1), np.full(count + 1, RIDGE), *weight_bounds()
    )
    scorer = blank.fitted(cases.rows, cases.labels, cases.counts)
    confidence = np.array([scorer.confidence(row) for row in cases.rows])
    design = np.hstack([np.ones((len(cases.rows), 1)), (cases.rows - centre) / scale])
    information = (design**2 * (cases.counts * confidence * (1 - confidence))[:, None]).sum(axis=0)
    precision = information * (PRIOR_STRENGTH / cases.counts.sum()) + RIDGE
    return Scorer(
        scorer.intercept, scorer.weights, centre, scale, np.array(scorer.all_weights), precision, *weight_bounds()
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--embedder", default=Settings().embedder, help="embedding model the prior is for")
    parser.add_argument("--write", type=Path, help="file to write the prior to; other models in it stay")
    parser.add_argument("--held-out", type=Path, help="folder to write the priors for evaluations to")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (one for each core)")
    parser.add_argument("--quick", action="store_true", help="about a minute: a twentieth of everything")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    return options


def _from_stream(rows: Sequence[Row], name: str, data: Path | None, **options: float) -> Cases:
    workload = traps_workload(read_groups()) if name == "never-merge" else load_workload(name, data)
    labels = run_stream(rows, workload, **options).labels
    bodies = [label.body for label in labels]
    rows = np.array([body["values"] for body in bodies], np.float64)
    if name != "never-merge":
        rows[:, _CONFLICTS] = 0.0
    return Cases(
        rows,
        np.array([body["same"] for body in bodies], np.float64),
        np.minimum(np.array([body["count"] for body in bodies], np.float64), HEAVIEST),
    )


def _long(name: str) -> Callable[[Path, float], Cases]:
    def gather(data: Path, scale: float) -> Cases:
        rows = load_workload(name, data).rows
        return _from_stream(fresh_zipf_stream(rows, requests=int(8000 * scale), exponent=1.0, seed=SEED), name, data)

    return gather


def _young(name: str) -> Callable[[Path, float], Cases]:
    """Several caches that have just begun: most deployments, most of the time, know little about most questions."""

    def gather(data: Path, scale: float) -> Cases:
        rows = load_workload(name, data).rows
        streams = [
            fresh_zipf_stream(rows, requests=int(max(60, 500 * scale)), exponent=1.0, seed=SEED + 1 + number)
            for number in range(6)
        ]
        return Cases.joined([_from_stream(stream, name, data) for stream in streams])

    return gather


def _never_merge(data: Path, scale: float) -> Cases:
    """The development half of the traps: every second group. The other half is for evaluation."""
    groups = Halves.read().development[:: max(1, int(1 / scale / 4))]
    return Cases.joined(
        [_from_stream(traps_stream(groups, seed=SEED + number), "never-merge", data) for number in range(3)]
    )


def _quora_pairs(data: Path, scale: float) -> Cases:
    """Judged pairs: the first of each is stored among others, the second asked."""
    pairs = random.Random(SEED).sample(quora_pairs(data), k=int(_PAIRS * scale))
    embedder = shared_embedder()
    stored = embedder.embed_many([one for one, _, _ in pairs])
    asked = embedder.embed_many([other for _, other, _ in pairs])
    witness, rows, labels = Witness(embedder.words), [], []
    entries = [_entry(number, one) for number, (one, _, _) in enumerate(pairs)]
    for together in _STORED_TOGETHER:
        for number, (_, other, is_same) in enumerate(pairs):
            first = number // together * together
            group = range(first, min(len(pairs), first + together))
            candidates = _candidates(entries, stored, asked[number], group)
            for evidence in witness.examine(other, asked[number], rivals_of(candidates)):
                if evidence.rival.entry.id == entries[number].id and not evidence.veto:
                    rows.append(evidence.values)
                    labels.append(float(is_same))
    return Cases(np.array(rows), np.array(labels), np.ones(len(labels)))


def _candidates(
    entries: Sequence[Entry], stored: Sequence[Embedding], asked: Embedding, group: Sequence[int]
) -> list[Candidate]:
    similar = np.array([stored[number].vector for number in group]) @ asked.vector
    nearest = np.argsort(-similar)[:_NEAREST]
    return [
        Candidate(
            entries[group[place]],
            Exemplar(entries[group[place]].id, entries[group[place]].question, stored[group[place]]),
            float(similar[place]),
        )
        for place in nearest
    ]


def _entry(number: int, question: str) -> Entry:
    message = text_message("", model="", message_id="", usage={})
    return Entry(f"ent_{number}", Scope("", ""), "", Kind.LEARNED, question, message, "", "", 0.0, 0.0, None)


SOURCES: dict[str, tuple[float, Callable[[Path, float], Cases]]] = {
    "banking77": (1.0, _long("banking77")),
    "banking77:young": (1.0, _young("banking77")),
    "clinc150-all": (1.0, _long("clinc150-all")),
    "clinc150-all:young": (1.0, _young("clinc150-all")),
    "quora": (1.0, _quora_pairs),
    "never-merge": (1.0, _never_merge),
}

if __name__ == "__main__":
    sys.exit(main())
