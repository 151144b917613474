"""What a sentence states that can be lost: numbers, ids, dates, names, and the words that carry content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from semcache.decision.lexicon import lexicon
from semcache.decision.words import normal, words_of
from semcache.strategies.compression.phrases import Phrases, phrases

# A word with what holds ids, times, amounts, paths and addresses together.
_TOKEN = re.compile(r"[$\u20ac\u00a3#@/~]?[^\W_](?:[\w'@:./+#-]*\w)?%?|__?\w+")
_IDENTIFIER = re.compile(
    r"`([^`\n]{2,60})`|\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+|[a-z]+[A-Z]\w*|(?:[A-Z][a-z0-9]+){2,}|[A-Z][A-Z0-9]*_[A-Z0-9_]+)\b"
)
_SENTENCE_ENDS = frozenset(".?!:\n\"'\u201c(*-")
_LONGEST = 20_000  # characters read of one sentence or block of code


class Kind(StrEnum):
    """What a fact is; the values name the weights."""

    NUMBER = "number"
    NAME = "name"
    DATE = "date"
    PART = "part"
    WORD = "word"


class Fact(NamedTuple):
    """Folded: two sentences that state the same fact state an equal one."""

    kind: Kind
    text: str


def facts_of(text: str, names: frozenset[str]) -> tuple[Fact, ...]:
    """In one fixed order, each once. `names` are words that are names anywhere, however they are written here."""
    text = text[:_LONGEST]
    found: set[Fact] = set()
    for kind, words in _runs(text, names):
        found.add(Fact(kind, " ".join(words)))
        found |= {Fact(Kind.PART, word) for word in words if word not in lexicon().stop}
    spoken = words_of(normal(text))
    pairs = zip(spoken.folded, spoken.stems, strict=True)
    return tuple(sorted(found | {Fact(Kind.WORD, stem) for word, stem in pairs if word not in lexicon().stop}))


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Words written with a capital where no sentence opens."""
    found = set()
    for text in texts:
        read = text[:_LONGEST]
        for token in _TOKEN.finditer(read):
            before = read[: token.start()][-80:].rstrip(" ")
            if token.group()[0].isupper() and before and before[-1] not in _SENTENCE_ENDS:
                found.add(_bare(token.group()))
    return frozenset(found - lexicon().stop - phrases().calendar - phrases().numbers)


def identifiers_in(text: str) -> frozenset[str]:
    """Names of code: in backquotes, in snake or camel case."""
    return frozenset(quoted or plain for quoted, plain in _IDENTIFIER.findall(text[:_LONGEST]))


def _runs(text: str, names: frozenset[str]) -> Iterator[tuple[Kind, list[str]]]:
    """Neighbouring words of figures, dates and names, as one fact each: "the 4th of May at 7 pm"."""
    words = [_bare(token.group()) for token in _TOKEN.finditer(text)]
    kinds = [_kind_of(word, names, phrases()) for word in words]
    place = 0
    while place < len(words):
        if kinds[place] is None:
            place += 1
            continue
        end = _run_end(words, kinds, place)
        inside = {kind for kind in kinds[place:end] if kind is not None}
        yield next(kind for kind in (Kind.DATE, Kind.NAME, Kind.NUMBER) if kind in inside), words[place:end]
        place = end


def _run_end(words: list[str], kinds: list[Kind | None], start: int) -> int:
    """Where a run ends: up to two small words may join its parts, not the parts of a name."""
    end = start + 1
    for place in range(start + 1, len(words)):
        if kinds[place] is not None:
            end = place + 1
        elif kinds[start] is Kind.NAME or words[place] not in phrases().joining or place - end >= 2:
            break
    return end


def _kind_of(word: str, names: frozenset[str], known: Phrases) -> Kind | None:
    if any(character.isdigit() for character in word) or word in known.numbers:
        return Kind.NUMBER
    if word in known.calendar:
        return Kind.DATE
    return Kind.NAME if word in names or "@" in word or "_" in word else None


def _bare(token: str) -> str:
    word = token.replace("\u2019", "'").casefold()
    return word[:-2] if word.endswith("'s") else word
