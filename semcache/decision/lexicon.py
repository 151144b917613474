"""The words that decide, read once from lexicon.toml, as an index of phrases."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from semcache.decision.words import Words, normal, stem, words_of

_PARTICLES = frozenset({"on", "off", "in", "out", "up"})
_PARTICLE_REACH = 3  # words that may stand inside "turn … off"

Mark = tuple[str, str]  # (category, what), e.g. ("format", "json")


@dataclass(frozen=True)
class Lexicon:
    """Phrases by their first word, and single words by what they are."""

    phrases: Mapping[str, tuple[tuple[tuple[str, ...], Mark], ...]]
    stemmed: Mapping[str, tuple[tuple[tuple[str, ...], Mark], ...]]
    number_values: Mapping[str, int]
    number_scales: Mapping[str, int]
    number_suffixes: Mapping[str, int]
    ordinals: Mapping[str, str]
    units: Mapping[str, str]  # every spelling
    months: Mapping[str, int]
    ambiguous_months: frozenset[str]
    negations: frozenset[str]
    negation_passed: frozenset[str]
    negation_idioms: tuple[str, ...]
    languages: frozenset[str]
    function_words: Mapping[str, frozenset[str]]
    stop: frozenset[str]

    def marks(self, words: Words) -> Iterator[Mark]:
        """What the words say, in order: opposites by stem, all else as written."""
        for index, word in enumerate(words.folded):
            for phrase, mark in self.phrases.get(word, ()):
                if words.folded[index : index + len(phrase)] == phrase:
                    yield mark
            for phrase, mark in self.stemmed.get(words.stems[index], ()):
                if _stands(phrase, words, index):
                    yield mark


def _stands(phrase: tuple[str, ...], words: Words, index: int) -> bool:
    if words.stems[index : index + len(phrase)] == phrase:
        return True
    if len(phrase) != 2 or phrase[1] not in _PARTICLES:
        return False
    return phrase[1] in words.folded[index + 1 : index + 2 + _PARTICLE_REACH]


@cache
def lexicon() -> Lexicon:
    """The lexicon that ships with the package."""
    data = tomllib.loads(files("semcache.decision").joinpath("lexicon.toml").read_text("utf-8"))
    numbers, dates, units = data["numbers"], data["dates"], data["units"]
    return Lexicon(
        phrases=_indexed(_plain_marks(data), by_stem=False),
        stemmed=_indexed(_opposite_marks(data), by_stem=True),
        number_values=numbers["values"],
        number_scales=numbers["scales"],
        number_suffixes=numbers["suffixes"],
        ordinals=numbers["ordinals"],
        units={spelling: name for part in units.values() for name, all_ in part.items() for spelling in all_},
        months=dates["months"],
        ambiguous_months=frozenset(dates["ambiguous_months"]),
        negations=frozenset(data["negation"]["words"]),
        negation_passed=frozenset(data["negation"]["passed"]),
        negation_idioms=tuple(f" {idiom} " for idiom in data["negation"]["idioms"]),
        languages=frozenset([*data["languages"]["names"], *data["languages"]["programming"]]),
        function_words={name: frozenset(listed) for name, listed in data["languages"]["function_words"].items()},
        stop=frozenset(data["words"]["stop"]),
    )


def plain_number(value: Decimal) -> str:
    """A number in one spelling, without an exponent."""
    return str(int(value)) if value == value.to_integral_value() else f"{value.normalize():f}"


def _plain_marks(data: Mapping[str, Any]) -> Iterator[tuple[str, Mark]]:
    for category, table in (
        ("quantifier", {name: listed for name, listed in data["quantifiers"].items() if name != "always"}),
        ("exception", data["quantifiers"]["always"]),
        ("format", {name: listed for name, listed in data["formats"].items() if name != "works"}),
        ("work", data["formats"]["works"]),
        ("date", data["dates"]["relative"]),
        ("unit", data["units"]["standalone"]),
    ):
        for name, spellings in table.items():
            yield from ((spelling, (category, name)) for spelling in spellings)
    for weekday, name in data["dates"]["weekdays"].items():
        yield weekday, ("date", name)
    for kind in ("names", "programming"):
        yield from ((name, ("language", name)) for name in data["languages"][kind])
    for group, members in data["siblings"].items():
        yield from ((member, (f"sibling:{group}", member)) for member in members)


def _opposite_marks(data: Mapping[str, Any]) -> Iterator[tuple[str, Mark]]:
    for number, sides in enumerate(data["opposites"]):
        for side, members in enumerate(sides):
            yield from ((member, (f"opposite:{number}", str(side))) for member in members)


def _indexed(
    marks: Iterable[tuple[str, Mark]], *, by_stem: bool
) -> dict[str, tuple[tuple[tuple[str, ...], Mark], ...]]:
    index: dict[str, list[tuple[tuple[str, ...], Mark]]] = {}
    for phrase, mark in marks:
        folded = words_of(normal(phrase)).folded or (phrase,)
        key = tuple(stem(word) for word in folded) if by_stem else folded
        index.setdefault(key[0], []).append((key, mark))
    return {first: tuple(dict.fromkeys(listed)) for first, listed in index.items()}
