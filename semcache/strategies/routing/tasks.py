"""Which kind of work a request is, from its words alone."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_ASKED = 3  # what an instruction counts, against 1 for each word that goes with the task
_ENOUGH = 2
_AHEAD = 1  # of the next likeliest: what could be either is neither
_HEAD_CHARACTERS, _TAIL_CHARACTERS, _SYSTEM_CHARACTERS = 1_200, 600, 2_000  # an instruction stands at an end
_LEAD_IN = (
    r"(?:^|[.?!:;\n]\s*|\b(?:please|then|and|(?:can|could|would) you|i (?:want|need) you to|your task is to|help me"
    r"(?: to)?)\s+)"
)


@dataclass(frozen=True, slots=True)
class _Words:
    task: str
    asked: re.Pattern[str]
    told: tuple[re.Pattern[str], ...]

    def weight(self, question: str, around: str) -> int:
        said = sum(pattern.search(question) is not None or pattern.search(around) is not None for pattern in self.told)
        instructed = self.asked.search(question) is not None or self.asked.search(around) is not None
        return said + (_ASKED if instructed else 0)


def inferred_task(question: str, *, system: str = "") -> str | None:
    """One of the six tasks; None where the words speak for none, or for several."""
    asked, around = _ends(question).casefold(), system[:_SYSTEM_CHARACTERS].casefold()
    weights = sorted(((words.weight(asked, around), words.task) for words in _lexicon()), reverse=True)
    (most, task), (next_most, _) = weights[0], weights[1]
    return task if most >= _ENOUGH and most - next_most >= _AHEAD else None


def _ends(text: str) -> str:
    if len(text) <= _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        return text
    return f"{text[:_HEAD_CHARACTERS]}\n{text[-_TAIL_CHARACTERS:]}"


@cache
def _lexicon() -> tuple[_Words, ...]:
    data = tomllib.loads(files("semcache.strategies.routing").joinpath("tasks.toml").read_text("utf-8"))
    return tuple(
        _Words(
            task,
            re.compile(rf"{_LEAD_IN}(?:{'|'.join(words['asked'])})\b"),
            tuple(re.compile(pattern) for pattern in words["told"]),
        )
        for task, words in data.items()
    )
