"""How a request would be sent if the cache has no answer: where, in which form, at what price, and why."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from semcache.errors import InvalidRequest
from semcache.request import Request
from semcache.strategies.prompt_forms import PromptForms
from semcache.strategies.routing.choice import Chooser, Goes
from semcache.strategies.routing.explaining import RouteExplanation, explain_route
from semcache.strategies.shaping import Shaping
from semcache.strategies.token_budget.step import TokenBudget


@dataclass(frozen=True)
class WayToSend:
    """One admissible way. Costs are of the prompt, in dollars; `course_usd` also of the turns expected after it."""

    name: str
    cost_usd: Decimal
    course_usd: Decimal
    because: str


@dataclass(frozen=True)
class Sending:
    """The route, the ways to send the request on it, the cheapest first, and what keeps it from being cached.

    `first_max_tokens`: the room that its answer is first given; None: all that its caller allows.
    """

    route: RouteExplanation
    ways: tuple[WayToSend, ...]
    breaks_prefix: str | None
    first_max_tokens: int | None = None


def explain_sending(
    chooser: Chooser, forms: PromptForms, budget: TokenBudget, shaping: Shaping, request: Request
) -> Sending:
    """Decide as the steps would; nothing is sent, learned or remembered."""
    route = explain_route(chooser, request)
    shaped = forms.shaped(_routed(chooser, request))
    options = shaping.options(shaped)
    breaker = shaping.caching.breakers.of(request.caller.namespace)
    return Sending(
        route,
        tuple(WayToSend(each.name, each.cost_usd, each.course_usd, each.because) for each in options),
        None if breaker is None else breaker.says(),
        budget.first_room(shaped),
    )


def _routed(chooser: Chooser, request: Request) -> Request:
    try:
        choice = chooser.choose(request)
    except InvalidRequest:  # the route says so
        return request
    return choice.first.request if isinstance(choice, Goes) else request
