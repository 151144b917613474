"""Datasets as workloads: texts with classes, and judges of which stored answer is right for which question."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slot_values import SlotValues
from streams import natural_stream, zipf_stream
from truth import Judge, Row, Verdict, Workload, same_class

__all__ = [  # what a script needs to measure a data set
    "Judge",
    "MissingData",
    "Row",
    "Verdict",
    "Workload",
    "joined",
    "load_workload",
    "natural_stream",
    "same_class",
    "zipf_stream",
]
MANIFEST = Path(__file__).with_name("datasets.toml")


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
    return Workload(path.name, _distinct(rows), same_class, same_class)


def joined(name: str, *workloads: Workload) -> Workload:
    """Several workloads as one, each with classes of its own; judged strictly, by class."""
    rows = (replace(row, class_id=f"{each.name}/{row.class_id}") for each in workloads for row in each.rows)
    return Workload(name, _distinct(list(rows)), same_class, same_class)


def _banking77(data: Path) -> Workload:
    rows = [Row(row["text"], row["class_id"]) for row in _stream(data, "banking77", "stream")]
    listed = json.loads(_file(data, "banking77", "confusable").read_text("utf-8"))["pairs"]
    confusable = {frozenset(pair["intents"]) for pair in listed}

    def judge(asked: Row, stored: Row) -> Verdict:
        if frozenset((asked.class_id, stored.class_id)) in confusable:
            return Verdict.UNJUDGED
        return same_class(asked, stored)

    return Workload("banking77", _distinct(rows), judge, same_class)


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


def _clinc150_all(data: Path) -> Workload:
    """Every intent as a class with one answer, for comparison with what others measure; out of scope stays apart."""
    rows = [
        Row(row["text"], f"oos/{row['id']}" if row["class_id"] == "oos" else row["class_id"], kind=row["answer_kind"])
        for row in _stream(data, "clinc150", "stream")
    ]
    return Workload("clinc150-all", _distinct(rows), same_class, same_class)


def _quora(data: Path) -> Workload:
    rows = [Row(row["text"], row["class_id"]) for row in _stream(data, "quora", "stream")]
    pairs = _stream(data, "quora", "pairs")
    different = {frozenset((pair["a"], pair["b"])) for pair in pairs if pair["label"] == 0}

    def judge(asked: Row, stored: Row) -> Verdict:
        if asked.class_id == stored.class_id:
            return Verdict.RIGHT
        return Verdict.WRONG if frozenset((asked.text, stored.text)) in different else Verdict.UNJUDGED

    return Workload("quora", _distinct(rows), judge, judge)


def quora_pairs(data: Path) -> list[tuple[str, str, bool]]:
    """Pairs of questions that people compared, and whether they called them duplicates."""
    return [(pair["a"], pair["b"], pair["label"] == 1) for pair in _stream(data, "quora", "pairs")]


_LOADERS: dict[str, Callable[[Path], Workload]] = {
    "banking77": _banking77,
    "clinc150": _clinc150,
    "clinc150-all": _clinc150_all,
    "quora": _quora,
}


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
    path: Path = data / described["path"]
    if not path.is_file():
        raise MissingData(f"{path} is missing; {_home(dataset)}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != described["sha256"]:
        raise MissingData(f"{path} is not the file the manifest describes; {_home(dataset)}")
    return path


def _home(dataset: str) -> str:
    described = tomllib.loads(MANIFEST.read_text("utf-8"))[dataset.removesuffix("-all")]
    return f"public home: {described['home']} ({described['licence']})"


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            yield from csv.DictReader(file)
        else:
            yield from (json.loads(line) for line in file if line.strip())
