"""The project's own never-merge traps: a question, two paraphrases, and a near-twin that wants another answer."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from scoring import percent
from truth import Row, Workload, same_class

NEVER_MERGE = Path(__file__).with_name("never_merge")


class Role(Enum):
    """What a text is in its group."""

    QUESTION = "question"
    PARAPHRASE = "paraphrase"
    TRAP = "trap"


@dataclass(frozen=True)
class Group:
    """One row of the files: the trap is a class of its own, named after the group's with a t behind."""

    family: str
    question: Row
    paraphrases: tuple[Row, ...]
    trap: Row

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.question, *self.paraphrases, self.trap


def read_groups(folder: Path = NEVER_MERGE) -> list[Group]:
    """Every group of the folder's files, numbered in the order of their names and lines."""
    lines = (line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines())
    return [_group(number, json.loads(line)) for number, line in enumerate(filter(str.strip, lines), start=1)]


def traps_workload(groups: Iterable[Group]) -> Workload:
    return Workload("never-merge", tuple(row for group in groups for row in group.rows), same_class, same_class)


def traps_stream(groups: Iterable[Group], *, seed: int) -> list[Row]:
    """Shuffled, except that each question is asked before its paraphrases and its trap."""
    chance = random.Random(seed)
    waiting: dict[str, list[Row]] = {}
    for group in groups:
        rows = [*group.paraphrases, group.trap]
        chance.shuffle(rows)
        waiting[group.question.class_id] = [*rows, group.question]  # taken from the end
    turns = [name for name, rows in waiting.items() for _ in rows]
    chance.shuffle(turns)
    return [waiting[name].pop() for name in turns]


@dataclass
class TrapRecord:
    """What was served to which text of the traps' stream, by family, and the second half of the stream apart."""

    requests: int  # of the whole stream

    def __post_init__(self) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._booked = 0

    def book(self, asked: Row, served: Row | None) -> None:
        family, role = asked.kind.split("/")
        is_warm = self._booked >= self.requests // 2
        self._booked += 1
        named = [role, *([f"{role}, warm"] if is_warm else [])]
        if served is not None:
            named += [f"{name} {_kind_of_hit(asked, served)}" for name in named]
        for key in (family, "all"):
            self._counts[key].update(named)

    def __add__(self, other: TrapRecord) -> TrapRecord:
        total = TrapRecord(self.requests + other.requests)
        for record in (self, other):
            for family, counts in record._counts.items():
                total._counts[family].update(counts)
        return total

    def figures(self) -> dict[str, dict[str, Any]]:
        """By family and for all. A false hit is any answer of another class; a confusion one of the group's other."""
        return {family: _figures(counts) for family, counts in sorted(self._counts.items())}


def _figures(counts: Counter[str]) -> dict[str, Any]:
    roles = [role.value for role in Role]
    requests = sum(counts[role] for role in roles)
    confused, strange = (sum(counts[f"{role} {kind}"] for role in roles) for kind in ("confused", "strange"))
    return {
        "requests": requests,
        "traps": counts["trap"],
        "false_hits": confused + strange,
        "false_hit_rate_of_requests": percent(confused + strange, requests),
        "traps_served_rate": percent(counts["trap confused"] + counts["trap strange"], counts["trap"]),
        "confusions": confused,
        "paraphrases": counts["paraphrase"],
        "paraphrases_accepted_rate": percent(counts["paraphrase right"], counts["paraphrase"]),
        "paraphrases_accepted_rate_warm": percent(counts["paraphrase, warm right"], counts["paraphrase, warm"]),
    }


def _kind_of_hit(asked: Row, served: Row) -> str:
    if asked.class_id == served.class_id:
        return "right"
    return "confused" if asked.class_id.rstrip("t") == served.class_id.rstrip("t") else "strange"


def _group(number: int, read: dict[str, Any]) -> Group:
    family = read["family"]

    def row(text: str, answer: str, role: Role) -> Row:
        class_id = f"{number}t" if role is Role.TRAP else str(number)
        return Row(text, class_id, kind=f"{family}/{role.value}", answer=answer)

    return Group(
        family,
        row(read["question"], read["answer"], Role.QUESTION),
        tuple(row(text, read["paraphrase_answer"], Role.PARAPHRASE) for text in read["paraphrases"]),
        row(read["trap"], read["trap_answer"], Role.TRAP),
    )
