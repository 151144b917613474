"""What the wording of a question says before any comparison: bound to a moment, to a person, or to what was said."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from semcache.decision.lexicon import lexicon
from semcache.decision.words import normal, words_of

_ENOUGH_CONTENT = 2  # content words without which a follow-up says too little by itself
_READ_CHARACTERS = 4_000  # of a longer text, its beginning and its end: between them stands pasted material


@dataclass(frozen=True)
class _Wording:
    """The patterns of wording.toml."""

    time_bound: re.Pattern[str]
    timeless: re.Pattern[str]
    personal: re.Pattern[str]
    replies: re.Pattern[str]
    expletives: re.Pattern[str]
    leaning: frozenset[str]
    complements: frozenset[str]


def is_time_bound(text: str) -> bool:
    """Whether the right answer changes with the day: "latest", "today", prices, status, weather."""
    wording = _wording()
    return wording.time_bound.search(wording.timeless.sub(" ", _plain(text))) is not None


def is_personal(text: str) -> bool:
    """Whether the text introduces a person, or asks for the state of an account."""
    return _wording().personal.search(_plain(text)) is not None


def stands_alone(text: str, history_turns: int) -> bool:
    """Whether a text can be understood without the turns before it. In doubt it cannot."""
    if history_turns == 0:
        return True
    wording, plain = _wording(), _plain(text)
    words = words_of(wording.expletives.sub(" ", plain)).folded
    if wording.replies.match(plain) or not wording.leaning.isdisjoint(words):
        return False
    if words[:1] in (("why",), ("how",)) and len(words) <= 3:
        return False
    stop = lexicon().stop
    content = sum(word not in stop for word in words)
    return content >= _ENOUGH_CONTENT and not _names_something_known(words, wording.complements)


@cache
def _wording() -> _Wording:
    data = tomllib.loads(files("semcache.decision").joinpath("wording.toml").read_text("utf-8"))
    return _Wording(
        time_bound=_any_of(data["time_bound"]),
        timeless=_any_of(data["timeless"]),
        personal=_any_of(data["personal"]),
        replies=_any_of(data["replies"]),
        expletives=_any_of(data["expletives"]),
        leaning=frozenset(data["leaning"]),
        complements=frozenset(data["complements"]),
    )


def _any_of(fragments: list[str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(fragments) + r")\b")


def _plain(text: str) -> str:
    if len(text) > 2 * _READ_CHARACTERS:
        text = f"{text[:_READ_CHARACTERS]} {text[-_READ_CHARACTERS:]}"
    return " ".join(normal(text).casefold().split())


def _names_something_known(words: tuple[str, ...], complements: frozenset[str]) -> bool:
    """Find a definite thing ("the sauce") that nothing in the sentence defines."""
    places = (index for index, word in enumerate(words) if word == "the")
    return any(complements.isdisjoint(words[index + 2 : index + 5]) for index in places)
