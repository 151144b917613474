"""What the facts of a block are worth: who stated them, what became of them, and how often they come up."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from semcache.strategies.compression.facts import Fact, Kind, facts_of, names_in
from semcache.strategies.compression.old_turns import OldTurns, Unit
from semcache.strategies.compression.phrases import folded, phrases
from semcache.strategies.compression.sentences import sentences_of

_MOST_REPEATS = 3
_OPENING_SENTENCES = 2  # of a reply: where it takes up what was said, or turns away from it


@dataclass(frozen=True)
class Weights:
    """The tables of weights.toml."""

    facts: Mapping[str, float]
    speech: Mapping[str, float]
    shape: Mapping[str, float]
    relevance: Mapping[str, float]


@cache
def shipped_weights() -> Weights:
    """The weights that ship with the package."""
    text = files("semcache.strategies.compression").joinpath("weights.toml").read_text("utf-8")
    return Weights(**tomllib.loads(text))


@dataclass(frozen=True)
class Stock:
    """The facts of each unit, and what each fact is worth."""

    facts: Sequence[tuple[Fact, ...]]
    worth: Mapping[Fact, float]


def stock_of(old: OldTurns, after: Sequence[str], weights: Weights) -> Stock:
    """`after` are the user turns right behind the block."""
    texts = [unit.text for unit in old.units]
    names = names_in([*texts, *after])
    facts = [facts_of(text, names) for text in texts]
    wanted = frozenset(fact for text in after for fact in facts_of(text, names))
    standings = _standings(old, after, weights)
    return Stock(facts, _worths(old, facts, standings, _Scale(weights, wanted)))


@dataclass(frozen=True)
class _Scale:
    weights: Weights
    wanted: frozenset[Fact]


def _worths(
    old: OldTurns, facts: Sequence[tuple[Fact, ...]], standings: Sequence[float], scale: _Scale
) -> dict[Fact, float]:
    best: dict[Fact, float] = {}
    turns: dict[Fact, set[int]] = {}
    for unit, stated, standing in zip(old.units, facts, standings, strict=True):
        for fact in stated:
            best[fact] = max(best.get(fact, 0.0), 1.0 if fact.kind is Kind.WORD else standing)
            turns.setdefault(fact, set()).add(unit.message)
    shape, longest = scale.weights.shape, max(len(old.messages), 1)
    worths = {}
    for fact, standing in best.items():
        repeats = min(len(turns[fact]) - 1, _MOST_REPEATS)
        worth = scale.weights.facts[fact.kind.value] * standing * (1 + shape["repeated"] * repeats)
        worth *= 1 + shape["recency"] * max(turns[fact]) / longest
        worths[fact] = worth * (1 + shape["wanted"] * (fact in scale.wanted))
    return worths


def _standings(old: OldTurns, after: Sequence[str], weights: Weights) -> list[float]:
    """Of each unit how much its speaker's word counts, after what the user replied to it."""
    replies = [_opening(reply) for reply in old.replies(after)]
    return [_standing(unit, replies[unit.exchange], weights.speech) for unit in old.units]


def _standing(unit: Unit, reply: str, speech: Mapping[str, float]) -> float:
    if unit.is_users:
        return speech["user"]
    if phrases().rejected.search(reply):
        return speech["rejected"]
    if phrases().affirmed.search(reply):
        return speech["affirmed"] if unit.sentence.asks else 1.0
    return speech["assistant"]


def _opening(reply: str) -> str:
    return folded(" ".join(sentence.text for sentence in sentences_of(reply[:2000])[:_OPENING_SENTENCES]))
