"""Where a request would go if the cache has no answer, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass

from semcache.errors import InvalidRequest
from semcache.exchange import route_in_words
from semcache.request import Request
from semcache.strategies.routing.choice import Chooser, Goes, Leg, Stays
from semcache.strategies.routing.opinions import Opinion

_STAYS = {
    "pinned": "the caller named this model, and the namespace does not allow another",
    "unknown-model": "the model is not known here, so nothing can be said of others",
    "conversation": "the conversation began on this model",
    "unproven": "a cheaper model has not been proven to be as good yet",
    "resting": "the cheaper model is overloaded or limited at the moment",
    "escalates": "the cheaper model fails so often that asking it first would cost more",
    "needed": "no cheaper model will do",
    "unavailable": "routing has failed, and the log says why",
}


@dataclass(frozen=True)
class RouteExplanation:
    """`arm` is where the request would go; `would_be` where it would, were it proven. Nothing quotes the prompt."""

    says: str
    arm: str
    level: str | None
    task: str | None
    category: str | None
    weak_right: float | None  # the probability that the small model answers well
    strong_right: float | None
    evidence: str | None  # what weighed most in that
    would_be: str | None
    changes: tuple[str, ...]  # fields of the body that would differ


def explain_route(chooser: Chooser, request: Request) -> RouteExplanation:
    """Decide as the step would, without asking Claude anything."""
    try:
        choice = chooser.choose(request)
    except InvalidRequest as error:
        return RouteExplanation(str(error), request.model, *(None,) * 7, changes=())
    match choice:
        case Goes(first=leg, opinion=opinion):
            return _explained(f"Would go to {route_in_words(leg.routed)}.", leg, request, opinion)
        case Stays(reason=reason, opinion=opinion, would_be=would_be):
            says = f"Would stay on {request.model}: {_STAYS.get(reason, reason)}."
            return _explained(says, None, request, opinion, would_be)


def _explained(
    says: str, leg: Leg | None, request: Request, opinion: Opinion | None, would_be: Leg | None = None
) -> RouteExplanation:
    complexity = None if opinion is None else opinion.complexity
    known = leg or would_be
    return RouteExplanation(
        says=says,
        arm=request.model if leg is None else str(leg.arm),
        level=None if opinion is None else opinion.level.word,
        task=None if opinion is None or opinion.task is None else opinion.task.name,
        category=None if known is None else known.routed.category,
        weak_right=None if complexity is None else complexity.weak_right,
        strong_right=None if complexity is None else complexity.strong_right,
        evidence=None if complexity is None else complexity.reasons,
        would_be=None if would_be is None else str(would_be.arm),
        changes=() if leg is None else _changed(request, leg),
    )


def _changed(request: Request, leg: Leg) -> tuple[str, ...]:
    before, after = request.body, leg.request.body
    return tuple(sorted(name for name in {*before, *after} if before.get(name) != after.get(name)))
