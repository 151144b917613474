"""What a call costs today, and what the same request would have counted as it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

from semcache.message import Message, Usage
from semcache.pricing import Model, PriceBook, estimate_tokens
from semcache.request import AUTO_MODEL, Request, encode_json

Clock = Callable[[], float]
Price = Callable[[str, Usage], Decimal | None]  # model, usage → dollars; None: the model has no known price
Count = Callable[[str, Message], int]  # model, what has arrived of its message → output tokens
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


def counts(prices: PriceBook) -> Count:
    """Output tokens as they were counted, or where the count is missing, by the size of what has arrived."""

    def count(model: str, message: Message) -> int:
        known, said = prices.model(model), 0
        for block in message.blocks:
            said += sum(estimate_tokens(value) for value in (block.get("text"), block.get("thinking")) if value)
            said += estimate_tokens(encode_json(block["input"]).decode()) if block.get("input") else 0
        return max(message.usage.output_tokens, int(said * (known.tokenizer_factor if known is not None else 1)))

    return count


def price_at(prices: PriceBook, clock: Clock) -> Price:
    """Today's price of a call."""

    def price(model: str, usage: Usage) -> Decimal | None:
        today = datetime.fromtimestamp(clock(), UTC).date()
        return prices.cost_usd(model, usage, on=today)

    return price


def price_on(prices: PriceBook, day: date) -> Price:
    """The price of a call on one day, whenever it is made."""
    return lambda model, usage: prices.cost_usd(model, usage, on=day)
