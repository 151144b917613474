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

KEPT_FROM = 0.46  # share of an instruction's weight that is found in one place: benchmarks/prompt_optimisation.py
_PLACE = 3  # neighbouring sentences of a version that count as one place
_LEAST_ROOTS = 2  # of an instruction: with fewer it cannot be told from others
_ROOT = 5  # letters by which two words are taken for one: respond, response
_LEAD = re.compile(r"^\s*(?:[-*+\u2022]|\(?\d{1,2}[.):]|#+)\s+")
_REASON = re.compile(
    r",?\s+\b(?:because|since|so that|in order (?:to|that)|as (?:it|they|this|we|our)\b).*", re.IGNORECASE | re.DOTALL
)
_LIMIT = re.compile(r"(?:not?|never|n't)\b[^.;]{0,40}\b(?:more|longer|higher|larger|greater|exceed)")
_CLAUSES = re.compile(r";\s+|,?\s+(?:and|but)\s+(?=(?:you\s+)?(?:must|should|never|always|do not|don't|cannot)\b)")


class Kind(Enum):
    """What an instruction is about; the first that fits."""

    EXAMPLE = "example"
    ITEM = "item"
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
    found = (
        Instruction(kind, text)
        for text, is_item in _clauses(prompt)
        if (kind := _kind_of(text) or (Kind.ITEM if is_item else None)) is not None
    )
    return tuple({_flat(each.text): each for each in found}.values())


def lost_in(version: str, original: str) -> tuple[Instruction, ...]:
    """The instructions of the original that no place of the version gives.

    A place gives one where it holds most of what it says, its numbers, and a denial where there is one.
    """
    places = list(_places(version))
    common = Counter(root for text, _ in _clauses(original) for root in _roots(text))
    lost: list[Instruction] = []
    before: list[_Place] = []  # what the original itself has said: a repetition is lost only with the first
    for instruction in instructions_in(original):
        if not _is_given(instruction.text, [*places, *before], common):
            lost.append(instruction)
        before.append(_place(instruction.text))
    return tuple(lost)


def _is_given(instruction: str, places: Sequence[_Place], common: Counter[str]) -> bool:
    roots, numbers = _roots(instruction), numbers_in(instruction, spelled=False)
    denies = _denies(instruction)
    total = sum(_weight(common[root]) for root in roots)
    if len(roots) < _LEAST_ROOTS:
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
    telling = "modal" if words and words[0] in known.sets["others"] else "constraint"
    if len(words) < 2 or not (known.says(telling, words) or "please" in words or _commands(text)):
        return None
    for kind in (Kind.EXAMPLE, Kind.FORMAT, Kind.CONDITION, Kind.CONSTRAINT):
        if known.says(kind.value, words):
            return kind
    return Kind.ACTION


def _commands(text: str) -> bool:
    """Whether it opens with an imperative, or goes on with one after its condition."""
    known = _vocabulary().sets
    first, comma, rest = text.partition(",")
    is_condition = bool(comma) and not known["condition"].isdisjoint(_words(first)[:2])
    for part in (first, rest) if is_condition else (first,):
        verb = next((word for word in _words(part) if word not in known["openers"]), "")
        if verb in known["imperative"]:
            return True
    return False


def _clauses(prompt: str) -> Iterator[tuple[str, bool]]:
    """Each with whether it is an item of a list: what is listed counts, even where it asks for nothing by itself."""
    for sentence in sentences_of(prompt):
        if sentence.form is Form.WHOLE:  # code and JSON are kept to the letter, or the version is refused
            continue
        is_item = _LEAD.match(sentence.text) is not None
        for clause in _CLAUSES.split(sentence.text):
            if clause and (text := _REASON.sub("", _LEAD.sub("", clause)).strip()):
                yield text, is_item


def _places(version: str) -> Iterator[_Place]:
    """Overlapping: shorter versions join what was said apart, and put a denial before a list."""
    texts = [_LEAD.sub("", sentence.text) for sentence in sentences_of(version)]
    for start in range(max(1, len(texts) - _PLACE + 1)):
        yield _place(" ".join(texts[start : start + _PLACE]))


def _place(text: str) -> _Place:
    return _Place(_roots(text), numbers_in(text), _vocabulary().says("negation", _words(text)))


def _roots(text: str) -> frozenset[str]:
    spoken, filler = words_of(normal(text)), _vocabulary().sets["filler"]
    pairs = zip(spoken.folded, spoken.stems, strict=True)
    said = {stem[:_ROOT] for word, stem in pairs if word not in filler and word not in lexicon().stop}
    return frozenset({*(root for root in said if not root.isdigit()), *(f"#{number}" for number in numbers_in(text))})


def _denies(text: str) -> bool:
    """A limit says the same in two ways: not more than, at most."""
    return _vocabulary().says("negation", _words(_LIMIT.sub(" ", text.casefold())))


def _words(text: str) -> tuple[str, ...]:
    return words_of(normal(text)).folded


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())


@cache
def _vocabulary() -> _Vocabulary:
    data = tomllib.loads(files("semcache.optimizing").joinpath("instructions.toml").read_text("utf-8"))
    return _Vocabulary({name: frozenset(str(words).split()) for name, words in data.items()})
