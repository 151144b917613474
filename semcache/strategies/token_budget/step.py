"""The step that gives each answer the room it needs, and ends it when it runs away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from semcache.canonical import last_user_text
from semcache.exchange import RUNAWAY, Answer, Attempt, Exchange, Forward, relabelled
from semcache.pricing import Model, PriceBook, Prices
from semcache.pricing.tokens import BYTES_PER_TOKEN
from semcache.request import Request
from semcache.strategies.consent import Consent
from semcache.strategies.routing.conversations import system_text
from semcache.strategies.routing.tasks import inferred_task
from semcache.strategies.token_budget.budget import budget_tokens
from semcache.strategies.token_budget.lengths import Lengths

logger = logging.getLogger(__name__)

STRATEGY = "token_budget"
_LEAST_WITH_THINKING = 8_000  # tokens: adaptive thinking and the answer share the room
_CUT_OFF = "max_tokens"
COMPLETE = ("end_turn", "stop_sequence")


@dataclass(frozen=True)
class _Plan:
    """How a request is first sent: with this much room, less than its caller allows; None: with all of it.

    `chance` is that of an answer which needs more to be a runaway.
    """

    kind: str
    limit: int | None = None
    chance: float = 0.0


class TokenBudget:
    """Stands behind the choice of the model. Fails open: a request that cannot be planned is sent as it came.

    A stream cannot be taken back, so it always has all the room that its caller allows. Nor could its end be spliced
    on by a second call: since Claude 4.6 an answer cannot be begun for the model, a user's turn that asks it to go on
    is another prompt with another answer, and what has run away goes on running.
    """

    def __init__(self, consent: Consent, prices: PriceBook, lengths: Lengths, *, clock: Callable[[], float]) -> None:
        self.lengths = lengths
        self._consent = consent
        self._prices = prices
        self._clock = clock

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        plan = self._planned(request)
        if plan is None or plan.limit is None:
            answer: Answer = yield from forward(request)
        else:
            answer = yield from _ended_early(request, plan.limit, forward)
        if plan is not None:
            self._learn(request, plan, answer)
        return answer

    def first_room(self, request: Request) -> int | None:
        """The `max_tokens` that it would first be sent with, for explanations; None: its caller's own."""
        plan = self._planned(request)
        return None if plan is None else plan.limit

    def _planned(self, request: Request) -> _Plan | None:
        try:
            model = self._prices.model(request.model)
            if model is None or not request.max_tokens or not self._consent.allows(request, STRATEGY):
                return None
            return self._plan(request, model)
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("token budget failed open: %s", type(error).__name__)
            return None

    def _plan(self, request: Request, model: Model) -> _Plan:
        kind, limit = kind_of(request, model), request.max_tokens
        known = None if request.stream else self.lengths.of(kind, request.vector)
        if known is None or limit is None:
            return _Plan(kind)
        prices = self._prices_of(model)
        prompt = len(request.content()) * float(model.tokenizer_factor) / BYTES_PER_TOKEN
        tokens = budget_tokens(
            known,
            limit,
            least=_least(request, model),
            input_price=prompt * float(prices.input),
            output_price=float(prices.output),
        )
        return _Plan(kind) if tokens is None else _Plan(kind, tokens, known.runaway_chance(tokens, limit))

    def _prices_of(self, model: Model) -> Prices:
        return model.prices_on(datetime.fromtimestamp(self._clock(), UTC).date())

    def _learn(self, request: Request, plan: _Plan, answer: Answer) -> None:
        """The answer is here, and nothing that goes wrong now may lose it."""
        message = answer.message
        try:
            if message.coalesced or message.stop_reason not in (*COMPLETE, _CUT_OFF):
                return
            tokens, was_cut_off = message.usage.output_tokens, message.stop_reason == _CUT_OFF
            was_ended = any(attempt.why == RUNAWAY for attempt in answer.attempts)
            if was_ended and plan.limit is not None and tokens <= plan.limit:
                limit = request.max_tokens or plan.limit
                self.lengths.note_recovered(plan.kind, tokens, limit=limit, chance=plan.chance)
                return
            self.lengths.note(plan.kind, tokens, request.vector, was_cut_off=was_cut_off)
            if was_ended and was_cut_off:
                self.lengths.note_relapsed(plan.kind)
        except Exception as error:
            logger.error("learning lengths failed: %s", type(error).__name__)


def _ended_early(request: Request, limit: int, forward: Forward) -> Exchange:
    """With less room first; what needs more is asked again with all that the caller allows."""
    sent = request.reshaped(STRATEGY, {"max_tokens": limit})
    answer = yield from relabelled(forward(sent), lambda call: replace(call, is_tentative=True))
    if answer.message.stop_reason != _CUT_OFF:
        return answer
    wasted = Attempt(answer.message, answer.message.model, RUNAWAY)
    again = yield from forward(request)
    return replace(again, attempts=(*answer.attempts, wasted, *again.attempts))


def kind_of(request: Request, model: Model) -> str:
    """What answers are alike in length by: namespace, model, and the task that was named or that the words tell."""
    task = request.directives.task or inferred_task(last_user_text(request), system=system_text(request.body))
    return f"{request.caller.namespace}/{task or '-'}/{model.id}"


def _least(request: Request, model: Model) -> int:
    """What thinking needs, and as much again for the answer."""
    thinking = request.body.get("thinking")
    given = thinking if isinstance(thinking, dict) else {}
    match given.get("type"):
        case "enabled":
            budget = given.get("budget_tokens")
            return 2 * budget if isinstance(budget, int) else _LEAST_WITH_THINKING
        case "disabled":
            return 1
        case None:
            return _LEAST_WITH_THINKING if model.thinking.on_by_default else 1
        case _:
            return _LEAST_WITH_THINKING
