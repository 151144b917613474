"""What a call costs today, and what the same request would have cost as it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from semcache.message import Usage
from semcache.pricing import Model, PriceBook
from semcache.request import AUTO_MODEL, Request

Clock = Callable[[], float]
Price = Callable[[str, Usage], Decimal | None]  # model, usage → dollars; None: the model has no known price
Baseline = Callable[[Request, str, Usage], Decimal | None]
"""The request, the model that answered, what that one counted → dollars of the same request as it came."""


def baseline_at(prices: PriceBook, chosen_for_auto: Model, clock: Clock) -> Baseline:
    """What the same request would have cost on the model that the caller named; for `auto`, on the usual choice.

    Another tokenizer counts the same text differently. What the other model would have thought, nobody knows: it is
    taken to have written as much.
    """

    def baseline(request: Request, served: str, usage: Usage) -> Decimal | None:
        named = chosen_for_auto if request.model == AUTO_MODEL else prices.model(request.model)
        answered = prices.model(served)
        today = datetime.fromtimestamp(clock(), UTC).date()
        if named is None or answered is None or named.id == answered.id:
            return prices.cost_usd(served, usage, on=today)
        return prices.cost_usd(named.id, usage.recounted(named.tokenizer_factor / answered.tokenizer_factor), on=today)

    return baseline


def price_at(prices: PriceBook, clock: Clock) -> Price:
    """Today's price of a call."""

    def price(model: str, usage: Usage) -> Decimal | None:
        today = datetime.fromtimestamp(clock(), UTC).date()
        return prices.cost_usd(model, usage, on=today)

    return price
