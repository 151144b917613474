"""Marks prefixes for Claude's prompt cache where it pays, and learns from what was read and written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from semcache.canonical import digest
from semcache.exchange import Answer
from semcache.message import Usage
from semcache.pricing import Model, Prices
from semcache.request import Request
from semcache.strategies.breakpoints.breakers import Breakers
from semcache.strategies.breakpoints.memory import PrefixMemory
from semcache.strategies.breakpoints.placing import STRATEGY, marked
from semcache.strategies.breakpoints.planning import Candidate, Mark, Outlook, Placement, best_placement, outlook_of
from semcache.strategies.breakpoints.prefix import LOOKBACK_BLOCKS, prefix_of
from semcache.strategies.breakpoints.siblings import expected_in_batch
from semcache.strategies.consent import Consent
from semcache.strategies.routing.conversations import system_text

logger = logging.getLogger(__name__)

_FEWEST_BYTES_PER_TOKEN = 3.0
_ALIKE_CHARACTERS = 200
_BELIEVED = 0.5  # of the tokens that were expected to be read: less was read where Claude held less


@dataclass(frozen=True)
class Planned:
    """A request as it would be sent, and why."""

    request: Request = field(repr=False)
    unmarked: Request = field(repr=False)  # as it was before we placed marks
    outlook: Outlook = field(repr=False)
    placement: Placement

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All that it bears, the caller's too, in order."""
        own = [Mark(number, place.ttl) for number, place in enumerate(self.outlook.prefix.places) if place.ttl]
        return tuple(sorted((*own, *self.placement.marks), key=lambda mark: mark.place))


class Prospect(NamedTuple):
    """Of two forms of a prompt the lesser is to be sent: one whose turns are held, then the cheaper in the long run."""

    is_cold: bool  # nothing of the turns is held in this form
    standing_usd: Decimal  # a use, times a million


class PromptCaching:
    """Marks never change what a request means."""

    def __init__(self, consent: Consent, memory: PrefixMemory, *, clock: Callable[[], float]) -> None:
        self.memory = memory
        self.breakers = Breakers()
        self._consent = consent
        self._clock = clock

    def may_mark(self, request: Request, model: Model) -> bool:
        """Whether marks are allowed, and the prompt may be long enough for one."""
        if not self._consent.allows(request, STRATEGY):
            return False
        size = len(request.raw) if request.raw is not None else len(request.content())
        return size / _FEWEST_BYTES_PER_TOKEN * float(model.tokenizer_factor) >= model.min_cacheable_tokens

    def planned_on(self, request: Request, model: Model, *, goes_on: float = 1.0) -> Planned:
        """The cheapest set of marks, for strategies that compare other ways to send the request.

        `goes_on`: see `outlook_of`.
        """
        outlook = expected_in_batch(self._outlook(request, model, goes_on=goes_on), request)
        placement = best_placement(outlook, model, on=self._today())
        return Planned(marked(request, outlook.prefix, placement.marks), request, outlook, placement)

    def held_tokens(self, request: Request, model: Model | None) -> int:
        """How much of the prompt Claude is believed to hold, from its beginning on."""
        if model is None:
            return 0
        places, now = prefix_of(request, model).places, self._clock()
        held = (place.reach_tokens for place in places if self.memory.held_for(place.digest, now=now) is not None)
        return max(held, default=0)

    def prospect(self, request: Request, model: Model) -> Prospect:
        """What the prompt cache makes of a prompt: each part is read as often as it has come again before."""
        outlook, prices = self._outlook(request, model), self._prices(model)
        total, reached = Decimal(0), 0
        for each in outlook.candidates if self._consent.allows(request, STRATEGY) else ():
            place = outlook.prefix.places[each.place]
            if place.is_markable and place.reach_tokens >= model.min_cacheable_tokens:
                total += (place.reach_tokens - reached) * _standing_rate(each, prices)
                reached = place.reach_tokens
        is_cold = not any(outlook.prefix.places[place].section == "messages" for place in outlook.held)
        return Prospect(is_cold, total + (outlook.prefix.tokens - reached) * prices.input)

    def note_came(self, request: Request, model: Model) -> None:
        """Take down what came, where something else was sent in its place."""
        outlook = self._outlook(request, model)
        for each in outlook.candidates:
            digest = outlook.prefix.places[each.place].digest
            self.memory.note_seen(digest, each.kind, _groups(request), now=self._clock())

    def note(self, planned: Planned, answer: Answer, began_at: float, *, whole: Planned | None = None) -> None:
        """Learn from what was sent; the answer is here, and nothing that goes wrong now may lose it.

        `whole` is what came, where less was sent: the return of that is to be expected, nobody sends the rest again.
        """
        try:
            self.breakers.note(planned.request)
            self.note_seen(whole or planned, began_at)
            self.observe(planned, answer.message.usage, began_at)
        except Exception as error:
            logger.error("learning from the prompt cache failed: %s", type(error).__name__)

    def observe(self, planned: Planned, usage: Usage, began_at: float) -> None:
        """Take down what was read and written; TTLs run from the start of the request."""
        places = planned.outlook.prefix.places
        hit = self._note_read(planned, usage, began_at)
        if usage.prompt_tokens == usage.input_tokens:
            return  # nothing was read or written: the prompt is too short for its marks
        for mark in planned.marks:
            if hit is not None and mark.place <= hit:
                self.memory.note_read(places[mark.place].digest, now=began_at)
            else:
                self.memory.note_held(places[mark.place].digest, mark.ttl, now=began_at)

    def note_seen(self, planned: Planned, began_at: float) -> None:
        """Take down which prefixes came."""
        groups = _groups(planned.request)
        for each in planned.outlook.candidates:
            digest = planned.outlook.prefix.places[each.place].digest
            self.memory.note_seen(digest, each.kind, groups, now=began_at)

    def _outlook(self, request: Request, model: Model, *, goes_on: float = 1.0) -> Outlook:
        prefix, now = prefix_of(request, model), self._clock()
        return outlook_of(prefix, self.memory, _groups(request), now=now, goes_on=goes_on)

    def _prices(self, model: Model) -> Prices:
        return model.prices_on(self._today())

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def _note_read(self, planned: Planned, usage: Usage, began_at: float) -> int | None:
        """The place up to which the prompt was read; less than was expected where Claude held less than believed."""
        places, expected = planned.outlook.prefix.places, _deepest_held(planned)
        if expected is None:
            return None
        if usage.cache_read_tokens >= _BELIEVED * places[expected].reach_tokens:
            self.memory.note_read(places[expected].digest, now=began_at)
            return expected
        for number in planned.outlook.held:
            if _BELIEVED * places[number].reach_tokens > usage.cache_read_tokens:
                self.memory.note_lost(places[number].digest)
        return None


def _standing_rate(candidate: Candidate, prices: Prices) -> Decimal:
    soon, within_hour = Decimal(candidate.chances.soon), Decimal(candidate.chances.within_hour)
    return min(
        prices.input,
        soon * prices.cache_read + (1 - soon) * prices.cache_write_5m,
        within_hour * prices.cache_read + (1 - within_hour) * prices.cache_write_1h,
    )


def _deepest_held(planned: Planned) -> int | None:
    for mark in reversed(planned.marks):
        for place in range(mark.place, max(-1, mark.place - LOOKBACK_BLOCKS), -1):
            if place in planned.outlook.held:
                return place
    return None


def _groups(request: Request) -> tuple[str, str]:
    """The namespace, and the application within it: whose system prompts begin alike, whatever changes further on."""
    tools = request.body.get("tools")
    begins = digest([system_text(request.body)[:_ALIKE_CHARACTERS], len(tools) if isinstance(tools, list) else 0])
    return request.caller.namespace, f"{request.caller.namespace}/{begins[:12]}"
