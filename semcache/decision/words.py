"""A text as words: folded, contractions opened, with stems and the case they were written in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W\d_]+)*")
_SENTENCE_ENDS = frozenset('.?!:;\n"“”')
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
    names: tuple[tuple[str, ...], ...]  # capitalised spans inside sentences; empty where case says nothing
    joined: str  # the folded words with one space around each: for finding phrases


def normal(text: str) -> str:
    """The text in one Unicode form, with straight apostrophes."""
    return unicodedata.normalize("NFKC", text).replace("\u2019", "'")


def words_of(text: str) -> Words:
    """Split a text that is already `normal`."""
    folded: list[str] = []
    tokens = list(_WORD.finditer(text))
    for token in tokens:
        folded.extend(_opened(token.group().casefold()))
    joined = " " + " ".join(folded) + " "
    return Words(tuple(folded), tuple(stem(word) for word in folded), _names(text, tokens), joined)


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


def _names(text: str, tokens: list[re.Match[str]]) -> tuple[tuple[str, ...], ...]:
    """Spans of capitalised words that do not merely open a sentence; none where the whole text is in one case."""
    capitalised = [token.group()[0].isupper() for token in tokens]
    alphabetic = sum(token.group()[0].isalpha() for token in tokens)
    if not any(capitalised) or 2 * sum(capitalised) > max(alphabetic, 3):
        return ()
    spans: list[tuple[str, ...]] = []
    current: list[str] = []
    opens = False
    for index, token in enumerate(tokens):
        if capitalised[index]:
            if not current:
                opens = _opens_sentence(text, tokens, index)
            current.append(_bare(token.group().casefold()))
            continue
        _close(spans, current, opens)
        current = []
    _close(spans, current, opens)
    return tuple(sorted(set(spans)))


def _close(spans: list[tuple[str, ...]], current: list[str], opens: bool) -> None:
    """The first word of a sentence is a name only where more capitals follow; then it may still be a plain word."""
    span = current[1:] if opens else current
    kept = tuple(word for word in span if word not in ("i", "ok", "hi"))
    if kept:
        spans.append(kept)


def _opens_sentence(text: str, tokens: list[re.Match[str]], index: int) -> bool:
    if index == 0:
        return True
    between = text[tokens[index - 1].end() : tokens[index].start()]
    return any(mark in _SENTENCE_ENDS for mark in between)


def _bare(word: str) -> str:
    return word.partition("'")[0]
