"""How much a system prompt is used, and what it costs in a month: from what the service took down, or as stated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from semcache.optimizing.protected import flat
from semcache.pricing import Model, estimate_tokens
from semcache.stores.store import Store
from semcache.strategies.approved_prompts import prompt_hash
from semcache.strategies.system_prompts import DOCUMENT, MOST_KEPT, SystemPrompt

MONTH_SECONDS = 30 * 86_400.0
_LEAST_OBSERVED_SECONDS = 3600.0


@dataclass(frozen=True)
class Volume:
    """How often a prompt is sent in a month, and what a token of it costs then."""

    requests_per_month: float
    usd_per_token: float
    source: str  # in words

    def monthly_usd(self, tokens: float) -> float:
        return self.requests_per_month * self.usd_per_token * tokens


def costliest(store: Store, most: int) -> list[SystemPrompt]:
    """The system prompts that cost most, as the service last wrote them; what is unreadable is nothing."""
    content = store.load_document(DOCUMENT)
    try:
        rows = [] if content is None else json.loads(content.decode("utf-8", "surrogatepass"))
        found = [SystemPrompt(**row) for row in rows]
    except (ValueError, TypeError):
        return []
    return sorted(found, key=lambda each: -each.cost_usd)[:most]


def observed_volume(prompt: SystemPrompt) -> Volume | None:
    """None where it was not seen for long enough to say anything of a month."""
    seconds = prompt.last_at - prompt.first_at
    if seconds < _LEAST_OBSERVED_SECONDS or not prompt.requests:
        return None
    return Volume(
        prompt.requests * MONTH_SECONDS / seconds,
        prompt.cost_usd / (prompt.requests * prompt.tokens),
        f"{prompt.requests} requests in {seconds / 86_400:.1f} days, at what they cost",
    )


def stated_volume(requests_per_month: float, model: Model, on: date) -> Volume:
    """At list prices, read from no cache."""
    rate = model.prices_on(on).input * model.tokenizer_factor * Decimal(1).scaleb(-6)
    return Volume(requests_per_month, float(rate), f"{requests_per_month:,.0f} requests at the list price, uncached")


def volume_of(store: Store, text: str) -> Volume | None:
    """What is known of this text. Raises `StoreError`."""
    prompt = next((each for each in costliest(store, MOST_KEPT) if each.hash == prompt_hash(text)), None)
    return None if prompt is None else observed_volume(prompt)


def title_of(text: str, *, characters: int = 60) -> str:
    """The beginning of a prompt, for tables."""
    line = flat(text)
    return line if len(line) <= characters else f"{line[: characters - 1]}…"


def tokens_on(text: str, model: Model | None) -> int:
    """As this model counts, roughly."""
    return int(estimate_tokens(text) * (model.tokenizer_factor if model is not None else 1))
