"""Everything the guards compare about one text, read once and remembered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from semcache.decision.grammar import Grammar, grammar_of
from semcache.decision.lexicon import lexicon
from semcache.decision.names import Name, names_of
from semcache.decision.plain import plain_wording
from semcache.decision.slots import Slots, slots_of
from semcache.decision.words import Words, normal, words_of

_REMEMBERED_TEXTS = 20_000
_REMEMBERED_CHARACTERS = 2_000  # longer texts are read again: they would fill the memory


@dataclass(frozen=True, slots=True)
class Profile:
    """One text as the guards see it."""

    words: Words
    names: frozenset[Name]
    slots: Slots
    grammar: Grammar
    marks: dict[str, frozenset[str]]  # by category: formats, languages, dates, units, quantifiers, opposites
    folded: str  # the whole text, folded, spaces collapsed
    plain: str  # the same without courtesies, its question put in one of a few ways

    @classmethod
    def of(cls, text: str) -> Profile:
        """The profile of a text; those of short texts are remembered."""
        return _remembered(text) if len(text) <= _REMEMBERED_CHARACTERS else _read(text)

    def marked(self, category: str) -> frozenset[str]:
        """What the lexicon found in this category."""
        return self.marks.get(category, frozenset())


def _read(text: str) -> Profile:
    words_known = lexicon()
    plain = normal(text)
    words = words_of(plain.replace("->", " to ").replace("\u2192", " to "))
    marks: dict[str, set[str]] = {}
    for category, what in words_known.marks(words):
        marks.setdefault(category, set()).add(what)
    folded = " ".join(plain.casefold().split())
    return Profile(
        words=words,
        names=names_of(plain, words_known.stop),
        slots=slots_of(plain, words_known),
        grammar=grammar_of(words, words_known),
        marks={category: frozenset(found) for category, found in marks.items()},
        folded=folded,
        plain=plain_wording(folded),
    )


_remembered = lru_cache(maxsize=_REMEMBERED_TEXTS)(_read)
