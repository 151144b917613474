"""Marks prefixes for Claude's prompt cache where it pays, and learns from what was read and written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from semcache.canonical import digest
from semcache.exchange import Answer
from semcache.message import THINKING_TYPES, Usage, block_types
from semcache.pricing import Model, Prices
from semcache.request import Request
from semcache.strategies.breakpoints.breakers import Breakers
from semcache.strategies.breakpoints.memory import SEAM, PrefixMemory
from semcache.strategies.breakpoints.parting import Parting, parted
from semcache.strategies.breakpoints.placing import STRATEGY, marked
from semcache.strategies.breakpoints.planning import Candidate, Mark, Outlook, Placement, best_placement, outlook_of
from semcache.strategies.breakpoints.prefix import LOOKBACK_BLOCKS, prefix_of
from semcache.strategies.breakpoints.seams import Seams
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
    unmarked: Request = field(repr=False)  # as it would be sent without our marks
    came: Request = field(repr=False)
    outlook: Outlook = field(repr=False)
    placement: Placement
    parting: Parting | None = None  # of a text whose first part can bear a mark
    seams: frozenset[str] = frozenset()  # prefixes up to where its texts could be parted, this one or another

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
        self.seams = Seams()
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

        A text that varies from some place on is parted there, if what stands before is worth a mark of its own.
        `goes_on`: see `outlook_of`.
        """
        plans = [self._plan(request, model, parting, goes_on=goes_on) for parting in self._partings(request)]
        prefixes = [plan.outlook.prefix for plan in plans]
        seams = frozenset(each.places[each.seam].digest for each in prefixes if each.seam is not None)
        return replace(min(plans, key=lambda plan: plan.placement.net_usd), seams=seams)

    def otherwise(self, planned: Planned, model: Model) -> Planned | None:
        """The other form, where the thinking that is sent back was refused: whole for parted, parted for whole."""
        request = planned.came
        others = (None,) if planned.parting is not None else self.seams.partings(request)[:1]
        if not others or not self.seams.is_bound(request)[0]:
            return None
        return self._plan(request, model, others[0])

    def as_begun(self, request: Request) -> Request:
        """A request that is to be left alone, in the form to which the thinking that it sends back is bound."""
        if self.seams.is_empty:
            return request
        return self._parted(request, self.seams.is_bound(request)[1])

    def held_tokens(self, request: Request, model: Model | None) -> int:
        """How much of the prompt Claude is believed to hold, from its beginning on."""
        if model is None:
            return 0
        now, held = self._clock(), [0]
        for parting in self._partings(request):
            places = prefix_of(self._parted(request, parting), model, parting=parting).places
            held += [each.reach_tokens for each in places if self.memory.held_for(each.digest, now=now) is not None]
        return max(held)

    def prospect(self, request: Request, model: Model) -> Prospect:
        """What the prompt cache makes of a prompt: each part is read as often as it has come again before."""
        return min(self._prospect(request, model, parting) for parting in self._partings(request))

    def _prospect(self, request: Request, model: Model, parting: Parting | None) -> Prospect:
        outlook = self._outlook(self._parted(request, parting), model, parting=parting)
        prices = self._prices(model)
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
        self.note_seen(self.planned_on(request, model), self._clock())

    def note(self, planned: Planned, answer: Answer, began_at: float, *, whole: Planned | None = None) -> None:
        """Learn from what was sent; the answer is here, and nothing that goes wrong now may lose it.

        `whole` is what came, where less was sent: the return of that is to be expected, nobody sends the rest again.
        """
        try:
            self.breakers.note(planned.came)
            self._note_seams(planned, answer)
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
        groups = _groups(planned.came)
        places, candidates = planned.outlook.prefix.places, planned.outlook.candidates
        seen = {places[each.place].digest: each.kind for each in candidates} | dict.fromkeys(planned.seams, SEAM)
        for prefix, kind in seen.items():
            self.memory.note_seen(prefix, kind, groups, now=began_at)

    def _note_seams(self, planned: Planned, answer: Answer) -> None:
        self.seams.note(planned.came)
        if planned.parting is not None and THINKING_TYPES & block_types(answer.message.blocks):
            self.seams.note_begun(planned.came, planned.parting)

    def _plan(self, request: Request, model: Model, parting: Parting | None, *, goes_on: float = 1.0) -> Planned:
        sent = self._parted(request, parting)
        outlook = expected_in_batch(self._outlook(sent, model, goes_on=goes_on, parting=parting), request)
        placement = best_placement(outlook, model, on=self._today())
        if parting is not None:
            placement = replace(placement, because=f"{placement.because}; {parting.says()}")
        return Planned(marked(sent, outlook.prefix, placement.marks), sent, request, outlook, placement, parting)

    def _partings(self, request: Request) -> tuple[Parting | None, ...]:
        """How it may be sent; one that sends thinking back goes on as it was begun."""
        if self.seams.is_empty:
            return (None,)
        is_bound, begun = self.seams.is_bound(request)
        if is_bound or not self._consent.allows(request, STRATEGY):
            return (begun,)
        return (None, *self.seams.partings(request))

    @staticmethod
    def _parted(request: Request, parting: Parting | None) -> Request:
        return request if parting is None else parted(request, parting, strategy=STRATEGY)

    def _outlook(
        self, request: Request, model: Model, *, goes_on: float = 1.0, parting: Parting | None = None
    ) -> Outlook:
        prefix, now = prefix_of(request, model, parting=parting), self._clock()
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
