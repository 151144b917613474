"""Texts with classes, and judges of whether a stored answer is right for the question asked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """Whether the stored answer was right for the question asked."""

    RIGHT = "right"
    WRONG = "wrong"
    UNJUDGED = "unjudged"


@dataclass(frozen=True)
class Row:
    """One text, and what it should be answered by at the time it is asked.

    `is_shared`: one answer serves every wording of its class; else it is a trap of its own. Where the truth changes
    half way through a stream, the same text comes in two rows: a stored row keeps the class it was answered with.
    """

    text: str
    class_id: str
    is_shared: bool = True
    kind: str = ""
    answer: str = ""

    @property
    def reply(self) -> str:
        """What Claude would say: equal for two rows exactly when one answer serves both, or the data gives its own."""
        if self.answer:
            return self.answer
        if self.is_shared:
            return f"This is the answer of class {self.class_id}."
        return f"This is the answer of class {self.class_id} to: {self.text}"


Judge = Callable[[Row, Row], Verdict]  # of the row asked and the row whose answer is stored


@dataclass(frozen=True)
class Workload:
    """Rows with distinct texts, and two judges: one leaves ambiguous pairs unjudged, the other does not."""

    name: str
    rows: tuple[Row, ...]
    judge: Judge
    strict_judge: Judge


def same_class(asked: Row, stored: Row) -> Verdict:
    return Verdict.RIGHT if asked.class_id == stored.class_id else Verdict.WRONG


def noisy(judge: Judge, share: float, chance: random.Random) -> Judge:
    """The labels that a fallible judge hands to a learner: right and wrong exchanged in a share of the cases."""

    def flipped(asked: Row, stored: Row) -> Verdict:
        verdict = judge(asked, stored)
        if verdict is Verdict.UNJUDGED or chance.random() >= share:
            return verdict
        return Verdict.WRONG if verdict is Verdict.RIGHT else Verdict.RIGHT

    return flipped
