"""A text as words: folded, contractions opened, with stems."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W\d_]+)*")
_VULGAR = frozenset("½⅓⅔¼¾⅕⅛")  # in one form with others, "2½" would be "21/2"
_AUXILIARIES = "do does did is are was were have has had could would should must need ai"
_BARE_NEGATIONS = {f"{name}nt": (name, "not") for name in _AUXILIARIES.split()} | {
    "cant": ("can", "not"),
    "can't": ("can", "not"),
    "cannot": ("can", "not"),
    "wont": ("will", "not"),
    "won't": ("will", "not"),
    "shan't": ("shall", "not"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in order, with contractions opened ("can't" is "can", "not")."""

    folded: tuple[str, ...]
    stems: tuple[str, ...]
    joined: str  # the folded words with one space around each: for finding phrases


def normal(text: str) -> str:
    """The text in one Unicode form, with straight apostrophes."""
    if not _VULGAR.isdisjoint(text):
        text = "".join(f" {character}" if character in _VULGAR else character for character in text)
    return unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2044", "/")


def words_of(text: str) -> Words:
    """Split a text that is already `normal`."""
    folded: list[str] = []
    for token in _WORD.finditer(text):
        folded.extend(_opened(token.group().casefold()))
    joined = " " + " ".join(folded) + " "
    return Words(tuple(folded), tuple(stem(word) for word in folded), joined)


def _opened(word: str) -> tuple[str, ...]:
    if (known := _BARE_NEGATIONS.get(word)) is not None:
        return known
    if "'" not in word:
        return (word,)
    if word.endswith("n't"):
        return (word[:-3], "not")
    return (word.partition("'")[0],)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A crude English stem: enough that inflections of one word are equal."""
    if len(word) <= 3 or not word.isascii():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ingly", "edly", "ing", "ed", "es", "s"):
        kept = word[: -len(ending)]
        if word.endswith(ending) and len(kept) >= 3 and not word.endswith("ss"):
            word = kept
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
