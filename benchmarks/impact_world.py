"""What the benchmark of all strategies runs in: traffic, questions with written answers, and the prices of an era."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from impact_prompts import prompts
from impact_workload import VARIANTS, Question, application, kind_of
from reporting import ROOT
from workloads import load_workload

from semcache import Settings
from semcache.opening import find_models_dir
from semcache.traffic.recorded import Recorded

TODAY, TABLE = ERAS = ("prices of today", "prices of the table")
PER_HOUR = {TODAY: 2_400, TABLE: 630}  # requests for the base bill: see impact_workload
FAQ_SHARE = 0.5  # of the help desk's questions, the most asked first, somebody has written an answer to
# Input, output; the prompt cache costs 1.25, 2 and .1 of the input. Dollars for a million tokens, as in that table.
_TABLE_PRICES = {"claude-opus-5-5": (15, 75), "claude-sonnet-5-5": (3, 15), "claude-haiku-5-5": (1, 5)}


class Place(NamedTuple):
    """Which world: so many requests of a variant of the application, at the prices of an era."""

    era: str
    requests: int
    seed: int = 0
    variant: str = "as described"


@dataclass(frozen=True)
class World:
    """What is the same in all runs."""

    traffic: Sequence[Recorded]
    models_dir: Path
    faq: Path


def read_questions(data: Path | None) -> list[Question]:
    if data is None:
        return _sample_questions()
    by_class: dict[str, list[str]] = {}
    for row in load_workload("banking77", data).rows:
        by_class.setdefault(row.class_id, []).append(row.text)
    return [Question(truth, tuple(texts)) for truth, texts in sorted(by_class.items())]


def _sample_questions() -> list[Question]:
    samples = ROOT / "semcache" / "samples"
    by_entry: dict[str, list[str]] = {}
    for line in (samples / "questions.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] in ("exact", "paraphrase", "paraphrase-loose"):
            by_entry.setdefault(row["entry"], []).append(row["question"])
    return [Question(truth, tuple(texts)) for truth, texts in sorted(by_entry.items())]


@contextmanager
def open_world(questions: Sequence[Question], place: Place) -> Iterator[World]:
    """About so many requests at the prices of an era."""
    traffic = application(
        place.requests,
        questions,
        prompts(),
        mix=VARIANTS[place.variant],
        per_hour=PER_HOUR[place.era],
        seed=place.seed,
    )
    answers: dict[str, str] = {}
    asked: dict[str, int] = {}
    for each in traffic:
        if kind_of(each) == "faq" and each.truth is not None and each.response is not None:
            answers[each.truth] = each.response.text
            asked[each.truth] = asked.get(each.truth, 0) + 1
    with tempfile.TemporaryDirectory() as folder:
        models_dir, faq = Path(folder) / "models", Path(folder) / "faq.jsonl"
        _models(models_dir, place.era)
        wordings = {question.truth: question.wordings for question in questions}
        known = sorted((truth for truth in asked if truth in wordings), key=lambda truth: -asked[truth])
        popular = known[: round(FAQ_SHARE * len(questions))]
        rows = [{"question": wordings[truth][0], "answer": answers[truth]} for truth in popular]
        faq.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        yield World(traffic, models_dir, faq)


def _models(folder: Path, era: str) -> None:
    """A models folder with the prices of an era."""
    source = find_models_dir(Settings()) or ROOT / "models"
    folder.mkdir()
    for path in source.iterdir():
        if path.is_dir():
            (folder / path.name).symlink_to(path.resolve())
        elif path.suffix == ".toml":
            shutil.copy(path, folder / path.name)
    if era == TABLE:
        manifest = folder / "claude.toml"
        manifest.write_text(_at_table_prices(manifest.read_text("utf-8")), "utf-8")


def _at_table_prices(text: str) -> str:
    """The manifest with the three models at the table's prices; other models keep theirs."""
    parts = text.split("[[models]]\n")
    for place, part in enumerate(parts):
        for model, (paid_in, paid_out) in _TABLE_PRICES.items():
            if part.startswith(f'id = "{model}"\n'):
                parts[place] = _repriced(part, paid_in, paid_out)
    return "[[models]]\n".join(parts)


def _repriced(part: str, paid_in: float, paid_out: float) -> str:
    kept, inside = [], False
    for line in part.splitlines(keepends=True):
        if line.startswith("prices = "):
            inside = not line.rstrip().endswith("]")
            kept.append(
                f"prices = [{{ input = {paid_in}, output = {paid_out}, cache_write_5m = {paid_in * 1.25}, "
                f"cache_write_1h = {paid_in * 2}, cache_read = {paid_in / 10} }}]\n"
            )
        elif inside:
            inside = line.strip() != "]"
        elif not line.startswith(("long_prompt = ", "fast = ")):
            kept.append(line)
    return "".join(kept)
