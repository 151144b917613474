"""What is sent on a miss, decided together: how much of the history, and where the prompt cache is marked.

Each strategy alone would undo the other: a shorter history is written to the prompt cache anew, and a marked one is
cheap to send whole. So every admissible way is priced with its best marks, for this turn and those expected after it,
and the cheapest is taken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from semcache.errors import UpstreamStatus
from semcache.exchange import Answer, Attempt, Call, Exchange, Forward
from semcache.message import Message
from semcache.pricing import Model, PriceBook, Prices
from semcache.request import Request
from semcache.strategies.breakpoints.caching import Planned, PromptCaching
from semcache.strategies.compression.blocks import Blocks
from semcache.strategies.compression.reading import Means
from semcache.strategies.compression.terms import Terms
from semcache.strategies.compression.ways import SHORTER, Way, ways_to_send
from semcache.strategies.compression.ways import STRATEGY as COMPRESSION
from semcache.strategies.consent import Consent
from semcache.strategies.prompt_names import refuses_signature
from semcache.strategies.remaining import RemainingTurns
from semcache.strategies.summaries import SUMMARISED, Summaries
from semcache.strategies.token_budget.trimming import STRATEGY as TRIMMING
from semcache.strategies.token_budget.trimming import trimmed

logger = logging.getLogger(__name__)

AS_IT_CAME, TRIMMED = "as it came", "trimmed"

_MILLIONTH = Decimal(1).scaleb(-6)
_DOUBT = Decimal("0.1")  # of the cost


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

    name: str
    way: Way | None
    planned: Planned
    caches: bool

    def option(self, remaining: Decimal, rate: Decimal) -> Option:
        """Priced for this turn, and for so many more at this rate a million tokens of prompt.

        Of one that stands alone, what its marks are worth to others counts: a document may be asked about again.
        """
        placement = self.planned.placement
        cost = placement.cost_usd if self.caches else placement.unassisted_usd
        worth = placement.value_usd if self.caches and not remaining else Decimal(0)
        return Option(
            name=self.name,
            course_usd=cost - worth + remaining * self.planned.outlook.prefix.tokens * rate * _MILLIONTH,
            cost_usd=cost,
            because=f"{remaining} more turns expected; marks: {placement.because if self.caches else 'none'}",
            request=self.planned.request if self.caches else self.planned.unmarked,
            way=self.way,
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
        summaries: Summaries,
        clock: Callable[[], float],
    ) -> None:
        self.caching = caching
        self._prices = prices
        self._consent = consent
        self._blocks = blocks
        self._means = Means(memory=blocks, drafts=Blocks())
        self._turns = turns
        self._terms = terms
        self._summaries = summaries
        self._clock = clock

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        options = self._planned(request)
        if not options:
            return (yield from forward(self.caching.as_begun(request)))
        option = options[0]
        paid: tuple[Attempt, ...] = ()
        if option.name == SUMMARISED:
            option, paid = yield from self._told(option, request)
        began_at = self._clock()
        try:
            answer: Answer = yield from forward(option.request)
        except UpstreamStatus as refusal:
            option = self._in_the_other_form(option, refusal)
            answer = yield from forward(option.request)
        if paid:
            answer = replace(answer, attempts=(*paid, *answer.attempts))
        if option.planned is not None:
            whole = _whole(options) if option.name == TRIMMED else None
            self.caching.note(option.planned, answer, began_at, whole=whole)
        return answer

    def _in_the_other_form(self, option: Option, refusal: UpstreamStatus) -> Option:
        """Raises the refusal where there is none."""
        model = self._prices.model(option.request.model)
        if option.planned is None or model is None or not refuses_signature(refusal):
            raise refusal
        planned = self.caching.otherwise(option.planned, model)
        if planned is None:
            raise refusal
        return replace(option, request=planned.request, planned=planned)

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
        caches = self.caching.may_mark(request, model)
        found = self._ways(request, model)
        if len(found) == 1 and found[0][1] is None and not caches:
            return ()
        turns = sum(turn.get("role") == "user" for turn in request.messages)
        remaining = Decimal(self._turns.expected(turns) if turns > 1 else 0).quantize(Decimal("0.01"))
        goes_on = float(remaining / (1 + remaining)) if turns > 1 else 1.0  # as it would be at every turn alike
        drafts = [
            _Draft(name, way, self.caching.planned_on(sent, model, goes_on=goes_on), caches)
            for name, way, sent in found
        ]
        if caches and drafts[-1].name == TRIMMED and _comes_again(drafts[0].planned):
            drafts.pop()
        prices = model.prices_on(datetime.fromtimestamp(self._clock(), UTC).date())
        # The next turn comes when it comes, whichever way this one is sent: one rate for all.
        rate = min(_rate(draft.planned, prices) for draft in drafts) if caches else prices.input
        options = tuple(draft.option(remaining, rate) for draft in drafts)
        if options[-1].name == SHORTER:
            options += self._summarised(request, model, options[-1], later=remaining * rate)
        return _cheapest_first(options)

    def _summarised(self, request: Request, model: Model, shorter: Option, *, later: Decimal) -> tuple[Option, ...]:
        """The same in fewer words of the cheapest model, where that is allowed: dearer by its calls, cheaper after."""
        effort = self._summaries.expected(request, model, self._means, terms=self._terms)
        if effort is None or self._summaries.cheapest is None:
            return ()
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        calls = self._summaries.cost_usd(effort, self._summaries.cheapest.prices_on(today))
        spared = effort.spared_tokens * model.prices_on(today).input * _MILLIONTH  # at least: a write costs more
        course = shorter.course_usd + calls - spared - effort.spared_tokens * later * _MILLIONTH
        because = f"{shorter.because}; {effort.calls} calls for ${calls:.6f}"
        cost = shorter.cost_usd + calls - spared
        return (replace(shorter, name=SUMMARISED, course_usd=course, cost_usd=cost, because=because),)

    def _told(self, option: Option, request: Request) -> Generator[Call, Message, tuple[Option, tuple[Attempt, ...]]]:
        """The option with the summaries in it; with chosen sentences where there is none to be had."""
        model = self._prices.model(request.model)
        assert model is not None
        outcome, paid = yield from self._summaries.told(request, model, self._means, terms=self._terms)
        outcome.remember(self._blocks)
        way = Way(SUMMARISED, outcome)
        sent = way.request.cutting(COMPRESSION, way.cut_tokens)
        planned = self.caching.planned_on(sent, model) if option.planned is not None else None
        return replace(option, request=sent if planned is None else planned.request, way=way, planned=planned), paid

    def _ways(self, request: Request, model: Model) -> list[tuple[str, Way | None, Request]]:
        """What may be sent, by name: the history as it came or shorter; of a single turn, less reference text."""
        compresses = self._consent.allows(request, COMPRESSION)
        ways = ways_to_send(request, model, self._means, terms=self._terms, is_allowed=compresses)
        if ways:
            return [(way.name, way, way.request.cutting(COMPRESSION, way.cut_tokens)) for way in ways]
        whole: list[tuple[str, Way | None, Request]] = [(AS_IT_CAME, None, request)]
        # In a conversation the next turn would bring the whole text back, and break the prefix.
        if len(request.messages) == 1 and self._consent.allows(request, TRIMMING):
            shorter = trimmed(request, model)
            return whole if shorter is None else [*whole, (TRIMMED, None, shorter)]
        return whole

    def _planned(self, request: Request) -> tuple[Option, ...]:
        """The options, of which the first is to be sent."""
        try:
            options = self.options(request)
            self._turns.note(sum(turn.get("role") == "user" for turn in request.messages))
            if options and options[0].way is not None and options[0].name != SUMMARISED:
                options[0].way.outcome.remember(self._blocks)
            return options
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("shaping failed open: %s", type(error).__name__)
            return ()


def _comes_again(planned: Planned) -> bool:
    """Whether what the caller says is worth marking, or held: then it is read in full more cheaply than in part."""
    places = planned.outlook.prefix.places
    reached = [*(mark.place for mark in planned.placement.marks), *planned.outlook.held]
    return any(places[place].section == "messages" for place in reached)


def _whole(options: tuple[Option, ...]) -> Planned | None:
    return next((each.planned for each in options if each.name == AS_IT_CAME), None)


def _cheapest_first(options: tuple[Option, ...]) -> tuple[Option, ...]:
    """What leaves more out must be clearly cheaper: what is expected of later turns is a guess."""

    def doubted(option: Option) -> Decimal:
        doubt = _DOUBT if option.name in (SHORTER, SUMMARISED, TRIMMED) else Decimal(0)
        return option.course_usd + doubt * abs(option.course_usd)

    return tuple(sorted(options, key=doubted))


def _rate(planned: Planned, prices: Prices) -> Decimal:
    """What a token of this prompt is expected to cost on a later turn, under whatever serves it best then.

    That there is a next turn at all is counted in how many are expected: here, whether it comes in time.
    """
    turns = [each.chances for each in planned.outlook.candidates if each.kind in ("first", "later")]
    if not planned.marks or not turns or turns[-1].ever <= 0:
        return prices.input
    soon, within_hour = (Decimal(min(1.0, chance / turns[-1].ever)) for chance in turns[-1][:2])
    short = soon * prices.cache_read + (1 - soon) * prices.cache_write_5m
    long = within_hour * prices.cache_read + (1 - within_hour) * prices.cache_write_1h
    return min(prices.input, short, long)
