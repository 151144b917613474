"""Requests for no tokens (`max_tokens: 0`): they write a prompt into Claude's cache before it is needed, or keep it.

Whoever sends one says that the prompt will come again, so its static part is marked without waiting for proof.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from semcache.exchange import Answer, Exchange, Forward
from semcache.pricing import Model, PriceBook
from semcache.request import Request
from semcache.strategies.breakpoints.caching import Planned, PromptCaching
from semcache.strategies.breakpoints.memory import TTL_SECONDS
from semcache.strategies.breakpoints.placing import marked
from semcache.strategies.breakpoints.planning import TTLS, Candidate, Mark, kinds_of
from semcache.strategies.breakpoints.prefix import Prefix, prefix_of

logger = logging.getLogger(__name__)

_STATIC = ("tools", "system", "context")
_AHEAD_SECONDS = {"5m": 45.0, "1h": 180.0}  # before it runs out: the clock is Claude's, and requests take time
_MILLIONTH = Decimal(1).scaleb(-6)


class Prewarming:
    """Stands before the planner, which leaves such requests alone. Fails open."""

    def __init__(self, caching: PromptCaching, prices: PriceBook, *, clock: Callable[[], float]) -> None:
        self._caching = caching
        self._prices = prices
        self._clock = clock

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        planned = self._planned(request) if request.max_tokens == 0 else None
        if planned is None:
            return (yield from forward(request))
        began_at = self._clock()
        answer: Answer = yield from forward(planned.request)
        self._caching.note(planned, answer, began_at)
        return answer

    def _planned(self, request: Request) -> Planned | None:
        try:
            model = self._prices.model(request.model)
            if model is None or not self._caching.may_mark(request, model):
                return None
            planned = self._caching.planned_on(request, model)
            prefix, own = planned.outlook.prefix, planned.outlook.prefix.marks
            known = {each.place: each for each in planned.outlook.candidates}
            place = static_place(prefix, model)
            ttl = _ttl(known[place], model, self._today()) if place is not None and place in known else "5m"
            marks = () if own or place is None else (Mark(place, ttl),)
            placement = replace(planned.placement, marks=marks, because="sent to be held")
            return replace(planned, request=marked(planned.unmarked, prefix, marks), placement=placement)
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("pre-warming failed open: %s", type(error).__name__)
            return None

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()


@dataclass(frozen=True)
class Holding:
    """The cheapest way to have a prompt held for a while: `request` is sent now, and so many times more.

    `pays_from`: requests in that time from which on it is cheaper than sending the prompt each time without a cache.
    """

    request: Request = field(repr=False)
    ttl: str
    every_seconds: float
    times_more: int
    tokens: int
    cost_usd: Decimal
    pays_from: int


def holding(request: Request, model: Model, seconds: float, *, on: date) -> Holding | None:
    """None where the prompt has no static part that is long enough, has marks, or cannot be sent for nothing.

    5-minute marks that are read again before they run out, or marks of an hour, whichever is cheaper: with w the price
    of a write, r of a read, and n readings, w + n r a token (Claude API §4, break-even).
    """
    bare = Request({**request.body, **_for_nothing(request)})
    prefix = prefix_of(bare, model)
    place = static_place(prefix, model)
    if place is None or prefix.marks or _binds(request):
        return None
    prices, tokens = model.prices_on(on), prefix.places[place].reach_tokens
    if model.long_prompt is not None and prefix.tokens > model.long_prompt.above_tokens:
        prices = model.long_prompt.prices
    beside = (prefix.tokens - tokens) * prices.input
    found = []
    for ttl, write in zip(TTLS, (prices.cache_write_5m, prices.cache_write_1h), strict=True):
        every = TTL_SECONDS[ttl] - _AHEAD_SECONDS[ttl]
        more = math.ceil(max(0.0, seconds - TTL_SECONDS[ttl]) / every)
        cost = (tokens * (write + more * prices.cache_read) + (1 + more) * beside) * _MILLIONTH
        found.append((cost, ttl, every, more))
    cost, ttl, every, more = min(found)
    saved_each = tokens * (prices.input - prices.cache_read) * _MILLIONTH
    pays_from = math.ceil(cost / saved_each) if saved_each else 0
    return Holding(marked(bare, prefix, [Mark(place, ttl)]), ttl, every, more, tokens, cost, pays_from)


def static_place(prefix: Prefix, model: Model) -> int | None:
    """The last block before what the user asks, if it is long enough: a document, the system prompt, or the tools."""
    found = [place for place, kind in kinds_of(prefix) if kind in _STATIC]
    if prefix.seam is not None:  # what stands behind it varies
        found = [prefix.seam]
    long = [place for place in found if prefix.places[place].reach_tokens >= model.min_cacheable_tokens]
    return max(long, default=None)


def _binds(request: Request) -> bool:
    """Whether it holds what Claude refuses beside `max_tokens: 0`, and whose absence would make it another prefix."""
    thinking, choice = request.body.get("thinking"), request.body.get("tool_choice")
    is_forced = isinstance(choice, dict) and choice.get("type") in ("any", "tool")
    return is_forced or (isinstance(thinking, dict) and thinking.get("type") == "enabled")


def _for_nothing(request: Request) -> dict[str, object]:
    """What Claude refuses beside `max_tokens: 0` and is no part of the static prefix, without it."""
    config = request.body.get("output_config")
    changes: dict[str, object] = {"max_tokens": 0}
    if request.body.get("stream"):
        changes["stream"] = False
    if isinstance(config, dict) and "format" in config:
        changes["output_config"] = {name: value for name, value in config.items() if name != "format"}
    return changes


def _ttl(candidate: Candidate, model: Model, on: date) -> str:
    """What is expected to be worth more at the next use, by the gaps that were seen."""
    prices = model.prices_on(on)
    writes = (prices.cache_write_5m, prices.cache_write_1h)
    worth = [
        Decimal(chance) * (write - prices.cache_read) - (write - prices.input)
        for chance, write in zip(candidate.chances, writes, strict=False)
    ]
    return TTLS[worth.index(max(worth))]
