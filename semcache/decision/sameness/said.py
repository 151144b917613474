"""One answer, read for comparison: without markup, in sentences, with its values, its code and its shape."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from semcache.decision.guards import is_disagreed
from semcache.decision.profile import Profile
from semcache.decision.words import normal

# Kinds of values, each with the guard that knows which of them are one in two spellings ("half an hour", "30 minutes").
VALUES = {"numbers": "numbers", "ids": "ids", "versions": "versions", "dates": "dates", "times": "numbers"}
_MOST_SENTENCES = 24  # of a longer answer, its beginning
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+(?=[^a-z\s])|\s*\n\s*")
_ENUMERATION = re.compile(r"^[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+", re.MULTILINE)
_RULES = re.compile(r"^[ \t]*\|?(?:[ \t]*:?-{3,}:?[ \t]*\|?)+[ \t]*$|^#+[ \t]", re.MULTILINE)
_MARKUP = re.compile(r"[*`>|]+")
_CODE = re.compile(r"```.*?```|`[^`]+`", re.DOTALL)
_HALF_DAY = re.compile(r"\b([ap])\.m\.", re.IGNORECASE)
_SHAPES = {
    "table": re.compile(r"^\s*\|.*\|\s*$|^[^\s,]+(?:,[^\s,]+)+\n", re.MULTILINE),
    "block": re.compile(r"```"),
    "data": re.compile(r"\A\s*`?[\[{<].*[\]}>]`?\s*\Z|^\w+: .*\n\w+: ", re.DOTALL | re.MULTILINE),
    "drawing": re.compile(r"-->|---\+|\[ \]"),
}


@dataclass(frozen=True)
class Said:
    """`plain` is the whole without markup and without the numbers of list items."""

    plain: str
    sentences: tuple[str, ...]
    profile: Profile
    contents: tuple[frozenset[str], ...]  # stems of the content words of each sentence
    code: frozenset[str]  # what stands between spaces in it
    shapes: frozenset[str]  # beyond prose and lists, which say the same in two ways

    @classmethod
    def of(cls, text: str) -> Said:
        """Read an answer, or what is left of it without its courtesies."""
        known = _HALF_DAY.sub(r"\1m", normal(text))
        lines = _MARKUP.sub(" ", _RULES.sub("", _ENUMERATION.sub("", known)))
        parts = (" ".join(part.split()) for part in _SENTENCE_END.split(lines))
        sentences = tuple(part for part in parts if any(map(str.isalnum, part)))[:_MOST_SENTENCES]
        plain = " ".join(lines.split()) or " ".join(known.split()) or "-"
        return cls(
            plain,
            sentences or (plain,),
            Profile.of(plain),
            tuple(frozenset(Profile.of(sentence).grammar.content) for sentence in sentences),
            frozenset(word for code in _CODE.findall(known) for word in code.strip("`").split()),
            frozenset(name for name, shape in _SHAPES.items() if shape.search(known)),
        )

    @property
    def content(self) -> frozenset[str]:
        return frozenset(self.profile.grammar.content)

    @property
    def values(self) -> tuple[Counter[object], ...]:
        """What must not differ, a counter for each of `VALUES`."""
        slots = self.profile.slots
        minutes = [time.minute for time in slots.times]  # of half a day: "10:00" and "10 pm" may be the same
        return tuple(Counter(found) for found in (slots.numbers, slots.ids, slots.versions, slots.dates, minutes))


def contradiction(mine: Said, yours: Said) -> str | None:
    """The kind of value of which each names one that the other lacks. One that only says more contradicts nothing."""
    for (name, guard), left, right in zip(VALUES.items(), mine.values, yours.values, strict=True):
        if left - right and right - left and is_disagreed(guard, mine.profile, yours.profile):
            return name
    return None
