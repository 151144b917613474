"""Pairs of answers of which it is known whether they are the same, in a development and a held-out half."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traps import NEVER_MERGE, Group, read_groups

from semcache.decision.sameness.outcomes import Pairing
from semcache.message import Message, text_message

ANSWER_PAIRS = Path(__file__).with_name("answer_pairs")


@dataclass(frozen=True)
class Pair:
    """Two answers, each with its question."""

    source: str
    family: str
    pairing: Pairing
    same: bool


def development(pairs: Path = ANSWER_PAIRS, traps: Path = NEVER_MERGE) -> list[Pair]:
    """What may be looked at and fitted to."""
    return [*_written(pairs, first=0), *_of_groups(read_groups(traps)[::2])]


def held_out(pairs: Path = ANSWER_PAIRS, traps: Path = NEVER_MERGE) -> list[Pair]:
    """What figures are published of."""
    return [*_written(pairs, first=1), *_of_groups(read_groups(traps)[1::2])]


def _written(folder: Path, *, first: int) -> list[Pair]:
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    return [_pair(json.loads(line)) for line in lines[first::2]]


def _pair(row: dict[str, Any]) -> Pair:
    pairing = Pairing(row["question_a"], _said(row["answer_a"]), row["question_b"], _said(row["answer_b"]))
    return Pair("answer_pairs", row["family"], pairing, row["same"])


def _of_groups(groups: Iterable[Group]) -> list[Pair]:
    """Of each group the question's answer beside that to a paraphrase and beside that to the trap."""
    pairs = []
    for number, group in enumerate(groups):
        question = group.question
        for other in (group.paraphrases[number % 2], group.trap):
            pairing = Pairing(other.text, _said(other.answer or ""), question.text, _said(question.answer or ""))
            pairs.append(Pair("never_merge", group.family, pairing, other is not group.trap))
    return pairs


def _said(text: str) -> Message:
    return text_message(text, model="", message_id="", usage={})
