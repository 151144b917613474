"""What tidying leaves out of ten sample system prompts, and what the examination of shorter versions finds.

The proposals are simulated: for each sample a shorter version was written by hand, and a bad one that lacks one of its
instructions; the simulated Claude proposes both. His answers are written by hand too; he says now this courtesy and now
that, and to some requests something else where the instruction is missing. So this measures the examination (are bad
versions refused, good ones let through, by which check), never how well a real model shortens. The checklist was tuned
on these samples and on their sentences left out one at a time: its figures are in-sample, and flatter it.

    python benchmarks/prompt_optimisation.py
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from reporting import Bar, print_report, report

from semcache.client import SemanticCache
from semcache.decision.sameness.local import LocalJudge
from semcache.exchange import Call
from semcache.learning.comparing import Comparing
from semcache.learning.quality import wilson
from semcache.message import Message
from semcache.optimizing.asking import Asking
from semcache.optimizing.checklist import instructions_in, lost_in
from semcache.optimizing.examining import Examination, Prompt, Workshop
from semcache.optimizing.protected import missing_in
from semcache.optimizing.trying import Tried, original_answers, try_version
from semcache.pricing import PriceBook, estimate_tokens, find_claude_manifest
from semcache.request import Json, Request
from semcache.settings import Settings
from semcache.strategies.compression.sentences import Form, sentences_of
from semcache.strategies.consent import Consent
from semcache.strategies.tidying import STRATEGY as TIDYING
from semcache.strategies.tidying import Tidying
from semcache.upstream.simulator import Simulator

SAMPLES = Path(__file__).with_name("system_prompts")
MODEL = "claude-sonnet-5-5"
BOOK = PriceBook.load(find_claude_manifest(None))
_QUICK_SAMPLES = 3
COURTESIES = ("", " I hope this helps!", " Let me know if you have any other questions.")


@dataclass(frozen=True)
class Sample:
    """One prompt with its two versions, and requests with the answers that are right."""

    name: str
    original: str
    shorter: str
    dropped: str
    rows: tuple[Json, ...]

    @property
    def bad(self) -> str:
        return self.shorter.replace(self.dropped, "", 1).strip()

    @property
    def bodies(self) -> tuple[Json, ...]:
        return tuple(
            {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": row["prompt"]}]}
            for row in self.rows
        )


def samples(most: int | None = None) -> list[Sample]:
    """All, or the first. Raises `AssertionError` where a bad version would be as good."""
    found = []
    for name, dropped in tomllib.loads((SAMPLES / "dropped.toml").read_text("utf-8")).items():
        original, shorter = ((SAMPLES / f"{name}{end}.md").read_text("utf-8").strip() for end in ("", ".shorter"))
        rows = [json.loads(line) for line in (SAMPLES / f"{name}.jsonl").read_text("utf-8").splitlines()]
        found.append(Sample(name, original, shorter, dropped, tuple(rows)))
        assert dropped in shorter, name
        assert any("without" in row for row in rows), name
    return found[:most]


class Pretence:
    """What the simulated Claude says about one sample, as a proposer and as the model that the prompt is for."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._answers = {row["prompt"]: row for row in sample.rows}
        self._courtesies = cycle(COURTESIES)

    def __call__(self, body: Json) -> str:
        asked = body["messages"][-1]["content"]
        if "output_config" in body:
            return json.dumps({"versions": [self._sample.shorter, self._sample.bad]})
        row = self._answers[asked]
        lacks = body["system"].strip() == self._sample.bad
        said = row["without"] if lacks and "without" in row else row["answer"]
        return said if said.startswith("{") or ";" in said.split()[0] else f"{said}{next(self._courtesies)}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    figures: dict[str, dict[str, Any]] = {}
    for sample in samples(_QUICK_SAMPLES if options.quick else None):
        figures[sample.name] = {**_tidied(sample), **_examined(sample, options.embedder), **_recall(sample)}
    count = len(figures)
    figures["all"] = _total(list(figures.values()))
    settings = {"embedder": options.embedder, "model": MODEL, "proposals": "simulated, written by hand"}
    bars = bars_of(figures["all"], samples=count)
    print_report(report("prompt_optimisation", figures, bars, settings=settings), as_json=options.json)
    return 0


def _tidied(sample: Sample) -> dict[str, Any]:
    body = {"model": MODEL, "max_tokens": 100, "system": sample.original, "messages": []}
    sent = Tidying(Consent((TIDYING,), {}), BOOK).tidied(Request(body)).body["system"]
    before, after = estimate_tokens(sample.original), estimate_tokens(sent)
    return {"tokens": before, "tidying saves": before - after}


def _examined(sample: Sample, embedder: str) -> dict[str, Any]:
    """The pipeline as the command runs it; then both versions tried, the refused one too."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store="memory:", embedder=embedder, data_dir=Path(folder), audits=False)
        with SemanticCache(settings, upstream=Simulator(BOOK, answers=Pretence(sample))) as cache:
            workshop = _workshop(cache)
            prompt = Prompt(sample.original, sample.bodies)
            examination = workshop.examined(prompt)
            spent = float(cache.parts.assembly.ledger.overhead[0])
            answers = original_answers(prompt.requests, prompt.text, workshop.asking)
            shorter, bad = (
                try_version(answers, text, prompt.text, asking=workshop.asking, comparing=workshop.comparing)
                for text in (sample.shorter, sample.bad)
            )
    return {**_verdicts(sample, examination), **_agreements(shorter, bad), "examination, $": round(spent, 4)}


def _verdicts(sample: Sample, examination: Examination) -> dict[str, Any]:
    found = {version.text: version for version in examination.versions}
    before, after = estimate_tokens(sample.original), estimate_tokens(sample.shorter)
    return {
        "shorter saves": before - after,
        "shorter saves, %": round(100 * (1 - after / before), 1),
        "instructions": len(instructions_in(sample.original)),
        "shorter accepted": not found[sample.shorter].objections,
        "bad refused": bool(found[sample.bad].objections),
        "bad: lost instructions": len(found[sample.bad].lost),
        "bad: lacks to the letter": sum(map(len, found[sample.bad].lacks.values())),
    }


def _agreements(shorter: Tried, bad: Tried) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, agreement in (("control", shorter.control), ("shorter", shorter.version), ("bad", bad.version)):
        row[f"{name}: same"] = agreement.same
        row[f"{name}: decided"] = agreement.decided
        row[f"{name}: undecided"] = agreement.undecided
    row["bad: caught by its answers"] = not bad.is_as_good
    return row


def _recall(sample: Sample) -> dict[str, Any]:
    """Of the sentences of the shorter version, each left out by itself: how many are missed."""
    tried = seen = by_list = 0
    before = len(lost_in(sample.shorter, sample.original))
    for sentence in sentences_of(sample.shorter):
        if sentence.form is not Form.PROSE or len(sentence.text.split()) < 4:
            continue
        version = sample.shorter.replace(sentence.text, "", 1)
        is_listed = len(lost_in(version, sample.original)) > before
        tried, by_list = tried + 1, by_list + is_listed
        seen += is_listed or bool(missing_in(version, sample.original))
    return {"sentences left out": tried, "noticed": seen, "noticed by the checklist": by_list}


def _workshop(cache: SemanticCache) -> Workshop:
    assembly = cache.parts.assembly

    def send(call: Call) -> Message:
        with cache.portal.enter(cache.flights.carry(call)) as message:
            return message

    model = BOOK.model(MODEL)
    assert model is not None
    comparing = Comparing(LocalJudge(assembly.embedder.embed), assembly.ledger, claude_model=None)
    asking = Asking(send, assembly.ledger, cache.parts.request(""))
    return Workshop(asking, comparing, model, model, versions=2)


def _total(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {name: sum(row[name] for row in rows) for name in rows[0]}
    total["shorter saves, %"] = round(100 * total["shorter saves"] / total["tokens"], 1)
    total["tidying saves, %"] = round(100 * total["tidying saves"] / total["tokens"], 1)
    total["noticed, %"] = round(100 * total["noticed"] / total["sentences left out"], 1)
    for name in ("control", "shorter", "bad"):
        if total[f"{name}: decided"]:
            low, high = wilson(total[f"{name}: same"], total[f"{name}: decided"])
            total[f"{name}: agreement, %"] = round(100 * total[f"{name}: same"] / total[f"{name}: decided"], 1)
            total[f"{name}: interval, %"] = [round(100 * low, 1), round(100 * high, 1)]
    return total


def bars_of(total: dict[str, Any], *, samples: int) -> list[Bar]:
    given_away = total["bad: caught by its answers"]
    return [
        Bar(f"bad versions refused, of {samples}", total["bad refused"], samples, False),
        Bar(f"shorter versions accepted, of {samples}", total["shorter accepted"], samples, False),
        Bar(f"bad versions that their answers alone give away, of {samples}", given_away, samples, False),
        Bar("tokens saved by the shorter versions, %", total["shorter saves, %"], 25.0, False),
        Bar("sentences left out that are noticed, %", total["noticed, %"], 85.0, False),
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--embedder", default="all-MiniLM-L6-v2", help="what the judge of sameness reads with")
    parser.add_argument("--quick", action="store_true", help="under a minute: the first three samples")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
