"""The step that refuses a miss where the day's money is spent; hits never come this far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from semcache.exchange import Answer, Exchange, Forward, relabelled
from semcache.pricing import Model, PriceBook
from semcache.request import Request
from semcache.spending import Reservation, SpendingBook
from semcache.strategies.routing.arms import Load, expected_cost_usd
from semcache.tariff import Price

_TYPICAL_OUTPUT_TOKENS = 400


class Admission:
    """Sets aside what a request is expected to cost, and settles what it has cost, whatever becomes of it."""

    def __init__(
        self, book: SpendingBook, prices: PriceBook, usual: Model, *, price: Price, clock: Callable[[], float]
    ) -> None:
        """`usual` stands for a model that is not known yet."""
        self.book = book
        self._prices = prices
        self._usual = usual
        self._price = price
        self._clock = clock

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`. Raises `BudgetExceeded`, and what lies behind it raises."""
        if self.book.is_idle:
            return (yield from forward(request))
        expected_usd, expected_tokens = self._expected(request)
        caller, now = request.caller, self._clock()
        reservation = self.book.reserve(
            caller.namespace, caller.credential, usd=expected_usd, tokens=expected_tokens, now=now
        )
        usd, tokens, told = 0.0, 0, _told(reservation)
        try:
            answer: Answer = yield from relabelled(forward(request), lambda call: replace(call, budget=told))
            usd, tokens = self._spent(answer)
            return answer if answer.call is None else replace(answer, call=replace(answer.call, budget=told))
        finally:  # a request that fails, or is abandoned, gives back what was set aside
            self.book.settle(reservation, usd=usd, tokens=tokens, now=self._clock())

    def _expected(self, request: Request) -> tuple[float, int]:
        model = self._prices.model(request.model) or self._usual
        size = len(request.raw) if request.raw is not None else len(request.content())
        load = Load(size // 4, min(request.max_tokens or 0, _TYPICAL_OUTPUT_TOKENS))
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        tokens = int((load.prompt_tokens + load.output_tokens) * model.tokenizer_factor)
        return float(expected_cost_usd(model, load, on=today)), tokens

    def _spent(self, answer: Answer) -> tuple[float, int]:
        """Dollars and tokens of all calls; what another request paid for costs nothing here."""
        usd, tokens = 0.0, 0
        for message in (answer.message, *(attempt.message for attempt in answer.attempts)):
            if not message.coalesced:
                usd += float(self._price(message.model, message.usage) or 0)
                tokens += message.usage.prompt_tokens + message.usage.output_tokens
        return usd, tokens


def _told(reservation: Reservation) -> str:
    """What a caller should know of his limits: `credential; used=0.86`, or nothing."""
    if reservation.nearest is None:
        return ""
    kind, used = reservation.nearest
    return f"{kind}; used={math.floor(100 * used) / 100:.2f}"
