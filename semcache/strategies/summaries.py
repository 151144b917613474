"""Old turns in the words of the cheapest model: whether that pays beside choosing sentences, and how it is done."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from semcache.exchange import SUMMARISED as PAID_FOR
from semcache.exchange import Attempt, Call, Purpose
from semcache.message import Message
from semcache.policy import SUMMARIES
from semcache.pricing import Lifecycle, Model, PriceBook, Prices
from semcache.request import Request
from semcache.strategies.compression.outcomes import Compression, NotCompressed
from semcache.strategies.compression.reading import Means
from semcache.strategies.compression.summary import Effort, effort_of, summarised
from semcache.strategies.compression.terms import Terms
from semcache.strategies.consent import Consent

STRATEGY = SUMMARIES
SUMMARISED = "summarised"
SHARE_OF_BUDGET = 0.5  # a summary says in half the words what chosen sentences say

_MILLIONTH = Decimal(1).scaleb(-6)

Telling = Generator[Call, Message, tuple[Compression | NotCompressed, tuple[Attempt, ...]]]


def cheapest_of(prices: PriceBook, on: date) -> Model | None:
    """The model in service whose prompt costs least; of equals the one whose answers do."""
    answering = [model for model in prices.models if model.lifecycle is Lifecycle.ACTIVE and model.answers_on(on)]
    return min(answering, key=lambda model: (model.prices_on(on).input, model.prices_on(on).output), default=None)


@dataclass(frozen=True)
class Summaries:
    """Needs the consent that shortening needs, and one of its own: old turns are read by another model."""

    consent: Consent
    cheapest: Model | None  # None: there is none, and nothing is summarised

    def expected(self, request: Request, model: Model, means: Means, *, terms: Terms) -> Effort | None:
        """What summarising would take and spare beyond choosing sentences; None: not to be done."""
        if self.cheapest is None or not self.consent.allows(request, STRATEGY):
            return None
        effort = effort_of(request, terms=terms, model=model, means=means, of_budget=SHARE_OF_BUDGET)
        return effort if effort.calls else None

    def cost_usd(self, effort: Effort, prices: Prices) -> Decimal:
        """Of the calls, at the prices of the cheapest model."""
        return (effort.read_tokens * prices.input + effort.written_tokens * prices.output) * _MILLIONTH

    def told(self, request: Request, model: Model, means: Means, *, terms: Terms) -> Telling:
        """The request with its new blocks summarised, and the calls that were paid for it."""
        assert self.cheapest is not None
        asking = summarised(
            request, terms=terms, model=model, means=means, cheapest=self.cheapest, of_budget=SHARE_OF_BUDGET
        )
        attempts: list[Attempt] = []
        try:
            call = next(asking)
            while True:
                try:
                    message = yield replace(call, purpose=Purpose.SUMMARISE, is_tentative=True)
                except GeneratorExit:
                    asking.close()
                    raise
                except Exception as error:  # whatever the driver throws: the block is shortened instead
                    call = asking.throw(error)
                else:
                    attempts.append(Attempt(message, self.cheapest.id, PAID_FOR))
                    call = asking.send(message)
        except StopIteration as stop:
            return stop.value, tuple(attempts)
