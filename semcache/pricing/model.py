"""A Claude model as data: what it costs, how far it goes, and which shapes of request it accepts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum


class Lifecycle(Enum):
    """Legacy models are active but superseded; retired ones no longer answer."""

    ACTIVE = "active"
    LEGACY = "legacy"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class Tier(Enum):
    """How strong, and how dear, a model is among the others."""

    SMALL = "small"
    MIDDLE = "middle"
    LARGE = "large"
    TOP = "top"


class Disabled(Enum):
    """Whether `thinking: {"type": "disabled"}` is accepted."""

    YES = "yes"
    NO = "no"
    UP_TO_HIGH = "up to high"  # at effort low, medium or high


class Sampling(Enum):
    """What of temperature, top_p and top_k is accepted under anthropic-version 2023-06-01."""

    ANY = "any"
    ONE = "one"  # temperature or top_p, not both
    NONE = "none"


class Preserved(Enum):
    """Whether a thinking block sent back behind a changed prefix is refused."""

    ALWAYS = "always"
    NEW_ACCOUNTS = "new accounts"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens, by category. `since` is None where they hold since the release."""

    input: Decimal
    output: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    cache_read: Decimal
    since: date | None = None


@dataclass(frozen=True, slots=True)
class LongPrompt:
    """The whole request costs `prices` when its prompt, cached tokens included, is above the step."""

    above_tokens: int
    prices: Prices


@dataclass(frozen=True, slots=True)
class FastMode:
    """Prices of `speed: "fast"`; `until` is the first day without it."""

    prices: Prices
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """Accepted `thinking.type` values (without `disabled`), and what an omitted field means."""

    types: tuple[str, ...]
    on_by_default: bool
    disabled: Disabled
    display: str  # "omitted" or "summarized"


@dataclass(frozen=True, slots=True)
class Effort:
    """Accepted `output_config.effort` levels, weakest first, and the one meant by omission."""

    levels: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the manifest."""

    id: str
    aliases: tuple[str, ...]
    display_name: str
    line: str
    tier: Tier
    released: date | None
    lifecycle: Lifecycle
    deprecated_at: date | None
    retires_at: date | None
    retires_not_before: date | None
    limited: bool
    context_window: int
    max_output_tokens: int
    max_output_tokens_batch: int | None
    min_cacheable_tokens: int
    tokenizer_factor: Decimal
    us_inference_multiplier: Decimal | None
    thinking: Thinking
    effort: Effort | None
    forced_tool_choice: bool
    prefill: bool
    sampling: Sampling
    preserved_thinking: Preserved
    prices: tuple[Prices, ...]  # oldest first
    long_prompt: LongPrompt | None
    fast: FastMode | None

    def answers_on(self, day: date) -> bool:
        """Whether requests naming it are still answered."""
        if self.retires_at is not None:
            return day < self.retires_at
        return self.lifecycle is not Lifecycle.RETIRED

    def prices_on(self, day: date) -> Prices:
        """The row in force; before the first one, the first."""
        rows = [row for row in self.prices if row.since is None or row.since <= day]
        return rows[-1] if rows else self.prices[0]

    def fast_prices_on(self, day: date) -> Prices | None:
        """Prices of fast mode, None where the model has none (any more)."""
        if self.fast is None or (self.fast.until is not None and day >= self.fast.until):
            return None
        return self.fast.prices
