"""Answers by whose length budgets are measured: two recorded kinds, and a long one of our own making."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workloads import MissingData

FAQ, TURNS, LONG = "FAQ answers (DSTC9)", "assistant's turns (SGD)", "long answers (lognormal)"
KINDS = {FAQ: 256, TURNS: 128, LONG: 1_024}
"""Each with what a table by task would allow it."""
_MEDIAN_TOKENS, _SIGMA, _LONGEST_TOKENS = 300, 0.8, 4_000


@dataclass(frozen=True)
class Entry:
    """One entry of the FAQ: whose it is, its question and its answer."""

    entity: str
    title: str
    answer: str


def answers_of(kind: str, data: Path | None, *, count: int) -> list[str]:
    """So many answers of a kind, always the same. Raises `MissingData`."""
    if kind == LONG:
        return _long(count)
    found = [entry.answer for entry in faq_entries(data)] if kind == FAQ else _turns(data)
    return random.Random(0).sample(found, min(count, len(found)))


def faq_entries(data: Path | None) -> list[Entry]:
    """In the order of the file. Raises `MissingData`."""
    rows = _rows(data, "dstc9_faq", "faq_entries_dev.jsonl.gz")
    return [Entry(str(row.get("entity") or row.get("domain")), str(row["title"]), str(row["answer"])) for row in rows]


def _turns(data: Path | None) -> list[str]:
    dialogues = _rows(data, "sgd_sample", "raw/dev_200_longest.jsonl.gz")
    turns = (turn for dialogue in dialogues for turn in dialogue["turns"])
    return [str(turn["utterance"]) for turn in turns if turn["speaker"] == "SYSTEM"]


def _long(count: int) -> list[str]:
    chance = random.Random(0)
    sizes = (min(_LONGEST_TOKENS, round(_MEDIAN_TOKENS * chance.lognormvariate(0, _SIGMA))) for _ in range(count))
    return ["word " * max(1, size) for size in sizes]


def _rows(data: Path | None, name: str, file: str) -> list[dict[str, Any]]:
    path = None if data is None else data / name / file
    if path is None or not path.is_file():
        raise MissingData(f"{name}: say where the datasets are with --data DIR or SEMCACHE_DATA")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
