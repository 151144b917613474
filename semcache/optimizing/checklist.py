"""Which instructions a system prompt gives, and which of them a shorter version no longer gives. All local."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from importlib.resources import files

from semcache.decision.lexicon import lexicon
from semcache.decision.words import normal, words_of
from semcache.optimizing.protected import numbers_in
from semcache.strategies.compression.sentences import Form, sentences_of

KEPT_FROM = 0.42  # share of an instruction's weight that is found in one place: benchmarks/prompt_optimisation.py
_PLACE = 3  # neighbouring sentences of a version that count as one place
_ROOT = 5  # letters by which two words are taken for one: respond, response
_LEAD = re.compile(r"^\s*(?:[-*+\u2022]|\(?\d{1,2}[.):]|#+)\s+")
_CLAUSES = re.compile(r";\s+|,?\s+(?:and|but)\s+(?=(?:you\s+)?(?:must|should|never|always|do not|don't|cannot)\b)")


class Kind(Enum):
    """What an instruction is about; the first that fits."""

    EXAMPLE = "example"
    FORMAT = "format"
    CONDITION = "condition"
    CONSTRAINT = "constraint"
    ACTION = "action"


@dataclass(frozen=True)
class Instruction:
    """One thing that a prompt asks for, in its own words."""

    kind: Kind
    text: str = field(repr=False)


@dataclass(frozen=True)
class _Vocabulary:
    sets: dict[str, frozenset[str]]

    def says(self, name: str, words: Sequence[str]) -> bool:
        return not self.sets[name].isdisjoint(words)


@dataclass(frozen=True)
class _Place:
    """Neighbouring sentences of a version."""

    roots: frozenset[str]
    numbers: frozenset[str]
    denies: bool


def instructions_in(prompt: str) -> tuple[Instruction, ...]:
    """In order, each once."""
    found = (Instruction(kind, text) for text in _clauses(prompt) if (kind := _kind_of(text)) is not None)
    return tuple({_flat(each.text): each for each in found}.values())


def lost_in(version: str, original: str) -> tuple[Instruction, ...]:
    """The instructions of the original that no place of the version gives.

    A place gives one where it holds most of what it says, its numbers, and a denial where there is one.
    """
    places = list(_places(version))
    common = Counter(root for text in _clauses(original) for root in _roots(text))
    return tuple(each for each in instructions_in(original) if not _is_given(each.text, places, common))


def _is_given(instruction: str, places: Sequence[_Place], common: Counter[str]) -> bool:
    roots, numbers = _roots(instruction), numbers_in(instruction, spelled=False)
    denies = _vocabulary().says("negation", _words(instruction))
    total = sum(_weight(common[root]) for root in roots)
    if not total:
        return True
    return any(
        sum(_weight(common[root]) for root in roots & place.roots) >= KEPT_FROM * total
        and numbers <= place.numbers
        and (place.denies or not denies)
        for place in places
    )


def _weight(count: int) -> float:
    """What the whole prompt speaks of tells little about one of its instructions."""
    return 1 / math.sqrt(max(1, count))


def _kind_of(text: str) -> Kind | None:
    words, known = _words(text), _vocabulary()
    if not words or len(words) < 2:
        return None
    opening = [word for word in words[:6] if word not in ("please", "then", "also", "and", "so", "always", "kindly")]
    asks = known.says("constraint", words) or bool(opening and opening[0] in known.sets["imperative"])
    if not asks and (comma := text.find(",")) > 0 and words[0] in known.sets["condition"]:
        after = _words(text[comma:])
        asks = bool(after and after[0] in known.sets["imperative"])
    if not asks:
        return None
    for kind in (Kind.EXAMPLE, Kind.FORMAT, Kind.CONDITION, Kind.CONSTRAINT):
        if known.says(kind.value, words):
            return kind
    return Kind.ACTION


def _clauses(prompt: str) -> Iterator[str]:
    for sentence in sentences_of(prompt):
        if sentence.form is Form.WHOLE:  # code and JSON are kept to the letter, or the version is refused
            continue
        for clause in _CLAUSES.split(sentence.text):
            if clause and (text := _LEAD.sub("", clause).strip()):
                yield text


def _places(version: str) -> Iterator[_Place]:
    """Overlapping: shorter versions join what was said apart, and put a denial before a list."""
    texts = [_LEAD.sub("", sentence.text) for sentence in sentences_of(version)]
    for start in range(max(1, len(texts) - _PLACE + 1)):
        joined = " ".join(texts[start : start + _PLACE])
        words = _words(joined)
        yield _Place(_roots(joined), numbers_in(joined), _vocabulary().says("negation", words))


def _roots(text: str) -> frozenset[str]:
    spoken, filler = words_of(normal(text)), _vocabulary().sets["filler"]
    pairs = zip(spoken.folded, spoken.stems, strict=True)
    return frozenset(stem[:_ROOT] for word, stem in pairs if word not in filler and word not in lexicon().stop)


def _words(text: str) -> tuple[str, ...]:
    return words_of(normal(text)).folded


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())


@cache
def _vocabulary() -> _Vocabulary:
    data = tomllib.loads(files("semcache.optimizing").joinpath("instructions.toml").read_text("utf-8"))
    return _Vocabulary({name: frozenset(str(words).split()) for name, words in data.items()})
