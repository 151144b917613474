"""A question as the rules of leaning read it: its words, what it is about, and the words of leaning.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from semcache.decision.lexicon import lexicon
from semcache.decision.words import normal, words_of

_READ_CHARACTERS = 4_000  # of a longer text, its beginning and its end: between them stands pasted material
_QUALIFIER = re.compile(r".{3,}(?:al|ive|ous|ful|ic|able|ible|less|ary|ish|ent|ant|ed|est|ier|ly)")
_INNER_CAPITAL = re.compile(r"(?<=[^.?!:] )\d*[^\W\d_a-z][\w'&-]*")
_ACRONYM = re.compile(r"\b[A-Z]{2,5}s?\b")


@dataclass(frozen=True)
class Leanings:
    """The words of leaning.toml, plurals added where they are nouns."""

    words: dict[str, frozenset[str]]
    replies: re.Pattern[str]
    expletives: re.Pattern[str]
    naming: re.Pattern[str]

    def __getitem__(self, name: str) -> frozenset[str]:
        return self.words[name]


@dataclass(frozen=True)
class Question:
    """A question as the rules read it."""

    plain: str
    words: tuple[str, ...]
    named: frozenset[str]  # words of the names in it
    content: tuple[str, ...]  # words that say what it is about, in order
    earlier: tuple[tuple[str, ...], ...]
    acronyms: frozenset[str]
    names_said: bool  # whether an earlier text names something


@cache
def leanings() -> Leanings:
    data = tomllib.loads(files("semcache.decision").joinpath("leaning.toml").read_text("utf-8"))
    words = {name: frozenset(listed) for name, listed in data.items() if not name.endswith("_patterns")}
    for name in ("relational", "two_sided", "acting", "role_nouns"):
        words[name] |= {_plural(word) for word in words[name]}
    wh = "|".join(data["question_openers"])
    return Leanings(
        words=words,
        replies=re.compile(r"(?:" + "|".join(data["reply_patterns"]) + r")\b"),
        expletives=re.compile(r"\b(?:" + "|".join(data["expletive_patterns"]) + ")"),
        naming=re.compile(
            r"(?:" + "|".join(data["naming_patterns"]) + r")(?P<named>[^?.,]+?)(?:,? and (?:" + wh + ")[^?.]*)?[?.]?"
        ),
    )


def _plural(word: str) -> str:
    if word.endswith(("s", "sh", "ch", "x")):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") and word[-2] not in "aeiou" else word + "s"


def read_question(text: str, earlier: Sequence[str]) -> Question:
    if len(text) > 2 * _READ_CHARACTERS:
        text = f"{text[:_READ_CHARACTERS]} {text[-_READ_CHARACTERS:]}"
    stop, known = lexicon().stop, leanings()
    upright = normal(text)
    plain = " ".join(upright.casefold().split())
    words = words_of(plain).folded
    empty = known["relational"] | known["evaluative"] | known["light"] | stop
    acronyms = frozenset(match.group().casefold() for match in _ACRONYM.finditer(upright))
    return Question(
        plain=plain,
        words=words,
        named=_capitalised(upright) - stop - acronyms,
        content=tuple(word for word in _told(words) if word not in empty | acronyms and not word[0].isdigit()),
        earlier=tuple(words_of(normal(each)).folded for each in earlier),
        acronyms=acronyms,
        names_said=any(_capitalised(normal(each)) - stop for each in earlier),
    )


def _told(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without the request that opens them: "please list …"."""
    known = leanings()
    opened = next((index for index, word in enumerate(words) if word not in known["courtesy"]), len(words))
    return words[opened + 1 :] if words[opened : opened + 1] and words[opened] in known["request_openers"] else words


def _capitalised(text: str) -> frozenset[str]:
    """Words with a capital that opens no sentence; none where even small words have one."""
    found = [match.group() for match in _INNER_CAPITAL.finditer(text)]
    small = [word for word in found if word.casefold() in lexicon().stop and word != "I"]
    return frozenset(word.casefold().partition("'")[0] for word in found) if len(small) < 2 else frozenset()


def names_a_thing(word: str) -> bool:
    """Whether a word can be the noun that another one is of."""
    known = leanings()
    if (
        len(word) < 2
        or word[0].isdigit()
        or word in lexicon().stop
        or word in known["evaluative"]
        or word in known["relational"]
    ):
        return False
    return word not in known["complements"] and not _QUALIFIER.fullmatch(word)


def qualifies(word: str) -> bool:
    """Whether a word before a noun says which one it is."""
    return bool(word) and word not in lexicon().stop and word not in leanings()["evaluative"]
