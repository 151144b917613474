"""Datasets as workloads: texts with classes, a judge of answers, and streams drawn with Zipf popularity."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from slot_values import SlotValues

MANIFEST = Path(__file__).with_name("datasets.toml")


class Verdict(Enum):
    """Whether the stored answer was right for the question asked."""

    RIGHT = "right"
    WRONG = "wrong"
    UNJUDGED = "unjudged"


@dataclass(frozen=True)
class Row:
    """One text. `is_shared`: one answer serves every wording of its class; else it is a trap of its own."""

    text: str
    class_id: str
    is_shared: bool = True
    kind: str = ""


Judge = Callable[[Row, Row], Verdict]


@dataclass(frozen=True)
class Workload:
    """Rows with distinct texts, and two judges: one leaves ambiguous pairs unjudged, the other does not."""

    name: str
    rows: tuple[Row, ...]
    judge: Judge
    strict_judge: Judge


class MissingData(Exception):
    """The data is not where it was looked for; the message says where to get it."""


def load_workload(name: str, data: Path | None) -> Workload:
    """A named dataset below `data`, or a CSV or JSONL file with the columns text and class."""
    if name in _LOADERS:
        if data is None:
            raise MissingData(f"{name}: say where the datasets are with --data DIR or SEMCACHE_DATA; {_home(name)}")
        return _LOADERS[name](data)
    path = Path(name)
    if not path.is_file():
        raise MissingData(f"{name}: neither one of {', '.join(sorted(_LOADERS))} nor a file")
    rows = [Row(str(row["text"]), str(row.get("class_id") or row["class"])) for row in _read_rows(path)]
    return Workload(path.name, _distinct(rows), _same_class, _same_class)


def zipf_stream(rows: Sequence[Row], *, requests: int, exponent: float, seed: int) -> list[Row]:
    """Classes drawn with weight 1/rank**exponent in an order of the seed's choosing, texts uniformly."""
    chance = random.Random(seed)
    by_class: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_class[row.class_id].append(row)
    classes = sorted(by_class)
    chance.shuffle(classes)
    weights = [1.0 / rank**exponent for rank in range(1, len(classes) + 1)]
    return [chance.choice(by_class[drawn]) for drawn in chance.choices(classes, weights, k=requests)]


def natural_stream(rows: Sequence[Row], *, requests: int, seed: int) -> list[Row]:
    """Every text once, in an order of the seed's choosing: a stream without repeats."""
    return random.Random(seed).sample(list(rows), k=min(requests, len(rows)))


def _same_class(asked: Row, stored: Row) -> Verdict:
    return Verdict.RIGHT if asked.class_id == stored.class_id else Verdict.WRONG


def _banking77(data: Path) -> Workload:
    rows = [Row(row["text"], row["class_id"]) for row in _stream(data, "banking77", "stream")]
    listed = json.loads(_file(data, "banking77", "confusable").read_text("utf-8"))["pairs"]
    confusable = {frozenset(pair["intents"]) for pair in listed}

    def judge(asked: Row, stored: Row) -> Verdict:
        if frozenset((asked.class_id, stored.class_id)) in confusable:
            return Verdict.UNJUDGED
        return _same_class(asked, stored)

    return Workload("banking77", _distinct(rows), judge, _same_class)


def _clinc150(data: Path) -> Workload:
    """Only static intents share an answer. The rest are traps; see datasets.toml for what stays unjudged."""
    rows = [
        Row(row["text"], row["class_id"], row["answer_kind"] == "static", row["answer_kind"])
        for row in _stream(data, "clinc150", "stream")
    ]

    def strict(asked: Row, stored: Row) -> Verdict:
        is_right = asked.class_id == stored.class_id and asked.is_shared
        return Verdict.RIGHT if is_right or asked.text == stored.text else Verdict.WRONG

    values = SlotValues((row.class_id, row.text) for row in rows)

    def judge(asked: Row, stored: Row) -> Verdict:
        verdict = strict(asked, stored)
        if verdict is Verdict.WRONG and asked.class_id == stored.class_id and asked.kind != "oos":
            is_other_value = asked.kind == "slot" and values.differ(asked.class_id, asked.text, stored.text)
            return Verdict.WRONG if is_other_value else Verdict.UNJUDGED
        return verdict

    return Workload("clinc150", _distinct(rows), judge, strict)


def _quora(data: Path) -> Workload:
    rows = [Row(row["text"], row["class_id"]) for row in _stream(data, "quora", "stream")]
    pairs = _stream(data, "quora", "pairs")
    different = {frozenset((pair["a"], pair["b"])) for pair in pairs if pair["label"] == 0}

    def judge(asked: Row, stored: Row) -> Verdict:
        if asked.class_id == stored.class_id:
            return Verdict.RIGHT
        return Verdict.WRONG if frozenset((asked.text, stored.text)) in different else Verdict.UNJUDGED

    return Workload("quora", _distinct(rows), judge, judge)


_LOADERS: dict[str, Callable[[Path], Workload]] = {"banking77": _banking77, "clinc150": _clinc150, "quora": _quora}


def _distinct(rows: Sequence[Row]) -> tuple[Row, ...]:
    """One row for each text; a text with two labels keeps the first."""
    return tuple({row.text: row for row in reversed(rows)}.values())[::-1]


def _stream(data: Path, dataset: str, file: str) -> Iterator[dict[str, Any]]:
    with gzip.open(_file(data, dataset, file), "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _file(data: Path, dataset: str, name: str) -> Path:
    """A file of a dataset, its checksum compared with the manifest's."""
    described = tomllib.loads(MANIFEST.read_text("utf-8"))[dataset]["files"][name]
    path = data / described["path"]
    if not path.is_file():
        raise MissingData(f"{path} is missing; {_home(dataset)}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != described["sha256"]:
        raise MissingData(f"{path} is not the file the manifest describes; {_home(dataset)}")
    return path


def _home(dataset: str) -> str:
    described = tomllib.loads(MANIFEST.read_text("utf-8"))[dataset]
    return f"public home: {described['home']} ({described['licence']})"


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            yield from csv.DictReader(file)
        else:
            yield from (json.loads(line) for line in file if line.strip())
