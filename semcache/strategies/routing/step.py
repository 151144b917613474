"""The step that sends a miss to the cheapest sufficient model, and to a stronger one where that shows it was not."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from semcache.canonical import last_user_text
from semcache.decision.routing.evidence import RouteEvidence
from semcache.decision.routing.quality import Outcome
from semcache.errors import InvalidRequest, UpstreamError, UpstreamStatus
from semcache.exchange import Answer, Attempt, Exchange, Forward, relabelled
from semcache.learning.learning import Learning
from semcache.learning.lessons import RouteLesson
from semcache.request import AUTO_MODEL, Request
from semcache.strategies.consent import Consent
from semcache.strategies.routing.checks import TRUNCATED, failure_of
from semcache.strategies.routing.choice import Choice, Chooser, Goes, Leg, Stays
from semcache.strategies.routing.classifier import Classifier, Word
from semcache.strategies.routing.health import is_failing_over
from semcache.strategies.routing.memory import Memory

logger = logging.getLogger(__name__)

MOST_FAILOVERS = 2
_NOT_FOUND = 404


@dataclass
class _Journey:
    """One request under way: the leg it is on, those it may still take, and what has been paid."""

    request: Request
    choice: Goes
    leg: Leg
    paid: list[Attempt]
    failovers: int = 0
    has_full_room: bool = False  # the caller's own max_tokens: asked for once less was not enough
    _others: list[Leg] | None = field(default=None, repr=False)

    @property
    def may_grow(self) -> bool:
        """Whether there may be a stronger leg; which, is only worked out when it is needed."""
        return self.choice.may_grow if self._others is None else self.stronger() is not None

    @property
    def others(self) -> list[Leg]:
        if self._others is None:
            self._others = [leg for leg in self.choice.others() if leg.arm.model.id != self.leg.arm.model.id]
        return self._others

    def stronger(self) -> Leg | None:
        """The next leg that is stronger than this one."""
        return next((leg for leg in self.others if self.leg.arm.is_weaker_than(leg.arm.model)), None)

    def move_to(self, leg: Leg, because: str, *, is_failover: bool = False) -> None:
        self.others.remove(leg)
        because = f"{self.leg.routed.because}, {because}"
        is_failover = is_failover or self.leg.routed.is_failover
        self.leg = replace(leg, routed=replace(leg.routed, because=because, is_failover=is_failover))


class Routing:
    """Fails open: whatever goes wrong with choosing, the request goes somewhere.

    `compares`: some requests may be asked of both models, in the background; without it nothing is ever proven.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        chooser: Chooser,
        consent: Consent,
        memory: Memory,
        learning: Learning,
        *,
        classifier: Classifier | None,
        cascade_streams: bool,
        compares: bool,
        clock: Callable[[], float],
        randomness: random.Random,
    ) -> None:
        self.chooser = chooser
        self._consent = consent
        self.memory = memory
        self._learning = learning
        self._classifier = classifier
        self._cascade_streams = cascade_streams
        self._compares = compares
        self._clock = clock
        self._randomness = randomness

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`. Raises `InvalidRequest`, and what lies behind it raises."""
        word: Word | None = None
        paid: tuple[Attempt, ...] = ()
        if self._classifier is not None and self.chooser.asks_for_opinion(request):
            word, paid = yield from self._classifier.ask(request)
        choice = self._chosen(lambda: self.chooser.choose(request, word), request)
        match choice:
            case Stays(suggestion=suggestion):
                answer = yield from _with_hint(forward(request), suggestion)
                answer = replace(answer, attempts=(*paid, *answer.attempts))
            case Goes(first=first):
                answer = yield from self._travelled(_Journey(request, choice, first, list(paid)), forward)
        self._noted(request, choice, answer)
        return answer

    def _chosen(self, choose: Callable[[], Choice], request: Request) -> Choice:
        try:
            return choose()
        except InvalidRequest:
            raise
        except Exception as error:
            logger.error("routing failed open: %s", type(error).__name__)
            return self.chooser.fallback(request)

    def _travelled(self, journey: _Journey, forward: Forward) -> Exchange:
        while True:
            is_tentative = self._may_escalate(journey)
            sent = self._as_sent(journey) if is_tentative else journey.leg.request
            try:
                answer = yield from _along(forward(sent), journey.leg, is_tentative=is_tentative)
            except UpstreamError as error:
                self._fail_over(journey, error)
                continue
            if is_tentative and self._escalated(journey, answer):
                continue
            return replace(
                answer,
                call=None if answer.call is None else replace(answer.call, routed=journey.leg.routed),
                attempts=(*journey.paid, *answer.attempts),
                not_stored="stopgap" if journey.leg.is_stopgap else answer.not_stored,
            )

    # the cascade

    def _may_escalate(self, journey: _Journey) -> bool:
        """Whether the answer is looked at before the caller sees it: a stream would have to be held back for it."""
        request = journey.request
        if request.stream and not self._cascade_streams:
            return False
        return journey.may_grow and self._consent.allows(request, "cascade")

    def _as_sent(self, journey: _Journey) -> Request:
        """With no more room than such answers need, unless that was too little."""
        room = _room(journey)
        return journey.leg.request if room is None else journey.leg.request.reshaped("tiering", {"max_tokens": room})

    def _escalated(self, journey: _Journey, answer: Answer) -> bool:
        """Whether the answer fails in a way that shows; then the journey goes on, with more room or a stronger leg."""
        task, question = journey.choice.opinion.task, last_user_text(journey.request)
        failed = failure_of(journey.request, answer.message, task, question)
        evidence, stronger = self._evidence(journey.request), journey.stronger()
        if failed == TRUNCATED and _room(journey) is not None:
            journey.has_full_room = True
        else:
            evidence.note_attempt(journey.leg.routed.category, escalated=failed is not None)
            if failed is None or stronger is None:
                return False
            evidence.learn(journey.request.vector, Outcome.STRONG_ONLY)
            journey.move_to(stronger, f"after {failed}")
        journey.paid += [*answer.attempts, Attempt(answer.message, answer.message.model, failed)]
        return True

    # failover

    def _fail_over(self, journey: _Journey, error: UpstreamError) -> None:
        """Move on to a leg that is not resting. Raises the error where there is none."""
        request, now = journey.request, self._clock()
        if not is_failing_over(error):
            raise error
        self.memory.health.note(request, journey.leg.arm.model.id, error, now=now)
        if journey.failovers >= MOST_FAILOVERS or not self._consent.allows(request, "failover"):
            raise error
        awake = (leg for leg in journey.others if not self.memory.health.is_resting(request, leg.arm.model.id, now=now))
        leg = next(awake, None)
        if leg is None:
            raise error
        journey.failovers += 1
        journey.move_to(leg, f"{journey.leg.arm.model.id} failed", is_failover=True)

    # learning

    def _noted(self, request: Request, choice: Choice, answer: Answer) -> None:
        try:
            self._note(request, choice, answer)
        except Exception as error:  # the answer is here: nothing that goes wrong now may lose it
            logger.error("learning from a route failed: %s", type(error).__name__)

    def _note(self, request: Request, choice: Choice, answer: Answer) -> None:
        routed = answer.call.routed if answer.call is not None else None
        if routed is not None:
            effort = "" if routed.effort is None else f"@{routed.effort}"
            self.memory.conversations.keep(request, f"{routed.model}{effort}", at=self._clock())
        elif isinstance(choice, Stays) and choice.opinion is not None:
            self.memory.conversations.keep(request, request.model, at=self._clock())
        lesson = self._lesson(request, choice, answer)
        if lesson is not None:
            self._learning.note_route(lesson)

    def _lesson(self, request: Request, choice: Choice, answer: Answer) -> RouteLesson | None:
        """What is to be asked of the other model too; draws, and books where nothing was drawn."""
        question, was_named = last_user_text(request), request.model != AUTO_MODEL
        if not question or answer.message.coalesced or not self._compares:
            return None
        match choice:
            case Stays(would_be=Leg() as leg):
                other, category, is_weaker = leg.request, leg.routed.category, False
            case Goes(first=first) if not answer.attempts and _was_first(answer, first):
                dearer = next((leg for leg in choice.others() if first.arm.is_weaker_than(leg.arm.model)), None)
                if dearer is None:
                    return None
                other, category, is_weaker = dearer.request, first.routed.category, True
            case _:
                return None
        evidence = self._evidence(request)
        plan = evidence.plan(category, self._randomness, was_named=was_named)
        if not plan.is_drawn:
            evidence.settle(category, plan, None, self._clock())
            return None
        return RouteLesson(
            request.caller.namespace,
            category,
            plan,
            question,
            request.vector,
            answer.message,
            other,
            answered_is_weaker=is_weaker,
            was_named=was_named,
        )

    def _evidence(self, request: Request) -> RouteEvidence:
        return self.memory.book.of(request.caller.namespace)


def _room(journey: _Journey) -> int | None:
    """Less than the caller allows, where such answers are short; None: all that he allows."""
    task, limit = journey.choice.opinion.task, journey.leg.request.max_tokens
    if journey.has_full_room or task is None or task.max_tokens is None or limit is None or limit <= task.max_tokens:
        return None
    return task.max_tokens


def _with_hint(exchange: Exchange, suggestion: str | None) -> Exchange:
    """Where Claude does not know the model: what was probably meant."""
    try:
        return (yield from exchange)
    except UpstreamStatus as error:
        if error.status == _NOT_FOUND and suggestion is not None:
            error.hint = f"there is no such model; did you mean {suggestion}?"
        raise


def _along(exchange: Exchange, leg: Leg, *, is_tentative: bool) -> Exchange:
    return relabelled(exchange, lambda call: replace(call, routed=leg.routed, is_tentative=is_tentative))


def _was_first(answer: Answer, first: Leg) -> bool:
    call = answer.call
    return call is not None and call.routed is not None and call.routed.model == first.arm.model.id
