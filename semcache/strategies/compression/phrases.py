"""The words that compression listens for, read once from phrases.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Phrases:
    """Patterns search folded text; the sets hold folded words."""

    constraints: re.Pattern[str]
    open: re.Pattern[str]
    affirmed: re.Pattern[str]
    rejected: re.Pattern[str]
    pronouns: re.Pattern[str]
    expletives: re.Pattern[str]
    definitions: re.Pattern[str]
    conditions: re.Pattern[str]
    openings: re.Pattern[str]
    everything: re.Pattern[str]
    numbers: frozenset[str]
    calendar: frozenset[str]
    joining: frozenset[str]


@cache
def phrases() -> Phrases:
    """The phrases that ship with the package."""
    data = tomllib.loads(files("semcache.strategies.compression").joinpath("phrases.toml").read_text("utf-8"))
    figures = data["figures"]
    return Phrases(
        constraints=_any_of(data["constraints"]),
        open=_any_of(data["open"]),
        affirmed=_any_of(data["affirmed"]),
        rejected=_any_of(data["rejected"]),
        pronouns=_any_of(data["pronouns"]),
        expletives=_any_of(data["expletives"]),
        definitions=_any_of(data["definitions"]),
        conditions=_any_of(data["conditions"]),
        openings=re.compile(rf"\s*(?:(?:{'|'.join(data['openings'])})[,:]?\s+)+"),
        everything=_any_of(data["everything"]),
        numbers=frozenset(figures["numbers"].split()),
        calendar=frozenset(figures["calendar"].split()),
        joining=frozenset(figures["joining"].split()),
    )


def folded(text: str) -> str:
    return text.replace("\u2019", "'").casefold()


def _any_of(fragments: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(fragments)})(?!\w)")
