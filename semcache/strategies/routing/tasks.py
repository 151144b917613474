"""Which kind of work a request is, from its words alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_ASKED = 3  # what an instruction counts, against 1 for each word or phrase that goes with the task
_ENOUGH = 2
_AHEAD = 1  # of the next likeliest: what could be either is neither
_HEAD_CHARACTERS, _TAIL_CHARACTERS, _SYSTEM_CHARACTERS = 1_200, 600, 2_000  # an instruction stands at an end
_WORD = re.compile(r"[^\W\d_]+")
_BEGINNING = re.compile(
    r"(?:^|[.?!:;\n])\s*(?:please\s+|(?:can|could|would) you\s+(?:please\s+)?)?|"
    r"\b(?:please|then|and|i (?:want|need) you to|your task is to|help me(?: to)?)\s+"
)


@dataclass(frozen=True, slots=True)
class _Text:
    """A text, its words, and where something may be asked for in it."""

    text: str
    words: frozenset[str]
    beginnings: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> _Text:
        folded = text.casefold()
        beginnings = {found.end() for found in _BEGINNING.finditer(folded)}
        return cls(folded, frozenset(_WORD.findall(folded)), tuple(beginnings))


@dataclass(frozen=True, slots=True)
class _Words:
    task: str
    words: frozenset[str]
    phrases: Mapping[str, re.Pattern[str]]  # by a word without which they cannot occur

    def weight(self, texts: Sequence[_Text]) -> int:
        """What the texts say for this task besides asking for it; a word or phrase counts once."""
        said = {word for text in texts for word in self.words & text.words}
        for text in texts:
            said |= {f"{word}…" for word in self.phrases.keys() & text.words if self.phrases[word].search(text.text)}
        return len(said)


@dataclass(frozen=True, slots=True)
class _Lexicon:
    asked: re.Pattern[str]  # a named group for each task
    tasks: tuple[_Words, ...]

    def asked_for(self, texts: Sequence[_Text]) -> set[str | None]:
        found = (self.asked.match(text.text, place) for text in texts for place in text.beginnings)
        return {match.lastgroup for match in found if match}


def inferred_task(question: str, *, system: str = "") -> str | None:
    """One of the six tasks; None where the words speak for none, or for several."""
    texts = [_Text.of(text) for text in (_ends(question), system[:_SYSTEM_CHARACTERS]) if text]
    lexicon = _lexicon()
    asked = lexicon.asked_for(texts)
    weights = sorted(
        ((words.weight(texts) + _ASKED * (words.task in asked), words.task) for words in lexicon.tasks), reverse=True
    )
    (most, task), (next_most, _) = weights[0], weights[1]
    return task if most >= _ENOUGH and most - next_most >= _AHEAD else None


def _ends(text: str) -> str:
    if len(text) <= _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        return text
    return f"{text[:_HEAD_CHARACTERS]}\n{text[-_TAIL_CHARACTERS:]}"


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads(files("semcache.strategies.routing").joinpath("tasks.toml").read_text("utf-8"))
    asked = "|".join(rf"(?P<{task}>(?:{'|'.join(row['asked'])})\b)" for task, row in data.items())
    tasks = (
        _Words(
            task,
            frozenset(row["words"]),
            {word: re.compile(pattern) for word, pattern in row["phrases"].items()},
        )
        for task, row in data.items()
    )
    return _Lexicon(re.compile(asked), tuple(tasks))
