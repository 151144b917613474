"""What the wording of a question says before any comparison: bound to a moment, or to a person."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from semcache.decision.words import normal

_READ_CHARACTERS = 4_000  # of a longer text, its beginning and its end: between them stands pasted material


@dataclass(frozen=True)
class _Wording:
    """The patterns of wording.toml."""

    time_bound: re.Pattern[str]
    timeless: re.Pattern[str]
    personal: re.Pattern[str]


def is_time_bound(text: str) -> bool:
    """Whether the right answer changes with the day: "latest", "today", prices, status, weather."""
    wording = _wording()
    return wording.time_bound.search(wording.timeless.sub(" ", _plain(text))) is not None


def is_personal(text: str) -> bool:
    """Whether the text introduces a person, or asks for the state of an account."""
    return _wording().personal.search(_plain(text)) is not None


@cache
def _wording() -> _Wording:
    data = tomllib.loads(files("semcache.decision").joinpath("wording.toml").read_text("utf-8"))
    return _Wording(
        time_bound=_any_of(data["time_bound"]),
        timeless=_any_of(data["timeless"]),
        personal=_any_of(data["personal"]),
    )


def _any_of(fragments: list[str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(fragments) + r")\b")


def _plain(text: str) -> str:
    if len(text) > 2 * _READ_CHARACTERS:
        text = f"{text[:_READ_CHARACTERS]} {text[-_READ_CHARACTERS:]}"
    return " ".join(normal(text).casefold().split())
