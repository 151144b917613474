"""What the decision adds to a similar lookup, beside the forward pass of the embedding model in the same run.

Real questions: of each class at most five texts and at most half are stored, as exemplars of one entry, and others are
asked. Every question is new to the decision, as it is in a service that has just embedded it; what is stored is known
to it. Each is given the 32 nearest exemplars, of which the five nearest entries are scored.

    python benchmarks/decision_latency.py                                  the shipped sample
    python benchmarks/decision_latency.py --dataset banking77 --data DIR   or a FILE with the columns text and class
    python benchmarks/decision_latency.py --profile                        where the time goes, too
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import cProfile
import pstats
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reporting import Bar, print_report, report
from workloads import MissingData, load_workload

from semcache import Settings
from semcache.decision.audit_schedule import AuditSchedule
from semcache.decision.beliefs import Beliefs
from semcache.decision.deciding import LearnedDecision
from semcache.decision.evidence import MOST_SCORED, Witness
from semcache.decision.rivals import rivals_of
from semcache.embedders.embedder import Embedder
from semcache.embedders.opening import open_embedder
from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Scope
from semcache.message import text_message
from semcache.opening import find_models_dir, open_prior
from semcache.samples import sample_answers, sample_faq, sample_questions
from semcache.search import NEAREST

MOST_MS = 1.5
SAMPLE = "sample"
_SEED = 1
_GREETINGS = ("", "Hello, ", "Quick question: ", "Hi there, ", "Please help: ", "One thing: ", "Good morning, ")
_FILLER = "Open the settings, choose the entry you mean, and follow the three steps on the screen. " * 3
_EXEMPLARS = 5  # of an entry at most: with more, the nearest exemplars would be of fewer entries than can be scored
_ENOUGH_RIVALS = 0.9  # of the questions must have as many as are scored


@dataclass(frozen=True)
class Case:
    """A question that was never decided before, and what the store would find for it."""

    question: str
    embedding: Embedding
    candidates: tuple[Candidate, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        texts = _texts(options.dataset, options.data)
    except MissingData as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    models_dir = find_models_dir(Settings())
    embedder = open_embedder(options.embedder, models_dir=models_dir)
    prior = open_prior(options.embedder, models_dir=models_dir)
    beliefs = Beliefs(prior, error_budget=Settings().error_budget, schedule=AuditSchedule())
    decision = LearnedDecision(Witness(embedder.words), lambda _: beliefs)
    rounds = cases_of(texts, embedder, rounds=options.rounds + 1, asked=options.asked)
    figures = measured(decision, embedder, rounds)
    if options.profile:
        _print_profile(decision, cases_of(texts, embedder, rounds=1, asked=options.asked, greeting="Dear team, ")[0])
    embedder.close()
    settings = {"dataset": Path(options.dataset).name, "rounds": options.rounds, "candidates": NEAREST, "threads": 1}
    settings |= {"questions_a_round": len(rounds[0]), "scored": MOST_SCORED, "embedder": options.embedder}
    bar = Bar("decision, p50 ms", figures["decision"]["p50_ms"], MOST_MS, at_most=True)
    print_report(report("decision_latency", figures, [bar], settings=settings), as_json=options.json)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", default=SAMPLE, help="name or file of a workload (the shipped sample)")
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--embedder", default=Settings().embedder, help="embedding model")
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, len(_GREETINGS)), help="rounds (5)")
    parser.add_argument("--asked", type=int, default=200, help="questions in a round (200, or as many as there are)")
    parser.add_argument("--profile", action="store_true", help="print where the time of the decision goes, too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    return options


def _texts(dataset: str, data: Path | None) -> list[tuple[str, str, str]]:
    """Text, class and answer of each question."""
    if dataset != SAMPLE:
        return [(row.text, row.class_id, f"{row.class_id}. {_FILLER}") for row in load_workload(dataset, data).rows]
    answers = sample_answers()
    asked = [(question.question, question.entry) for question in sample_questions() if question.entry]
    listed = [(entry.question, entry.id) for entry in sample_faq()]
    return [(text, name, answers[text]) for text, name in dict([*listed, *asked]).items()]


def cases_of(
    texts: Sequence[tuple[str, str, str]], embedder: Embedder, *, rounds: int, asked: int, greeting: str | None = None
) -> list[list[Case]]:
    """The same questions for each round, in a wording of its own. Raises `SystemExit` where rivals are too few."""
    shuffled = random.Random(_SEED).sample(list(texts), k=len(texts))
    classes: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in shuffled:
        classes[row[1]].append(row)
    halves = {name: min(_EXEMPLARS, (len(rows) + 1) // 2) for name, rows in classes.items()}
    stored = [row for name, rows in classes.items() for row in rows[: halves[name]]]
    questions = [row[0] for name, rows in classes.items() for row in rows[halves[name] :]]
    questions = random.Random(_SEED).sample(questions, k=min(asked, len(questions)))
    exemplars, entries = _stored(stored, embedder)
    matrix = np.stack([exemplar.embedding.vector for exemplar in exemplars])
    made = []
    for number in range(rounds):
        asking = [(_GREETINGS[number] if greeting is None else greeting) + text for text in questions]
        embeddings = embedder.embed_many(asking)
        made.append(
            [
                Case(text, embedding, _nearest(embedding, matrix, exemplars, entries))
                for text, embedding in zip(asking, embeddings, strict=True)
            ]
        )
    enough = statistics.mean(len(rivals_of(case.candidates)) >= MOST_SCORED for case in made[0])
    if enough < _ENOUGH_RIVALS:
        raise SystemExit(f"only {enough:.0%} of the questions have {MOST_SCORED} rivals: too few classes in this data")
    return made


def _stored(rows: Sequence[tuple[str, str, str]], embedder: Embedder) -> tuple[list[Exemplar], dict[str, Entry]]:
    entries: dict[str, Entry] = {}
    for text, name, answer in rows:
        message = text_message(answer, model="", message_id="", usage={})
        entry = Entry(f"ent_{name}", Scope("", ""), "", Kind.LEARNED, text, message, "", "", 0.0, 0.0, None)
        entries.setdefault(entry.id, entry)
    embeddings = embedder.embed_many([text for text, _, _ in rows])
    exemplars = [
        Exemplar(f"ent_{name}", text, embedding) for (text, name, _), embedding in zip(rows, embeddings, strict=True)
    ]
    return exemplars, entries


def _nearest(
    embedding: Embedding, matrix: Any, exemplars: Sequence[Exemplar], entries: dict[str, Entry]
) -> tuple[Candidate, ...]:
    similar = matrix @ embedding.vector
    places = np.argsort(-similar)[:NEAREST]
    return tuple(
        Candidate(entries[exemplars[place].entry_id], exemplars[place], float(similar[place])) for place in places
    )


def measured(
    decision: LearnedDecision, embedder: Embedder, rounds: Sequence[Sequence[Case]]
) -> dict[str, dict[str, float]]:
    """Medians over the rounds but the first, in which what is stored is read for the first time."""

    def decide(case: Case) -> object:
        return decision.decide(case.question, case.embedding, case.candidates)

    first = _timed(decide, rounds[0])
    decided = [_timed(decide, cases) for cases in rounds[1:]]
    passed = [_timed(lambda case: embedder.embed(case.question), cases) for cases in rounds[1:]]
    figures = {
        "decision": _summary(decided),
        "forward pass": _summary(passed),
        "decision, nothing read yet": _summary([first]),
    }
    ratio = figures["decision"]["p50_ms"] / figures["forward pass"]["p50_ms"]
    return figures | {"decision / forward pass": {"p50_ratio": round(ratio, 2)}}


def _timed(act: Callable[[Case], object], cases: Sequence[Case]) -> list[float]:
    spent = []
    for case in cases:
        began = time.perf_counter()
        act(case)
        spent.append((time.perf_counter() - began) * 1000)
    return spent


def _summary(rounds: Sequence[Sequence[float]]) -> dict[str, float]:
    return {
        "p50_ms": round(statistics.median(statistics.median(spent) for spent in rounds), 3),
        "p95_ms": round(statistics.median(float(np.percentile(spent, 95)) for spent in rounds), 3),
    }


def _print_profile(decision: LearnedDecision, cases: Sequence[Case]) -> None:
    profile = cProfile.Profile()
    profile.enable()
    for case in cases:
        decision.decide(case.question, case.embedding, case.candidates)
    profile.disable()
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    sys.exit(main())
