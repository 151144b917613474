"""The price book: which model a name means, what a call costs, and what a wrong name probably meant."""

from __future__ import annotations

import difflib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypedDict, Unpack

from semcache.message import Usage
from semcache.pricing.manifest import Manifest, read_manifest
from semcache.pricing.model import Lifecycle, Model, Prices
from semcache.shipped import find_shipped

MANIFEST_NAME = "claude.toml"
_RATES_KEPT = 1024


class Terms(TypedDict, total=False):
    """What changes the price of a call; absent means what the usage says."""

    batch: bool
    fast: bool
    us_inference: bool


class Costs(NamedTuple):
    """US dollars of one call by category of tokens."""

    input: Decimal
    output: Decimal
    cache_write: Decimal
    cache_read: Decimal


class _Rates(NamedTuple):
    """US dollars for one token of each category."""

    input: Decimal
    output: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    cache_read: Decimal


class _Occasion(NamedTuple):
    """All that decides the rates of a call."""

    model_id: str
    on: date
    is_long: bool
    batch: bool = False
    fast: bool = False
    us_inference: bool = False


class PriceBook:
    """Models and prices of one manifest."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._by_name = {name: model for model in manifest.models for name in (model.id, *model.aliases)}
        self._rates: dict[_Occasion, _Rates | None] = {}

    @classmethod
    def load(cls, path: Path) -> PriceBook:
        """Raises `ManifestError`, naming the file and the key."""
        return cls(read_manifest(path))

    @property
    def checked(self) -> date:
        """The day on which the prices were last compared with their sources."""
        return self._manifest.checked

    @property
    def models(self) -> tuple[Model, ...]:
        return self._manifest.models

    def model(self, name: str) -> Model | None:
        """The model of this id or alias."""
        return self._by_name.get(name)

    def suggestion(self, name: str) -> str | None:
        """The id that was probably meant by a name that does not answer; None: no idea, or it answers."""
        known = self._by_name.get(name)
        if known is not None and known.lifecycle is not Lifecycle.RETIRED:
            return None
        if name in self._manifest.never_existed:
            return self._manifest.never_existed[name]
        if known is not None or name in self._manifest.retired:
            return self._newest(known.line if known else self._manifest.retired[name])
        near = difflib.get_close_matches(name, self._by_name, n=1, cutoff=0.7)
        return near[0] if near else None

    def cost_usd(self, name: str, usage: Usage, *, on: date, **terms: Unpack[Terms]) -> Decimal | None:
        """What the call cost on that day, to the last digit.

        None where no price is known: an unknown model, or fast mode where the model has none or
        in a batch.
        """
        costs = self.costs_usd(name, usage, on=on, **terms)
        return None if costs is None else costs.input + costs.output + costs.cache_write + costs.cache_read

    def costs_usd(self, name: str, usage: Usage, *, on: date, **terms: Unpack[Terms]) -> Costs | None:
        """The same by category of tokens."""
        model = self._by_name.get(name)
        if model is None:
            return None
        is_long = model.long_prompt is not None and usage.prompt_tokens > model.long_prompt.above_tokens
        served = Terms(batch=usage.is_batch, fast=usage.is_fast, us_inference=usage.is_us)
        served.update(terms)
        rates = self._rates_for(model, _Occasion(model.id, on, is_long, **served))
        if rates is None:
            return None
        return Costs(
            usage.input_tokens * rates.input,
            usage.output_tokens * rates.output,
            usage.cache_write_5m_tokens * rates.cache_write_5m + usage.cache_write_1h_tokens * rates.cache_write_1h,
            usage.cache_read_tokens * rates.cache_read,
        )

    def _rates_for(self, model: Model, occasion: _Occasion) -> _Rates | None:
        try:
            return self._rates[occasion]
        except KeyError:
            if len(self._rates) >= _RATES_KEPT:
                self._rates.clear()
            rates = self._rates[occasion] = self._work_out(model, occasion)
            return rates

    def _work_out(self, model: Model, occasion: _Occasion) -> _Rates | None:
        prices = _listed(model, occasion)
        if prices is None:
            return None
        factor = Decimal(1).scaleb(-6)
        if occasion.batch:
            factor *= self._manifest.batch_factor
        if occasion.us_inference and model.us_inference_multiplier is not None:
            factor *= model.us_inference_multiplier
        return _Rates(
            prices.input * factor,
            prices.output * factor,
            prices.cache_write_5m * factor,
            prices.cache_write_1h * factor,
            prices.cache_read * factor,
        )

    def _newest(self, line: str) -> str | None:
        current = [
            model
            for model in self.models
            if model.line == line and model.lifecycle is Lifecycle.ACTIVE and model.released is not None
        ]
        return max(current, key=lambda model: model.released or date.min).id if current else None


def find_claude_manifest(models_dir: Path | None) -> Path:
    """The manifest in `models_dir`, else the one shipped in the package, else the repository's."""
    return find_shipped(MANIFEST_NAME, models_dir)


def _listed(model: Model, occasion: _Occasion) -> Prices | None:
    if occasion.fast:
        return None if occasion.batch else model.fast_prices_on(occasion.on)
    if occasion.is_long and model.long_prompt is not None:
        return model.long_prompt.prices
    return model.prices_on(occasion.on)
