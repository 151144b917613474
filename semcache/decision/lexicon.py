"""The words that decide, read once from lexicon.toml, as an index of phrases."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from semcache.decision.lexicon_quantities import QuantityWords
from semcache.decision.words import Words, normal, stem, words_of

_PARTICLES = frozenset({"on", "off", "in", "out", "up"})
_PARTICLE_REACH = 3  # words that may stand inside "turn … off"

Mark = tuple[str, str]  # (category, what), e.g. ("format", "json")


@dataclass(frozen=True)
class Lexicon:
    """Phrases by their first word, and single words by what they are."""

    phrases: Mapping[str, tuple[tuple[tuple[str, ...], Mark], ...]]
    stemmed: Mapping[str, tuple[tuple[tuple[str, ...], Mark], ...]]
    quantities: QuantityWords
    negations: frozenset[str]
    negation_passed: frozenset[str]
    negation_idioms: tuple[str, ...]
    not_negative: frozenset[str]  # stems that only look denied: "inform"
    languages: Mapping[str, str]  # every spelling
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
    data = _read("lexicon.toml")
    quantities = QuantityWords.read(frozenset(data["words"]["stop"]))
    return Lexicon(
        phrases=_indexed(_plain_marks(data, quantities), by_stem=False),
        stemmed=_indexed(_opposite_marks(_read("opposites.toml")), by_stem=True),
        quantities=quantities,
        negations=frozenset(data["negation"]["words"]),
        negation_passed=frozenset(data["negation"]["passed"]),
        negation_idioms=tuple(f" {idiom} " for idiom in data["negation"]["idioms"]),
        not_negative=frozenset(stem(word) for word in data["negation"]["only_look_negative"]),
        languages=_languages(data["languages"]),
        function_words={name: frozenset(listed) for name, listed in data["languages"]["function_words"].items()},
        stop=frozenset(data["words"]["stop"]),
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("semcache.decision").joinpath(name).read_text("utf-8"))


def plain_number(value: Decimal) -> str:
    """A number in one spelling, without an exponent."""
    return str(int(value)) if value == value.to_integral_value() else f"{value.normalize():f}"


def _plain_marks(data: Mapping[str, Any], quantities: QuantityWords) -> Iterator[tuple[str, Mark]]:
    for category, table in (
        ("quantifier", {name: listed for name, listed in data["quantifiers"].items() if name != "always"}),
        ("exception", data["quantifiers"]["always"]),
        ("format", {name: listed for name, listed in data["formats"].items() if name != "works"}),
        ("work", data["formats"]["works"]),
        ("date", data["dates"]["relative"]),
    ):
        for name, spellings in table.items():
            yield from ((spelling, (category, name)) for spelling in spellings)
    for weekday, name in data["dates"]["weekdays"].items():
        yield weekday, ("date", name)
    yield from ((spelling, ("language", name)) for spelling, name in _languages(data["languages"]).items())
    yield from _unit_marks(quantities)
    for group, members in _read("families.toml").items():
        for member in members:
            first, *also = member.split("|")
            yield from ((spelling, (f"sibling:{group}", first)) for spelling in (first, *also))


def _languages(table: Mapping[str, Any]) -> dict[str, str]:
    named = {name: name for kind in ("names", "programming") for name in table[kind]}
    return named | {spelling: name for name, spellings in table["also"].items() for spelling in spellings}


def _unit_marks(quantities: QuantityWords) -> Iterator[tuple[str, Mark]]:
    """Units named without a number: some anywhere, others only where a text asks for them."""
    for spelling, unit in quantities.units.items():
        if spelling in quantities.standalone and spelling[0].isalpha():
            yield spelling, ("unit", unit)
        elif len(spelling) > 2 and not quantities.is_span(unit):
            yield from ((f"{asking} {spelling}", ("unit", unit)) for asking in ("in", "into", "to", "many", "us"))


def _opposite_marks(data: Mapping[str, Any]) -> Iterator[tuple[str, Mark]]:
    for number, sides in enumerate(data["pairs"]):
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
