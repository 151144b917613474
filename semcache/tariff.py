"""What a call costs today, and what the same request would have counted as it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from semcache.message import Usage
from semcache.pricing import Model, PriceBook
from semcache.request import AUTO_MODEL, Request

Clock = Callable[[], float]
Price = Callable[[str, Usage], Decimal | None]  # model, usage → dollars; None: the model has no known price
Recount = Callable[[Request, str, Usage], tuple[str, Usage]]
"""The request, the model that answered, what that one counted → the model of the baseline, what it would have."""


def recounts(prices: PriceBook, chosen_for_auto: Model) -> Recount:
    """What the same request would have counted on the model that the caller named; for `auto`, on the usual choice.

    Another tokenizer counts the same text differently. What the other model would have thought, nobody knows: it is
    taken to have written as much.
    """

    def recount(request: Request, served: str, usage: Usage) -> tuple[str, Usage]:
        named = chosen_for_auto if request.model == AUTO_MODEL else prices.model(request.model)
        answered = prices.model(served)
        if named is None or answered is None or named.id == answered.id:
            return served, usage
        return named.id, usage.recounted(named.tokenizer_factor / answered.tokenizer_factor)

    return recount


def price_at(prices: PriceBook, clock: Clock) -> Price:
    """Today's price of a call."""

    def price(model: str, usage: Usage) -> Decimal | None:
        today = datetime.fromtimestamp(clock(), UTC).date()
        return prices.cost_usd(model, usage, on=today)

    return price


def price_on(prices: PriceBook, day: date) -> Price:
    """The price of a call on one day, whenever it is made."""
    return lambda model, usage: prices.cost_usd(model, usage, on=day)
