"""Arms: a model with the effort it is asked for, and what a request is expected to cost on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import IntEnum

from semcache.errors import SettingsError
from semcache.pricing import Model, PriceBook, Tier

_PER_MILLION = Decimal(1).scaleb(-6)


class Level(IntEnum):
    """How much a request asks of a model."""

    SIMPLE = 0
    MODERATE = 1
    COMPLEX = 2

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def read(cls, word: str) -> Level:
        """Raises `ValueError`."""
        known = {level.word: level for level in cls}
        if word not in known:
            raise ValueError(f"use {', '.join(known)}, not {word!r}")
        return known[word]


@dataclass(frozen=True, slots=True)
class Arm:
    """`effort` None: the model's default."""

    model: Model
    effort: str | None = None

    def __str__(self) -> str:
        return self.model.id if self.effort is None else f"{self.model.id}@{self.effort}"

    def is_weaker_than(self, model: Model) -> bool:
        return _STRENGTH[self.model.tier] < _STRENGTH[model.tier]


_STRENGTH = {tier: place for place, tier in enumerate(Tier)}


@dataclass(frozen=True, slots=True)
class Load:
    """What a request brings, in tokens of the older tokenizer: multiplied by a model's factor, they are its own.

    `warm_tokens` of the prompt are in this model's prompt cache; where `writes` is set, the others are written to it.
    """

    prompt_tokens: int
    output_tokens: int
    warm_tokens: int = 0
    writes: bool = False


def expected_cost_usd(model: Model, load: Load, *, on: date) -> Decimal:
    """What a request of this size costs there, at the prices of the day and of its length."""
    prompt, warm = load.prompt_tokens * model.tokenizer_factor, load.warm_tokens * model.tokenizer_factor
    prices = model.prices_on(on)
    if model.long_prompt is not None and prompt > model.long_prompt.above_tokens:
        prices = model.long_prompt.prices
    fresh = prices.cache_write_5m if load.writes else prices.input
    output = load.output_tokens * model.tokenizer_factor * prices.output
    return ((prompt - warm) * fresh + warm * prices.cache_read + output) * _PER_MILLION


def read_arm(text: str, prices: PriceBook, *, where: str) -> Arm:
    """`claude-haiku-5-5` or `claude-haiku-5-5@low`. Raises `SettingsError`, with the model that was probably meant."""
    name, _, effort = text.partition("@")
    model = prices.model(name)
    if model is None:
        near = prices.suggestion(name)
        raise SettingsError(f"{where}: there is no model {name}" + (f"; did you mean {near}?" if near else ""))
    if model.limited:
        raise SettingsError(f"{where}: {model.id} is not open to every account, so nothing is routed to it")
    levels = () if model.effort is None else model.effort.levels
    if effort and effort not in levels:
        takes = f"takes {', '.join(levels)}" if levels else "takes no effort"
        raise SettingsError(f"{where}: {model.id} {takes}, not {effort!r}")
    return Arm(model, effort or None)
