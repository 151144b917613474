"""How well the judge of sameness tells whether two answers are the same; what asking Claude for the rest would cost.

The pairs of `answer_pairs/` were written for this, and so were the answers of `never_merge/`. Every second row of the
former and every second group of the latter are for development: `--fit` sees only those, and the figures are of the
others. No need of the one half occurs in the other. Nearly all different pairs are near misses, so the figures say how
the judge does where it is hard.

    python benchmarks/judge_quality.py          figures of the held-out half
    python benchmarks/judge_quality.py --fit    fits the numbers of local.toml to the development half before that
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from judge_fit import fitted_scale, written_scale
from judge_pairs import ANSWER_PAIRS, Pair, development, held_out
from reporting import Bar, print_report, report
from scoring import percent
from traps import NEVER_MERGE

from semcache import Settings
from semcache.decision.sameness.judge import judged
from semcache.decision.sameness.local import LocalJudge, Scale
from semcache.decision.sameness.outcomes import Different, Pairing, Same, Sameness, Uncertain
from semcache.decision.sameness.rubric import CRITERIA
from semcache.embedders.opening import open_embedder
from semcache.entry import Embedding
from semcache.message import Message, Usage, text_message
from semcache.opening import find_models_dir
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.pricing.model import Lifecycle
from semcache.pricing.tokens import estimate_tokens
from semcache.request import Request

WRONG_SAME, WRONG_DIFFERENT = 2.0, 5.0  # per cent of the verdicts
MOST_MS = 10.0  # of judging, forward passes apart
NOISE = 0.05  # share of Claude's answers to the rubric that are the wrong way round where it is noisy
SEED = 0
_Z = 1.96


@dataclass(frozen=True)
class Judged:
    """A pair, what was said of it, and what it took, forward passes apart."""

    pair: Pair
    sameness: Sameness
    spent_ms: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    embedder = open_embedder(options.embedder, models_dir=find_models_dir(Settings()))
    scale = Scale.shipped()
    if options.fit:
        scale = fitted_scale(development(options.pairs, options.traps), embedder.embed, start=scale)
        options.write.write_text(written_scale(scale, options.embedder), "utf-8")
    pairs = held_out(options.pairs, options.traps)
    found = judge_all(pairs, embedder.embed, scale)
    embedder.close()
    figures = figures_of(found) | claude_figures(found, on=options.on)
    settings = {"embedder": options.embedder, "pairs": len(pairs), "threads": 1, "prices_on": options.on.isoformat()}
    print_report(report("judge_quality", figures, bars_of(figures), settings=settings), as_json=options.json)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    shipped = Path(str(files("semcache.decision.sameness").joinpath("local.toml")))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--fit", action="store_true", help="fit the numbers of local.toml to the development half first"
    )
    parser.add_argument("--write", type=Path, default=shipped, help="where --fit writes (the package's local.toml)")
    parser.add_argument("--embedder", default=Settings().embedder, help="embedding model of the judge")
    parser.add_argument("--pairs", type=Path, default=ANSWER_PAIRS, help="folder of JSONL files with pairs of answers")
    parser.add_argument("--traps", type=Path, default=NEVER_MERGE, help="folder of never-merge groups")
    parser.add_argument("--on", type=date.fromisoformat, default=date.today(), help="day of the prices (today)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def judge_all(pairs: Iterable[Pair], embed: Callable[..., Embedding], scale: Scale) -> list[Judged]:
    """What the local judge says of each pair."""
    embedding_s = 0.0

    def timed(text: str, *, tokens: bool = False) -> Embedding:
        nonlocal embedding_s
        began = time.perf_counter()
        try:
            return embed(text, tokens=tokens)
        finally:
            embedding_s += time.perf_counter() - began

    judge, found = LocalJudge(timed, scale=scale), []
    for pair in pairs:
        began, embedding_s = time.perf_counter(), 0.0
        sameness = judge.compare(pair.pairing)
        found.append(Judged(pair, sameness, (time.perf_counter() - began - embedding_s) * 1000))
    return found


# figures


def figures_of(found: Sequence[Judged]) -> dict[str, dict[str, Any]]:
    """For all pairs, for each source of them, and for each of its families."""
    rows: dict[str, list[Judged]] = {"all": list(found)}
    for one in found:
        rows.setdefault(one.pair.source, []).append(one)
        rows.setdefault(f"{one.pair.source}: {one.pair.family}", []).append(one)
    figures = {name: quality(rows[name]) for name in sorted(rows)}
    spent = [one.spent_ms for one in found]
    figures["time apart from forward passes"] = {
        "p50_ms": _rounded(statistics.median(spent)),
        "max_ms": _rounded(max(spent)),
    }
    return figures


def quality(found: Sequence[Judged]) -> dict[str, Any]:
    """Rates in per cent, of the verdicts of their kind and of the pairs of the other, with 95 % Wilson intervals."""
    same, different = ([one.pair.same for one in found if isinstance(one.sameness, kind)] for kind in (Same, Different))
    wrong_same, wrong_different = same.count(False), different.count(True)
    truly_same = sum(one.pair.same for one in found)
    truly_different = len(found) - truly_same
    return {
        "pairs": len(found),
        "truly_same": truly_same,
        "decided_share": percent(len(same) + len(different), len(found)),
        "uncertain_share": percent(len(found) - len(same) - len(different), len(found)),
        "said_same": len(same),
        "wrong_same": wrong_same,
        "wrong_of_said_same": percent(wrong_same, len(same)),
        "wrong_of_said_same_interval": wilson(wrong_same, len(same)),
        "said_different": len(different),
        "wrong_different": wrong_different,
        "wrong_of_said_different": percent(wrong_different, len(different)),
        "wrong_of_said_different_interval": wilson(wrong_different, len(different)),
        "different_called_same": percent(wrong_same, truly_different),
        "different_called_same_interval": wilson(wrong_same, truly_different),
        "same_called_different": percent(wrong_different, truly_same),
        "same_called_different_interval": wilson(wrong_different, truly_same),
        "same_recognised": percent(len(same) - wrong_same, truly_same),
    }


def wilson(wrong: int, total: int) -> list[float]:
    """The 95 % score interval of a share, in per cent (Wilson 1927); all of it where nothing was counted."""
    if not total:
        return [0.0, 100.0]
    share, spread = wrong / total, _Z * _Z / total
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return [round(100 * max(0.0, middle - half), 2), round(100 * min(1.0, middle + half), 2)]


def bars_of(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    whole, spent = figures["all"], figures["time apart from forward passes"]
    return [
        Bar("wrong, of pairs called the same, %", whole["wrong_of_said_same"], WRONG_SAME, at_most=True),
        Bar("wrong, of pairs called different, %", whole["wrong_of_said_different"], WRONG_DIFFERENT, at_most=True),
        Bar("judging apart from forward passes, p50 ms", spent["p50_ms"], MOST_MS, at_most=True),
    ]


# Claude as the judge of the rest, simulated


def claude_figures(found: Sequence[Judged], *, on: date) -> dict[str, dict[str, Any]]:
    """The cascade with a Claude that is always right, and with one that is not, through the rubric's own protocol."""
    book = PriceBook.load(find_claude_manifest(find_models_dir(Settings())))
    model = cheapest_model(book, on)
    return {
        f"with {name} Claude judge ({model})": with_claude(found, ScriptedClaude(book, model, on=on, noise=noise))
        for name, noise in (("a perfect", 0.0), ("a noisy", NOISE))
    }


def cheapest_model(book: PriceBook, on: date) -> str:
    """The active model open to all that costs least for a thousand tokens in and a hundred out."""
    usage = Usage(input_tokens=1000, output_tokens=100)
    priced = {
        model.id: cost
        for model in book.models
        if model.lifecycle is Lifecycle.ACTIVE and not model.limited
        if (cost := book.cost_usd(model.id, usage, on=on)) is not None
    }
    return min(priced, key=lambda name: (priced[name], name))


class ScriptedClaude:
    """Answers the rubric as one who knows the truth, but for some noise; counts calls and cost."""

    def __init__(self, book: PriceBook, model: str, *, on: date, noise: float) -> None:
        self.model = model
        self.calls, self.cost_usd, self.batch_cost_usd = 0, 0.0, 0.0
        self._book, self._on, self._noise = book, on, noise
        self._chance = random.Random(SEED)

    def answer(self, request: Request, *, is_same: bool) -> Message:
        """To one question of the rubric's protocol."""
        says_same = is_same != (self._chance.random() < self._noise)
        text = json.dumps(dict.fromkeys(CRITERIA, True) | ({} if says_same else {"right_context": False}))
        known = self._book.model(self.model)
        factor = known.tokenizer_factor if known is not None else 1.0
        usage = Usage(
            input_tokens=math.ceil(estimate_tokens(json.dumps(request.body, ensure_ascii=False)) * factor),
            output_tokens=math.ceil(estimate_tokens(text) * factor),
        )
        self.calls += 1
        self.cost_usd += float(self._book.cost_usd(self.model, usage, on=self._on) or 0)
        self.batch_cost_usd += float(self._book.cost_usd(self.model, usage, on=self._on, batch=True) or 0)
        return text_message(text, model=self.model, message_id="msg_scripted", usage={})


def with_claude(found: Sequence[Judged], claude: ScriptedClaude) -> dict[str, Any]:
    sent = [one for one in found if isinstance(one.sameness, Uncertain)]
    settled = [one if not isinstance(one.sameness, Uncertain) else _asked(one, claude) for one in found]
    per_thousand = 1000 / max(1, len(found))
    return {
        **quality(settled),
        "sent_to_claude": len(sent),
        "calls": claude.calls,
        "usd_per_1000_pairs": _rounded(claude.cost_usd * per_thousand),
        "usd_per_1000_pairs_in_batches": _rounded(claude.batch_cost_usd * per_thousand),
        "usd_per_pair_sent": _rounded(claude.cost_usd / max(1, len(sent)), 6),
    }


def _asked(one: Judged, claude: ScriptedClaude) -> Judged:
    judging = judged(_Said(one.sameness), one.pair.pairing, claude_model=claude.model)
    try:
        call = next(judging)
        while True:
            call = judging.send(claude.answer(call.request, is_same=one.pair.same))
    except StopIteration as stop:
        return replace(one, sameness=stop.value)


@dataclass(frozen=True)
class _Said:
    """A judge whose verdict is known already."""

    sameness: Sameness

    def compare(self, pairing: Pairing) -> Sameness:
        return self.sameness


def _rounded(value: float, digits: int = 3) -> float:
    return round(value, digits)


if __name__ == "__main__":
    sys.exit(main())
