"""What the wording of a request shows without a model: its length, its kind of question, its options, its figures.

Every feature is small, bounded in cost and known before anything is sent. A long text is read from its two ends.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations

HEAD_CHARACTERS, TAIL_CHARACTERS = 3000, 1500  # read of a longer text
MOST_OPTIONS = 10

_OPTION = re.compile(r"^[ \t]*\(?([A-Ja-j]|\d{1,2})[.):][ \t]+(\S.*)$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SYMBOLS = re.compile(r"[=+*/^<>≤≥≠≈±\u00d7÷√∑∫∞π∂∈∀∃∧\u2228→⊃≡·~|\\]|\bsqrt\b|(?<=\w)_\{?\w|\$")
_LOGIC_SYMBOLS = re.compile(r"[∀∃∧\u2228→⊃≡¬⇒⇔∴⊢]|(?<![\w.])~\w|\b[A-Z] ?v ?[A-Z]\b|\([a-zA-Z]\)[A-Z][a-z]")
_CODE = re.compile(
    r"```|[{};]\s*$|^\s*(?:def|class|import|from|for|while|return|public|static|int|void|SELECT|#include)\b|\w\(\)|[!=]=|=>|::",
    re.MULTILINE,
)
_BLANK = re.compile(r"_{2,}")
_PART = re.compile(
    r"\b(?:statement|scenario|part|case|step|premise|question|item|claim) ?\d\b|\b(?:I{1,3}|IV)[.)]\s", re.I
)
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
_QUOTES = '"“”'
_SENTENCE = re.compile(r"[.?!](?=\s|$)")
_FIGURE = re.compile(r"^[\s$€£(+-]*(?:\d|sqrt|[-+]?[a-z]\b).{0,24}$", re.I)


@dataclass(frozen=True, slots=True)
class Shape:
    """The request's text in parts: what is asked, and the answers it offers, if it offers any."""

    stem: str
    options: tuple[str, ...]


def shape_of(text: str) -> Shape:
    """Split off a list of lettered or numbered choices at the end of the text."""
    text = text if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS else _ends(text)
    found = list(_OPTION.finditer(text))
    run = _last_run([match.group(1) for match in found])
    if len(run) < 2:
        return Shape(text, ())
    chosen = [found[place] for place in run[:MOST_OPTIONS]]
    return Shape(text[: chosen[0].start()], tuple(match.group(2).strip() for match in chosen))


def surface_of(text: str) -> tuple[float, ...]:
    """The values of `surface_names`, in that order; NaN for what the text has no place for, such as choices."""
    shape = shape_of(text)
    whole = "\n".join((shape.stem, *shape.options))
    folded = whole.casefold()
    words = _WORD.findall(folded)
    counts = _counts(folded, words, stem=shape.stem.casefold())
    return (*_size(shape, words), *_writing(whole, words), *_options(shape), *counts)


def surface_names() -> tuple[str, ...]:
    """What the values of `surface_of` are called."""
    return (*_SIZE, *_WRITING, *_OPTIONS, *_lexicon().names)


_SIZE = ("length", "stem_length", "sentences", "sentence_length", "lines", "questions")
_WRITING = (
    "word_length",
    "long_words",
    "distinct_words",
    "numbers",
    "symbols",
    "logic_symbols",
    "code",
    "blanks",
    "parts",
    "names",
    "quotes",
)
_OPTIONS = (
    "option_length",
    "option_overlap",
    "option_reuse",
    "options_are_figures",
    "options_in_stem",
    "options_unequal",
)


def _size(shape: Shape, words: Sequence[str]) -> tuple[float, ...]:
    stem_words = len(_WORD.findall(shape.stem))
    sentences = max(1, len(_SENTENCE.findall(shape.stem)))
    return (
        math.log1p(len(words)),
        math.log1p(stem_words),
        math.log(sentences),
        math.log1p(stem_words / sentences),
        math.log1p(shape.stem.strip().count("\n")),
        math.log1p(shape.stem.count("?")),
    )


def _writing(text: str, words: Sequence[str]) -> tuple[float, ...]:
    total = max(1, len(words))
    patterns = (_NUMBER, _SYMBOLS, _LOGIC_SYMBOLS, _CODE, _BLANK, _PART, _NAME)
    return (
        sum(map(len, words)) / total,
        sum(len(word) > 8 for word in words) / total,
        len(set(words)) / math.sqrt(total),
        *(math.log1p(len(pattern.findall(text))) for pattern in patterns),
        math.log1p(sum(map(text.count, _QUOTES))),
    )


def _options(shape: Shape) -> tuple[float, ...]:
    """How alike the choices are: choices made of the same few words ask for several judgements at once."""
    if not shape.options:
        return (math.nan,) * len(_OPTIONS)
    bags = [
        frozenset(_WORD.findall(option.casefold())) | frozenset(_NUMBER.findall(option)) for option in shape.options
    ]
    sizes = [len(option.split()) for option in shape.options]
    pairs = [len(one & other) / max(1, len(one | other)) for one, other in combinations(bags, 2)]
    every = frozenset().union(*bags)
    stem = frozenset(_WORD.findall(shape.stem.casefold()))
    return (
        math.log1p(sum(sizes) / len(sizes)),
        sum(pairs) / len(pairs),
        1 - len(every) / max(1, sum(map(len, bags))),
        sum(_FIGURE.match(option) is not None for option in shape.options) / len(bags),
        len(every & stem) / max(1, len(every)),
        math.log1p(max(sizes) - min(sizes)),
    )


def _counts(folded: str, words: Sequence[str], *, stem: str) -> tuple[float, ...]:
    lexicon = _lexicon()
    counts = [len(pattern.findall(folded)) if pattern else 0 for pattern in lexicon.phrases]
    for word in words:
        for place in lexicon.words.get(word, ()):
            counts[place] += 1
    return (*map(math.log1p, counts), *(float(pattern.search(stem) is not None) for pattern in lexicon.opening))


def _last_run(labels: Sequence[str]) -> list[int]:
    """Where the last list of consecutive labels stands: A B C D, or 1 2 3."""
    run: list[int] = []
    for place, label in enumerate(labels):
        if label.casefold() in ("a", "1"):
            run = [place]
        elif run and _follows(labels[run[-1]], label):
            run.append(place)
    return run


def _follows(earlier: str, later: str) -> bool:
    if earlier.isdigit() and later.isdigit():
        return int(later) == int(earlier) + 1
    return len(earlier) == len(later) == 1 and ord(later) == ord(earlier) + 1


def _ends(text: str) -> str:
    return f"{text[:HEAD_CHARACTERS]}\n{text[-TAIL_CHARACTERS:]}"


@dataclass(frozen=True)
class _Lexicon:
    names: tuple[str, ...]
    words: dict[str, tuple[int, ...]]  # the lists a single word stands in: one look-up a word, not one search a list
    phrases: tuple[re.Pattern[str] | None, ...]  # what else a list holds
    opening: tuple[re.Pattern[str], ...]


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads(files("semcache.decision.routing").joinpath("surface.toml").read_text("utf-8"))
    lists = list(data["counted"].values())
    words: dict[str, tuple[int, ...]] = {}
    for place, each in enumerate(lists):
        for word in filter(str.isalpha, each):
            words[word] = (*words.get(word, ()), place)
    phrases = [[pattern for pattern in each if not pattern.isalpha()] for each in lists]
    return _Lexicon(
        names=(*data["counted"], *data["opening"]),
        words=words,
        phrases=tuple(re.compile(rf"\b(?:{'|'.join(each)})(?!\w)") if each else None for each in phrases),
        opening=tuple(
            re.compile(rf"(?:^|[.?!:;,]\s+|\n)(?:{'|'.join(each)})(?!\w)") for each in data["opening"].values()
        ),
    )
