"""How many of the facts that are still needed survive when old turns are shortened, against the tokens that are kept.

Every method gets the same budget for the same old turns; the last two user turns stay in full. Tokens of ours include
its marks. Dialogues of SGD (what stands in the final state) and follow-up questions of CAsT (what they leave out).
Weights were tuned on every second case, by name; the figures are those of the other half. Seeds resample its cases.

    python benchmarks/compression_quality.py --data DIR --plots
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from compression_data import Case, Turn, dialogues, follow_ups, kept_share
from compression_plot import draw_compression
from plots import RESULTS, MissingPlots
from remembering import shared_embedder
from reporting import ROOT, Bar, print_report, report
from workloads import MissingData

from semcache.decision.lexicon import lexicon
from semcache.decision.words import normal, words_of
from semcache.pricing import Model, PriceBook
from semcache.pricing.tokens import BYTES_PER_TOKEN
from semcache.request import Request
from semcache.strategies.compression import Compression, Means, Share, Terms, compressed
from semcache.strategies.compression.relevance import Embed, bm25
from semcache.strategies.compression.sentences import sentences_of

BUDGETS = (0.12, 0.25, 0.50)
DRAWN = (0.06, 0.12, 0.18, 0.25, 0.32, 0.40, 0.50, 0.60, 0.75, 1.0)
OURS, FROZEN = "semcache", f"semcache, frozen in blocks of {Terms().block_turns} turns, as shipped"
SMALLER = "semcache, frozen in blocks of 4 turns"
BASELINES = ("last-k", "BM25", "embedding top-k")
LEAST_AT_HALF = 0.95
_QUICK_CASES = 16

Method = Callable[[Case, float], list[str]]  # the old turns' text that is kept, turn by turn


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        sets = {"SGD": dialogues(options.data), "CAsT": follow_ups(options.data)}
        sets = {name: _half(cases, tuning=options.tune) for name, cases in sets.items()}
        if options.quick:
            sets = {name: cases[:_QUICK_CASES] for name, cases in sets.items()}
        figures, curves = measure(sets, shared_embedder().embed, seeds=options.seeds, curve=not options.quick)
        if options.plots is not None:
            draw_compression(curves, file=options.plots / "compression.svg", ours=OURS)
    except (MissingData, MissingPlots) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    half = "tuning" if options.tune else "held out"
    settings = {"dataset": "sgd_sample, trec_cast", "half": half, "seeds": options.seeds, "quick": options.quick}
    settings |= {f"cases {name}": len(cases) for name, cases in sets.items()}
    print_report(
        report("compression", figures, bars_of(figures), settings=settings), as_json=options.json, table=_table
    )
    return 0


def measure(
    sets: Mapping[str, Sequence[Case]], embed: Embed, *, seeds: int, curve: bool
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, list[tuple[float, float]]]]]:
    """Rows by data set, budget and method, and the curve of each method: (tokens kept, facts kept)."""
    figures: dict[str, dict[str, Any]] = {}
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for data, cases in sets.items():
        for name, method in methods(embed).items():
            for budget in sorted({*BUDGETS, *(DRAWN if curve else ())}):
                row = _row(cases, [method(case, budget) for case in cases], seeds=seeds)
                if budget in BUDGETS:
                    figures[f"{data} {budget:.0%}: {name}"] = row
                curves.setdefault(data, {}).setdefault(name, []).append((row["tokens"], row["kept"]))
    return figures, curves


def methods(embed: Embed) -> dict[str, Method]:
    """Ours and the baselines; these give whole sentences until the budget is full, in the order of the text."""
    return {
        OURS: lambda case, share: _ours(case, share, embed, block_turns=None),
        "semcache without an embedder": lambda case, share: _ours(case, share, None, block_turns=None),
        FROZEN: lambda case, share: _ours(case, share, None, block_turns=Terms().block_turns),
        SMALLER: lambda case, share: _ours(case, share, None, block_turns=4),
        "last-k": lambda case, share: _ranked(case, share, _by_recency),
        "BM25": lambda case, share: _ranked(case, share, _by_words),
        "embedding top-k": lambda case, share: _ranked(
            case, share, lambda each, texts: _by_meaning(each, texts, embed)
        ),
    }


def _row(cases: Sequence[Case], kept: Sequence[Sequence[str]], *, seeds: int) -> dict[str, Any]:
    told = [
        (case, "\n".join([*texts, *(turn.text for turn in case.recent)]))
        for case, texts in zip(cases, kept, strict=True)
    ]
    tokens = [sum(map(_tokens, texts)) for texts in kept]
    before = [sum(_tokens(turn.text) for turn in case.old) for case in cases]
    draws = []
    for seed in range(seeds):
        chance = random.Random(seed)
        draws.append(kept_share(chance.choices(told, k=len(told)), is_strict=True))
    return {
        "kept": round(kept_share(told, is_strict=True), 4),
        "kept_any_wording": round(kept_share(told, is_strict=False), 4),
        "kept_least": round(min(draws), 4),
        "tokens": round(sum(tokens) / sum(before), 4),
    }


def _ours(case: Case, share: float, embed: Embed | None, *, block_turns: int | None) -> list[str]:
    """Through the public face. One block of all old turns, or blocks of so many with the rest as it is."""
    asked = sum(turn.is_users for turn in case.old)
    terms = Terms(budget=Share(share), recent_turns=2, block_turns=block_turns or max(asked, 1))
    messages = [_message(turn) for turn in (*case.old, *case.recent)]
    outcome = compressed(Request({"messages": messages}), terms=terms, model=_model(), means=Means(embed=embed))
    if not isinstance(outcome, Compression):
        return [turn.text for turn in case.old]
    texts = [_text(message["content"]) for message in outcome.request.messages]
    return texts[: len(texts) - len(case.recent)]


@cache
def _model() -> Model:
    """One whose tokenizer is the one that estimates count."""
    model = PriceBook.load(ROOT / "models" / "claude.toml").model("claude-opus-4-6")
    if model is None:
        raise MissingData("models/claude.toml: no claude-opus-4-6")
    return model


def _message(turn: Turn) -> dict[str, Any]:
    return {"role": "user" if turn.is_users else "assistant", "content": turn.text}


def _tokens(text: str) -> float:
    """Estimated without rounding: a sentence is small."""
    return len(text.encode()) / BYTES_PER_TOKEN


def _text(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(block["text"] for block in content)


def _ranked(case: Case, share: float, rank: Callable[[Case, list[str]], list[int]]) -> list[str]:
    """The first sentences by rank that fit."""
    texts = [sentence.text.strip() for turn in case.old for sentence in sentences_of(turn.text)]
    room = share * sum(_tokens(turn.text) for turn in case.old)
    kept: set[int] = set()
    for place in rank(case, texts):
        size = _tokens(texts[place])
        if size > room:
            continue
        room -= size
        kept.add(place)
    return [texts[place] for place in sorted(kept)]


def _by_recency(case: Case, texts: list[str]) -> list[int]:
    return list(reversed(range(len(texts))))


def _by_words(case: Case, texts: list[str]) -> list[int]:
    scores = bm25([_bag(text) for text in texts], set(_bag(" ".join(_asked(case))))) if texts else []
    return sorted(range(len(texts)), key=lambda place: (-scores[place], -place))


def _by_meaning(case: Case, texts: list[str], embed: Embed) -> list[int]:
    asked = [embed(text).vector for text in _asked(case)]
    scores = [max(float(embed(text).vector @ vector) for vector in asked) for text in texts]
    return sorted(range(len(texts)), key=lambda place: (-scores[place], -place))


def _asked(case: Case) -> list[str]:
    return [turn.text for turn in case.recent if turn.is_users]


def _bag(text: str) -> dict[str, int]:
    words = words_of(normal(text))
    bag: dict[str, int] = {}
    for word, stem in zip(words.folded, words.stems, strict=True):
        if word not in lexicon().stop:
            bag[stem] = bag.get(stem, 0) + 1
    return bag


def bars_of(figures: Mapping[str, Mapping[str, Any]]) -> list[Bar]:
    bars = []
    for data in ("SGD", "CAsT"):
        for budget in BUDGETS:
            at = f"{data} {budget:.0%}"
            best = max(figures[f"{at}: {name}"]["kept"] for name in BASELINES)
            gain = round(figures[f"{at}: {OURS}"]["kept"] - best, 4)
            least = 0.0 if data == "CAsT" else 0.0001  # there all that is needed may be kept by both
            bars.append(Bar(f"facts kept above the best baseline, {at}", gain, least, at_most=False))
    half = figures[f"SGD 50%: {OURS}"]
    name = "facts still needed, kept at 50 % of the tokens"
    bars.append(Bar(f"{name}, every wording counted", half["kept"], LEAST_AT_HALF, at_most=False))
    bars.append(Bar(f"{name}, in any of its wordings", half["kept_any_wording"], LEAST_AT_HALF, at_most=False))
    bars.append(Bar("tokens kept at 50 %", half["tokens"], 0.50, at_most=True))
    return bars


def _half(cases: Sequence[Case], *, tuning: bool) -> list[Case]:
    """Every second case by name; of CAsT every second conversation, all turns of one on one side."""
    groups = sorted({_group(case) for case in cases})
    chosen = set(groups[0 if tuning else 1 :: 2])
    return [case for case in cases if _group(case) in chosen]


def _group(case: Case) -> str:
    return case.name.rpartition("-")[0] if case.name.count("-") == 2 else case.name


def _table(results: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = ("kept", "kept_any_wording", "kept_least", "tokens")
    rows = ((name, *(str(row.get(column, "")) for column in columns)) for name, row in results["figures"].items())
    return [("", *columns), *rows]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEMCACHE_DATA"), help="folder of the datasets")
    parser.add_argument("--seeds", type=int, default=200, help="resamples of the cases for `kept_least` (200)")
    parser.add_argument("--tune", action="store_true", help="the half that weights.toml was tuned on")
    parser.add_argument("--plots", type=Path, nargs="?", const=RESULTS, help="draw the curve, into benchmarks/results")
    parser.add_argument("--quick", action="store_true", help="under a minute: 16 cases of each set, no curve")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    options.data = Path(options.data) if options.data else None
    return options


if __name__ == "__main__":
    sys.exit(main())
