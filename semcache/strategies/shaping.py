"""What is sent on a miss, decided together: how much of the history, and where the prompt cache is marked.

Each strategy alone would undo the other: a shorter history is written to the prompt cache anew, and a marked one is
cheap to send whole. So every admissible way is priced with its best marks, for this turn and those expected after it,
and the cheapest is taken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from semcache.exchange import Answer, Exchange, Forward
from semcache.pricing import PriceBook, Prices
from semcache.request import Request
from semcache.strategies.breakpoints.caching import Planned, PromptCaching
from semcache.strategies.compression.blocks import Blocks
from semcache.strategies.compression.terms import Terms
from semcache.strategies.compression.ways import SHORTER, Way, ways_to_send
from semcache.strategies.compression.ways import STRATEGY as COMPRESSION
from semcache.strategies.consent import Consent
from semcache.strategies.remaining import RemainingTurns

logger = logging.getLogger(__name__)

_MILLIONTH = Decimal(1).scaleb(-6)
_CLEARLY = Decimal("0.9")


@dataclass(frozen=True)
class Option:
    """One way to send a request. `course_usd` is what its prompt costs on this turn and those expected after it."""

    name: str
    course_usd: Decimal
    cost_usd: Decimal  # of this turn's prompt
    because: str
    request: Request = field(repr=False)
    way: Way | None = field(default=None, repr=False)
    planned: Planned | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Draft:
    """A way with its best marks; `caches`: they may be placed."""

    way: Way | None
    planned: Planned
    caches: bool

    def option(self, remaining: Decimal, rate: Decimal) -> Option:
        """Priced for this turn, and for so many more at this rate a million tokens of prompt."""
        placement, way = self.planned.placement, self.way
        cost = placement.cost_usd if self.caches else placement.unassisted_usd
        sent = self.planned.request if self.caches else self.planned.unmarked
        return Option(
            name="as it came" if way is None else way.name,
            course_usd=cost + remaining * self.planned.outlook.prefix.tokens * rate * _MILLIONTH,
            cost_usd=cost,
            because=f"{remaining} more turns expected; marks: {placement.because if self.caches else 'none'}",
            request=sent if way is None else sent.cutting(COMPRESSION, way.cut_tokens),
            way=way,
            planned=self.planned if self.caches else None,
        )


class Shaping:
    """Fails open: a request that cannot be planned is sent as it came."""

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        prices: PriceBook,
        consent: Consent,
        caching: PromptCaching,
        *,
        blocks: Blocks,
        turns: RemainingTurns,
        terms: Terms,
        clock: Callable[[], float],
    ) -> None:
        self.caching = caching
        self._prices = prices
        self._consent = consent
        self._blocks = blocks
        self._turns = turns
        self._terms = terms
        self._clock = clock

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        option = self._chosen(request)
        if option is None:
            return (yield from forward(request))
        began_at = self._clock()
        answer: Answer = yield from forward(option.request)
        if option.planned is not None:
            self.caching.note(option.planned, answer, began_at)
        return answer

    def marked(self, request: Request) -> Request:
        """With the marks that pay, and nothing left out: for calls of our own, which read what is held for others."""
        model = self._prices.model(request.model)
        if model is None or not self.caching.may_mark(request, model):
            return request
        return self.caching.planned_on(request, model).request

    def options(self, request: Request) -> tuple[Option, ...]:
        """Every admissible way, the cheapest first; none where nothing is known of the model or nothing may be done."""
        model = self._prices.model(request.model)
        if model is None or request.max_tokens == 0:
            return ()
        compresses = self._consent.allows(request, COMPRESSION)
        ways = ways_to_send(request, model, self._blocks, terms=self._terms, is_allowed=compresses)
        caches = self.caching.may_mark(request, model)
        if not ways and not caches:
            return ()
        turns = sum(turn.get("role") == "user" for turn in request.messages)
        remaining = Decimal(self._turns.expected(turns) if turns > 1 else 0).quantize(Decimal("0.01"))
        drafts = [
            _Draft(way, self.caching.planned_on(request if way is None else way.request, model), caches)
            for way in (ways or (None,))
        ]
        prices = model.prices_on(datetime.fromtimestamp(self._clock(), UTC).date())
        # The next turn comes when it comes, whichever way this one is sent: one rate for all.
        rate = min(_rate(draft.planned, prices) for draft in drafts) if caches else prices.input
        found = (draft.option(remaining, rate) for draft in drafts)
        return _cheapest_first(tuple(found))

    def _chosen(self, request: Request) -> Option | None:
        try:
            options = self.options(request)
            self._turns.note(sum(turn.get("role") == "user" for turn in request.messages))
            if not options:
                return None
            if options[0].way is not None:
                options[0].way.outcome.remember(self._blocks)
            return options[0]
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("shaping failed open: %s", type(error).__name__)
            return None


def _cheapest_first(options: tuple[Option, ...]) -> tuple[Option, ...]:
    """What leaves more out must be clearly cheaper: what is expected of later turns is a guess."""
    return tuple(sorted(options, key=lambda option: option.course_usd / (_CLEARLY if option.name == SHORTER else 1)))


def _rate(planned: Planned, prices: Prices) -> Decimal:
    """What a token of this prompt is expected to cost on a later turn: read where it is still held, else written."""
    marks = planned.marks
    if not marks:
        return prices.input
    chances = {each.place: each.chances for each in planned.outlook.candidates}
    deepest = marks[-1]
    soon, within_hour = chances.get(deepest.place, (0.0, 1.0))
    is_short = planned.outlook.held.get(deepest.place, deepest.ttl) == "5m"  # what is held stays as it was written
    # That there is a next turn at all is counted in how many are expected: here, whether it comes in time.
    in_time = Decimal(min(1.0, soon / within_hour) if is_short and within_hour > 0 else 1.0)
    write = prices.cache_write_5m if is_short else prices.cache_write_1h
    return in_time * prices.cache_read + (1 - in_time) * write
