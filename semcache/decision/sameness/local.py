"""The local judge: normalised texts, the values and the polarity that two answers state, and their likeness."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from semcache.decision.guards import conflicts_between, is_disagreed
from semcache.decision.profile import Profile
from semcache.decision.sameness.likeness import LIKENESS, Embed, has_other_code, least_window, likeness, template
from semcache.decision.sameness.outcomes import Different, Pairing, Same, Sameness, Uncertain
from semcache.decision.sameness.said import Said, contradiction
from semcache.decision.words import normal
from semcache.errors import ManifestError

_PACKAGE = "semcache.decision.sameness"
_MARKUP = re.compile(r"[*_`#>|]+")
_PUNCTUATION = re.compile(r"[^\w\s%$€£°/+=<>-]+")
_DOUBTS = ("units", "opposites", "language", "quantifier", "names", "direction", "order", "negation", "quotes")


@dataclass(frozen=True)
class Scale:
    """What the likeness of two answers is worth: benchmarks/judge_quality.py fits it."""

    weights: tuple[float, ...]  # one for each of LIKENESS
    intercept: float
    same_from: float  # at or above this probability, and without a doubt: the same
    different_below: float
    template_from: float  # sentences with so large a share of words in common are one but for a detail
    window_from: float  # windows of long answers that are less alike say different things
    equal_certainty: float
    conflict_certainty: float

    @classmethod
    def shipped(cls) -> Scale:
        """Raises `ManifestError` where a figure is missing."""
        data = _data("local.toml")
        try:
            weights = tuple(float(data["weights"][name]) for name in LIKENESS)
            return cls(weights, **{name: float(data[name]) for name in _FIGURES})
        except KeyError as error:
            raise ManifestError(
                f"local.toml of {_PACKAGE}: no {error}; run benchmarks/judge_quality.py --fit"
            ) from error

    def probability(self, values: list[float]) -> float:
        """Of two answers with this likeness being the same."""
        logit = self.intercept + sum(weight * value for weight, value in zip(self.weights, values, strict=True))
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, logit))))


_FIGURES = tuple(field.name for field in fields(Scale) if field.name != "weights")


@dataclass(frozen=True)
class _Phrasing:
    openings: re.Pattern[str]
    closings: re.Pattern[str]
    yes: re.Pattern[str]
    no: re.Pattern[str]
    refusals: re.Pattern[str]


class LocalJudge:
    """Costs a forward pass for each answer at most. Raises `EmbedderError`."""

    def __init__(self, embed: Embed, *, scale: Scale | None = None) -> None:
        self._embed = embed
        self._scale = scale or Scale.shipped()

    def compare(self, pairing: Pairing) -> Sameness:
        """Whether the answers are interchangeable; the cheapest proof first."""
        scale = self._scale
        if settled := settled_by_rule(pairing, scale):
            return settled
        mine, yours = said_in(pairing)
        embeddings = self._embed(mine.plain, tokens=True), self._embed(yours.plain, tokens=True)
        probability = scale.probability(likeness(mine, yours, embeddings))
        if probability < scale.different_below:
            return Different("unlike", 1 - probability)
        if probability < scale.same_from:
            return Uncertain("alike-to-a-degree", probability)
        doubt = doubt_about(pairing, scale)
        if doubt is None and least_window(*embeddings) < scale.window_from:
            doubt = "windows"
        return Same("alike", probability) if doubt is None else Uncertain(doubt, probability)


def settled_by_rule(pairing: Pairing, scale: Scale) -> Same | Different | None:
    """What needs no embedding: equal texts, and what two answers cannot both be right about."""
    fresh, stored = (_folded(_essence(message.text)) for message in (pairing.fresh, pairing.stored))
    if _flat(fresh) == _flat(stored):
        return Same("equal", scale.equal_certainty)
    phrasing = _phrasing()
    if bool(phrasing.refusals.search(fresh)) != bool(phrasing.refusals.search(stored)):
        return Different("refusal", scale.conflict_certainty)
    if (_polarity(fresh), _polarity(stored)) in ((True, False), (False, True)):
        return Different("polarity", scale.conflict_certainty)
    if kind := contradiction(*said_in(pairing)):
        return Different(kind, scale.conflict_certainty)
    return None


def doubt_about(pairing: Pairing, scale: Scale) -> str | None:
    """Why likeness does not suffice: such pairs are alike and often not the same. None: nothing."""
    mine, yours = said_in(pairing)
    if has_other_code(mine, yours):
        return "code"
    if mine.shapes != yours.shapes:
        return "shape"
    if template(mine, yours) >= scale.template_from:
        return "template"
    for guard in _DOUBTS:
        if is_disagreed(guard, mine.profile, yours.profile):
            return guard
    if mine.values != yours.values:
        return "values"
    asked, stored = Profile.of(pairing.asked), Profile.of(pairing.stored_question)
    return next((f"question-{conflict.guard}" for conflict in conflicts_between(asked, stored)), None)


def said_in(pairing: Pairing) -> tuple[Said, Said]:
    """Both answers without their courtesies."""
    return Said.of(_essence(pairing.fresh.text)), Said.of(_essence(pairing.stored.text))


def _polarity(text: str) -> bool | None:
    phrasing = _phrasing()
    if phrasing.no.match(text):
        return False
    return True if phrasing.yes.match(text) else None


def _essence(text: str) -> str:
    """The answer without what is said around it."""
    phrasing, plain = _phrasing(), normal(text).strip()
    shorter = phrasing.closings.sub(" ", phrasing.openings.sub("", plain, count=1)).strip()
    return shorter or plain


def _folded(text: str) -> str:
    return " ".join(_MARKUP.sub(" ", text).casefold().split())


def _flat(text: str) -> str:
    return " ".join(_PUNCTUATION.sub(" ", text).split())


@cache
def _phrasing() -> _Phrasing:
    data = _data("phrasing.toml")
    opening, closing = "|".join(data["openings"]), "|".join(data["closings"])
    return _Phrasing(
        openings=re.compile(rf"^(?:(?:{opening})(?!\w)\s*)+", re.IGNORECASE),
        closings=re.compile(rf"(?:{closing})", re.IGNORECASE),
        yes=re.compile(rf"(?:{'|'.join(data['yes'])})\b"),
        no=re.compile(rf"(?:{'|'.join(data['no'])})\b"),
        refusals=re.compile("|".join(data["refusals"])),
    )


def _data(name: str) -> dict[str, Any]:
    return tomllib.loads(files(_PACKAGE).joinpath(name).read_text("utf-8"))
