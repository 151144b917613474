"""The local judge: normalised texts, the values and the polarity that two answers state, and their similarity."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from semcache.decision.profile import Profile
from semcache.decision.sameness.outcomes import Different, Pairing, Same, Sameness, Uncertain
from semcache.decision.words import normal
from semcache.entry import Embedding

_PACKAGE = "semcache.decision.sameness"
_MARKUP = re.compile(r"[*_`#>|]+")
_PUNCTUATION = re.compile(r"[^\w\s%$€£°/+=<>-]+")
_CERTAIN = 0.99


@dataclass(frozen=True)
class _Phrasing:
    openings: re.Pattern[str]
    closings: re.Pattern[str]
    yes: re.Pattern[str]
    no: re.Pattern[str]
    refusals: re.Pattern[str]


class LocalJudge:
    """Costs a forward pass for each answer at most. Raises `EmbedderError`."""

    def __init__(self, embed: Callable[[str], Embedding]) -> None:
        self._embed = embed
        scale = _data("local.toml")
        self._same_from, self._different_below = scale["same_from"], scale["different_below"]
        self._intercept, self._slope = scale["intercept"], scale["slope"]

    def compare(self, pairing: Pairing) -> Sameness:
        """Whether the answers are interchangeable; the cheapest proof first."""
        fresh, stored = (_essence(message.text) for message in (pairing.fresh, pairing.stored))
        if _flat(fresh) == _flat(stored):
            return Same("equal", _CERTAIN)
        if conflict := _conflict(fresh, stored):
            return Different(conflict, _CERTAIN)
        similarity = _similarity(self._embed(fresh), self._embed(stored))
        probability = 1 / (1 + math.exp(-(self._intercept + self._slope * similarity)))
        if similarity < self._different_below:
            return Different("unlike", 1 - probability)
        if similarity >= self._same_from and _values(fresh) == _values(stored):
            return Same("alike", probability)
        return Uncertain("alike-to-a-degree", probability)


def _conflict(fresh: str, stored: str) -> str | None:
    """What the two answers cannot both be right about."""
    phrasing = _phrasing()
    if bool(phrasing.refusals.search(fresh)) != bool(phrasing.refusals.search(stored)):
        return "refusal"
    if (_polarity(fresh), _polarity(stored)) in ((True, False), (False, True)):
        return "polarity"
    mine, yours = Profile.of(fresh), Profile.of(stored)
    for name in ("numbers", "ids", "versions", "dates"):
        if _contradict(getattr(mine.slots, name), getattr(yours.slots, name)):
            return name
    return None


def _contradict(mine: Iterable[object], yours: Iterable[object]) -> bool:
    """Each names a value that the other lacks. One that only says more contradicts nothing."""
    left, right = Counter(mine), Counter(yours)
    return bool(left - right) and bool(right - left)


def _values(text: str) -> tuple[Counter[object], ...]:
    slots = Profile.of(text).slots
    return tuple(Counter(getattr(slots, name)) for name in ("numbers", "ids", "versions", "dates"))


def _polarity(text: str) -> bool | None:
    phrasing = _phrasing()
    if phrasing.no.match(text):
        return False
    return True if phrasing.yes.match(text) else None


def _essence(text: str) -> str:
    """The answer without what is said around it, folded."""
    phrasing = _phrasing()
    plain = " ".join(_MARKUP.sub(" ", normal(text)).casefold().split())
    shorter = phrasing.closings.sub(" ", phrasing.openings.sub("", plain, count=1)).strip()
    return shorter or plain


def _flat(text: str) -> str:
    return " ".join(_PUNCTUATION.sub(" ", text).split())


def _similarity(one: Embedding, other: Embedding) -> float:
    """The cosine of short texts; of long ones that of their least matched windows, both ways."""
    if len(one.windows) == len(other.windows) == 1:
        return float(one.vector @ other.vector)
    likeness = one.windows @ other.windows.T
    return min(float(likeness.max(axis=0).min()), float(likeness.max(axis=1).min()))


@cache
def _phrasing() -> _Phrasing:
    data = _data("phrasing.toml")
    opening, closing = "|".join(data["openings"]), "|".join(data["closings"])
    return _Phrasing(
        openings=re.compile(rf"^(?:(?:{opening})\s*)+"),
        closings=re.compile(rf"(?:{closing})"),
        yes=re.compile(rf"(?:{'|'.join(data['yes'])})\b"),
        no=re.compile(rf"(?:{'|'.join(data['no'])})\b"),
        refusals=re.compile("|".join(data["refusals"])),
    )


def _data(name: str) -> dict[str, Any]:
    return tomllib.loads(files(_PACKAGE).joinpath(name).read_text("utf-8"))
