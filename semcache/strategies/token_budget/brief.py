"""The step that asks for brevity, in the innermost place: what plans the prompt cache sees the prompt without it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from semcache.errors import UpstreamStatus
from semcache.exchange import Answer, Exchange, Forward
from semcache.message import THINKING_TYPES
from semcache.pricing import PriceBook
from semcache.request import Request
from semcache.strategies.consent import Consent
from semcache.strategies.prompt_names import refuses_signature
from semcache.strategies.token_budget.begun import Begun
from semcache.strategies.token_budget.brevity import STRATEGY, Brevity, hinted, may_be_hinted
from semcache.strategies.token_budget.budget import LEAST_SEEN
from semcache.strategies.token_budget.lengths import Lengths
from semcache.strategies.token_budget.step import COMPLETE, kind_of

logger = logging.getLogger(__name__)

_LEAST_WORDY = 100  # tokens of an answer


@dataclass(frozen=True)
class _Wording:
    """What is sent. `is_open`: the hint is open to it, so it counts as one side or the other."""

    kind: str
    sent: Request
    is_hinted: bool = False
    is_open: bool = False
    other: Request | None = None  # to be sent where this is refused for its thinking


class Brief:
    """Fails open: a request that cannot be judged is sent as it came."""

    def __init__(
        self, consent: Consent, prices: PriceBook, lengths: Lengths, *, brevity: Brevity, begun: Begun
    ) -> None:
        self.brevity = brevity
        self._consent = consent
        self._prices = prices
        self._lengths = lengths
        self._begun = begun

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        wording = self._worded(request)
        if wording is None:
            return (yield from forward(request))
        try:
            answer: Answer = yield from forward(wording.sent)
        except UpstreamStatus as refusal:
            if wording.other is None or not refuses_signature(refusal):
                raise
            answer = yield from forward(wording.other)
        self._learn(request, wording, answer)
        share = self.brevity.proven_share(wording.kind) if wording.is_hinted else 0.0
        spared = round(answer.message.usage.output_tokens * share / (1 - share))
        return replace(answer, spared=(*answer.spared, (STRATEGY, spared))) if spared > 0 else answer

    def _worded(self, request: Request) -> _Wording | None:
        try:
            model = self._prices.model(request.model)
            return None if model is None else self._wording(request, kind_of(request, model))
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("asking for brevity failed open: %s", type(error).__name__)
            return None

    def _wording(self, request: Request, kind: str) -> _Wording | None:
        """A conversation that sends its thinking back goes on as it was begun, whatever is allowed by now."""
        is_allowed = self._consent.allows(request, STRATEGY)
        if not is_allowed and self._begun.is_empty:
            return None
        begun = self._begun.holds(request)
        if begun is not None:
            return _Wording(kind, hinted(request), other=request) if begun else None
        if not is_allowed or not may_be_hinted(request) or self._is_short(kind):
            return None
        is_hinted = not self.brevity.is_control(request)
        return _Wording(kind, hinted(request) if is_hinted else request, is_hinted, is_open=True)

    def _is_short(self, kind: str) -> bool:
        """Such answers are short already: the hint would cost more than it saves."""
        known = self._lengths.of(kind, None)
        return known is not None and known.seen >= LEAST_SEEN and known.mean_tokens < _LEAST_WORDY

    def _learn(self, request: Request, wording: _Wording, answer: Answer) -> None:
        """The answer is here, and nothing that goes wrong now may lose it."""
        message = answer.message
        try:
            if message.coalesced:
                return
            if wording.is_open and message.stop_reason in COMPLETE:
                self.brevity.note(wording.kind, message.usage.output_tokens, was_hinted=wording.is_hinted)
            if wording.sent is not request and any(block.get("type") in THINKING_TYPES for block in message.blocks):
                self._begun.note(request)
        except Exception as error:
            logger.error("learning brevity failed: %s", type(error).__name__)
