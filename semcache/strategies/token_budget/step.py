"""The step that gives each answer the room it needs: asked briefly where allowed, and ended when it runs away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from semcache.errors import UpstreamStatus
from semcache.exchange import Answer, Attempt, Exchange, Forward, relabelled
from semcache.message import THINKING_TYPES
from semcache.pricing import Model, PriceBook, Prices
from semcache.pricing.tokens import BYTES_PER_TOKEN
from semcache.request import Request
from semcache.strategies.consent import Consent
from semcache.strategies.token_budget.begun import Begun
from semcache.strategies.token_budget.brevity import STRATEGY as CONCISENESS
from semcache.strategies.token_budget.brevity import Brevity, hinted, may_be_hinted
from semcache.strategies.token_budget.budget import budget_tokens
from semcache.strategies.token_budget.lengths import Lengths

logger = logging.getLogger(__name__)

STRATEGY = "token_budget"
RUNAWAY = "runaway"
_LEAST_WITH_THINKING = 8_000  # tokens: adaptive thinking and the answer share the room
_CUT_OFF = "max_tokens"
_COMPLETE = ("end_turn", "stop_sequence")


@dataclass(frozen=True)
class LearnedLengths:
    """What the step takes down, and reads again."""

    lengths: Lengths
    brevity: Brevity
    begun: Begun


@dataclass(frozen=True)
class _Plan:
    """How a request is first sent. `limit` is below the caller's own, or None; `is_open`: the hint is open to it."""

    kind: str
    request: Request
    limit: int | None = None
    is_hinted: bool = False
    is_open: bool = False
    other: Request | None = None  # to be sent where this is refused for its thinking

    @property
    def sent(self) -> Request:
        if self.limit is None:
            return self.request
        return self.request.reshaped(STRATEGY, {"max_tokens": self.limit})


class TokenBudget:
    """Stands behind the choice of the model. Fails open: a request that cannot be planned is sent as it came.

    A stream cannot be taken back, so it always has all the room that its caller allows.
    """

    def __init__(
        self, consent: Consent, prices: PriceBook, learned: LearnedLengths, *, clock: Callable[[], float]
    ) -> None:
        self.learned = learned
        self._consent = consent
        self._prices = prices
        self._clock = clock

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        plan = self._planned(request)
        if plan is None:
            return (yield from forward(request))
        answer = yield from self._sent(plan, forward)
        if plan.limit is not None and answer.message.stop_reason == _CUT_OFF:
            wasted = Attempt(answer.message, answer.message.model, RUNAWAY)
            first, answer = answer, (yield from forward(plan.request))
            answer = replace(answer, attempts=(*first.attempts, wasted, *answer.attempts))
        self._learn(request, plan, answer)
        return self._measured(plan, answer)

    def _sent(self, plan: _Plan, forward: Forward) -> Exchange:
        try:
            return (yield from self._tried(plan, forward))
        except UpstreamStatus as refusal:
            if plan.other is None or not _refuses_signature(refusal):
                raise
            return (yield from forward(plan.other))

    def _tried(self, plan: _Plan, forward: Forward) -> Exchange:
        if plan.limit is None:
            return (yield from forward(plan.sent))
        return (yield from relabelled(forward(plan.sent), lambda call: replace(call, is_tentative=True)))

    # planning

    def _planned(self, request: Request) -> _Plan | None:
        try:
            model = self._prices.model(request.model)
            budgets, brief = (self._consent.allows(request, name) for name in (STRATEGY, CONCISENESS))
            if model is None or not request.max_tokens or not (budgets or brief):
                return None
            plan = self._worded(_Plan(_kind(request, model), request), is_allowed=brief)
            return replace(plan, limit=self._limit(request, model, plan.kind)) if budgets else plan
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("token budget failed open: %s", type(error).__name__)
            return None

    def _worded(self, plan: _Plan, *, is_allowed: bool) -> _Plan:
        """A conversation that sends its thinking back goes on as it was begun, whatever is allowed by now."""
        request = plan.request
        begun = self.learned.begun.holds(request)
        if begun is not None:
            return replace(plan, request=hinted(request) if begun else request, other=request if begun else None)
        if not is_allowed or not may_be_hinted(request):
            return plan
        is_hinted = not self.learned.brevity.is_control(request)
        return replace(plan, request=hinted(request) if is_hinted else request, is_hinted=is_hinted, is_open=True)

    def _limit(self, request: Request, model: Model, kind: str) -> int | None:
        limit = request.max_tokens
        if limit is None or request.stream:
            return None
        known = self.learned.lengths.of(kind, request.vector)
        prices = self._prices_of(model)
        prompt = len(request.content()) * float(model.tokenizer_factor) / BYTES_PER_TOKEN
        return budget_tokens(
            known,
            limit,
            least=_least(request, model),
            input_price=prompt * float(prices.input),
            output_price=float(prices.output),
        )

    def _prices_of(self, model: Model) -> Prices:
        return model.prices_on(datetime.fromtimestamp(self._clock(), UTC).date())

    # learning

    def _learn(self, request: Request, plan: _Plan, answer: Answer) -> None:
        """The answer is here, and nothing that goes wrong now may lose it."""
        message = answer.message
        if message.coalesced:
            return
        try:
            tokens, why = message.usage.output_tokens, message.stop_reason
            if why in _COMPLETE or why == _CUT_OFF:
                self.learned.lengths.note(plan.kind, tokens, request.vector, was_cut_off=why == _CUT_OFF)
            if plan.is_open and why in _COMPLETE:
                self.learned.brevity.note(plan.kind, tokens, was_hinted=plan.is_hinted)
            if plan.is_hinted and any(block.get("type") in THINKING_TYPES for block in message.blocks):
                self.learned.begun.note(request)
        except Exception as error:
            logger.error("learning lengths failed: %s", type(error).__name__)

    def _measured(self, plan: _Plan, answer: Answer) -> Answer:
        """What the hint has spared of this answer, as far as the control share proves it."""
        share = self.learned.brevity.proven_share(plan.kind) if plan.is_hinted else 0.0
        spared = round(answer.message.usage.output_tokens * share / (1 - share))
        return replace(answer, spared=(*answer.spared, (CONCISENESS, spared))) if spared > 0 else answer


def _kind(request: Request, model: Model) -> str:
    return f"{request.caller.namespace}/{request.directives.task or '-'}/{model.id}"


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


def _refuses_signature(refusal: UpstreamStatus) -> bool:
    return refusal.status == 400 and b"signature" in refusal.body and b"thinking" in refusal.body
