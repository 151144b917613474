"""The step that sends a long conversation in short, where that costs less than sending it as it came."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from semcache.exchange import Exchange, Forward
from semcache.pricing import Model, PriceBook, Prices
from semcache.request import Request
from semcache.strategies.compression.blocks import Blocks
from semcache.strategies.compression.compressing import Moment, compressed, uncompressed
from semcache.strategies.compression.economics import pays
from semcache.strategies.compression.outcomes import Compression, NotCompressed
from semcache.strategies.compression.reading import Means
from semcache.strategies.compression.terms import Terms
from semcache.strategies.consent import Consent
from semcache.strategies.remaining import RemainingTurns
from semcache.strategies.routing.conversations import conversation_key
from semcache.strategies.warmth import LastSent

logger = logging.getLogger(__name__)

STRATEGY = "compression"


@dataclass(frozen=True)
class Past:
    """What compression knows of conversations: what it froze, how long they last, when they were last sent."""

    blocks: Blocks = field(default_factory=Blocks)
    turns: RemainingTurns = field(default_factory=RemainingTurns)
    sent: LastSent = field(default_factory=LastSent)


@dataclass(frozen=True)
class Alternative:
    """One way to send a conversation: what it is expected to cost more than the cheapest, over its remaining turns."""

    name: str
    gain_usd: Decimal  # against what the conversation was sent as so far
    cut_tokens: int
    because: str


@dataclass(frozen=True)
class Shaped:
    """What is sent, and the ways that were compared."""

    outcome: Compression | NotCompressed
    alternatives: tuple[Alternative, ...]


class Compressing:
    """Fails open: a conversation that cannot be shortened is sent as it came."""

    def __init__(
        self,
        prices: PriceBook,
        consent: Consent,
        past: Past,
        *,
        terms: Terms,
        clock: Callable[[], float],
    ) -> None:
        self.past = past
        self._prices = prices
        self._consent = consent
        self._terms = terms
        # Without an embedder: on the dialogues measured it keeps no more facts, and is ten times as fast.
        self._means = Means(memory=past.blocks)
        self._clock = clock

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        return (yield from forward(self._sent_as(request)))

    def shaped(self, request: Request) -> Shaped | None:
        """How the request would be sent, and why; None: compression has nothing to do with it."""
        model = self._prices.model(request.model)
        turns = sum(turn.get("role") == "user" for turn in request.messages)
        if model is None or turns <= self._terms.recent_turns:
            return None
        if not self._consent.allows(request, STRATEGY):
            if not self._has_compressed:
                return None
            left = uncompressed(request, terms=self._terms, model=model, means=self._means, reason="switched off")
            return Shaped(left, ())
        return self._cheapest(request, model, turns)

    def _cheapest(self, request: Request, model: Model, turns: int) -> Shaped:
        now, conversation = self._clock(), conversation_key(request)
        is_cold = not self.past.sent.is_warm(conversation, model.id, now=now) or not _is_cached(request)
        short = compressed(request, terms=self._terms, model=model, means=self._means)
        if isinstance(short, NotCompressed):
            return Shaped(short, (Alternative("as it came", Decimal(0), 0, short.reason),))
        prices = model.prices_on(datetime.fromtimestamp(now, UTC).date())
        remaining = Decimal(self.past.turns.expected(turns)).quantize(Decimal("0.01"))
        gain = _gain(short, remaining, prices, is_cold=is_cold, is_cached=_is_cached(request))
        told = f"{remaining} more turns expected, prompt cache {'cold' if is_cold else 'warm'}"
        options = (
            Alternative("compressed", gain, short.sizes.cut_tokens, told),
            Alternative("as before", Decimal(0), short.sizes.cut_tokens - short.sizes.cut_now_tokens, told),
        )
        if gain > 0 or short.sizes.cut_now_tokens == 0:
            return Shaped(short, options)
        before = compressed(request, terms=self._terms, model=model, means=self._means, moment=Moment.WARM)
        return Shaped(before, options)

    def _sent_as(self, request: Request) -> Request:
        try:
            shaped = self.shaped(request)
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("compression failed open: %s", type(error).__name__)
            return request
        self._note(request)
        if shaped is None:
            return request
        shaped.outcome.remember(self.past.blocks)
        sent, outcome = shaped.outcome.request, shaped.outcome
        return replace(sent, cut_tokens=outcome.sizes.cut_tokens) if isinstance(outcome, Compression) else sent

    def _note(self, request: Request) -> None:
        self.past.turns.note(sum(turn.get("role") == "user" for turn in request.messages))
        self.past.sent.note(conversation_key(request), request.model, now=self._clock())

    @property
    def _has_compressed(self) -> bool:
        """Whether anything was ever compressed: only then may this conversation know it."""
        return self.past.blocks.changes > 0


def _is_cached(request: Request) -> bool:
    """Whether anything of the prompt is asked to be cached: else every turn pays for all of it."""
    return b'"cache_control"' in request.content()


def _gain(short: Compression, remaining: Decimal, prices: Prices, *, is_cold: bool, is_cached: bool) -> Decimal:
    """US dollars expected to be saved on this turn and the next, by what is newly left out (decision.md §12)."""
    sizes = short.sizes
    if not is_cached:
        return prices.input * sizes.cut_now_tokens * (1 + remaining) * Decimal(1).scaleb(-6)
    return pays(sizes.cut_now_tokens, sizes.rewritten_tokens, remaining_turns=remaining, prices=prices, is_cold=is_cold)
