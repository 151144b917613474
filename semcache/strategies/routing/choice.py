"""Chooses the arm of a miss: the cheapest that is sufficient and allowed, and proven where a model was named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from semcache.decision.routing.evidence import RouteEvidence
from semcache.errors import InvalidRequest, SettingsError
from semcache.exchange import Routed
from semcache.pricing import Model, PriceBook
from semcache.request import AUTO_MODEL, Request
from semcache.strategies.consent import Consent
from semcache.strategies.routing.arms import Arm, Level, read_arm
from semcache.strategies.routing.case import Case, category, is_worth_trying, load_of
from semcache.strategies.routing.classifier import Word
from semcache.strategies.routing.conversations import (
    WARM_SECONDS,
    Stay,
    carries_signed_thinking,
    has_history,
)
from semcache.strategies.routing.memory import Memory
from semcache.strategies.routing.opinions import Opinion, Opinions
from semcache.strategies.routing.table import RoutingTable
from semcache.strategies.translation import Untranslatable, translated

_SPEAKS_FOR_ITSELF = ("effort", "thinking")


@dataclass(frozen=True)
class Leg:
    """One arm, and the request as it takes it."""

    arm: Arm
    request: Request = field(repr=False)
    routed: Routed
    is_stopgap: bool = False  # weaker than the request needs: only because nothing better can be reached


@dataclass(frozen=True)
class Goes:
    """The request goes to the first leg; `others`, worked out when they are needed, may stand in for it, in order.

    `may_grow`: there is a stronger one that may be among them.
    """

    first: Leg
    opinion: Opinion
    others: Callable[[], Sequence[Leg]] = field(repr=False)
    may_grow: bool = True


@dataclass(frozen=True)
class Stays:
    """The request goes where it says; `would_be` is where it would go if that were proven."""

    reason: str
    opinion: Opinion | None = None
    would_be: Leg | None = None
    suggestion: str | None = None  # the model that was probably meant


Choice = Goes | Stays


class Chooser:
    """Decides and explains; sends nothing. Raises `InvalidRequest` where `auto` finds no model, or no such task."""

    def __init__(  # noqa: PLR0913 - what a choice depends on
        self,
        table: RoutingTable,
        prices: PriceBook,
        opinions: Opinions,
        *,
        consent: Consent,
        memory: Memory,
        clock: Callable[[], float],
    ) -> None:
        self._table = table
        self._prices = prices
        self._opinions = opinions
        self._consent = consent
        self._book = memory.book
        self._conversations = memory.conversations
        self._health = memory.health
        self._clock = clock

    def choose(self, request: Request, word: Word | None = None) -> Choice:
        """`word` is what Claude says of the request, where he was asked."""
        if request.model == AUTO_MODEL:
            return self._chosen_freely(request, word)
        source = self._prices.model(request.model)
        if source is None:
            return Stays("unknown-model", suggestion=self._prices.suggestion(request.model))
        if not self._consent.may_downshift(request):
            return Stays("pinned")
        return self._downshifted(request, source, word)

    def as_sent(self, request: Request) -> Request:
        """A request as it can be sent without the stack: `auto` is no model that Claude knows."""
        if request.model != AUTO_MODEL:
            return request
        choice = self.choose(request)
        return choice.first.request if isinstance(choice, Goes) else request

    def fallback(self, request: Request) -> Choice:
        """Where the choice itself has failed: what was named, and for `auto` the middle of the ladder."""
        if request.model != AUTO_MODEL:
            return Stays("unavailable")
        opinion = Opinion(Level.MODERATE, "routing failed")
        return self._first_of(request, [self._table.ladder[Level.MODERATE], *self._table.ladder], opinion)

    def asks_for_opinion(self, request: Request) -> bool:
        """Whether anything depends on how hard the request is."""
        if not self._consent.may_downshift(request) or not self._consent.allows(request, "routing"):
            return False
        is_ruled = self._consent.allows(request, "tiering") and self._opinions.ruled(request) is not None
        return not is_ruled and self._conversations.of(request) is None

    # `auto`

    def _chosen_freely(self, request: Request, word: Word | None) -> Choice:
        case = self._case(request, word)
        arms = self._sufficient(case)
        stay = self._conversations.of(request)
        if stay is not None:
            arms = self._held(case, stay, arms)
        return self._first_of(request, [*arms, *self._weaker(arms[0])], case.opinion, sufficient=len(arms))

    def _case(self, request: Request, word: Word | None) -> Case:
        evidence = self._book.of(request.caller.namespace)
        opinion = self._opinion(request, evidence, word)
        return Case(request, opinion, evidence, load_of(request, opinion), self._today())

    def _sufficient(self, case: Case) -> list[Arm]:
        """The arms that will do, cheapest first; those that seldom do are left out."""
        ladder, opinion = list(self._table.ladder), case.opinion
        if opinion.arm is not None:
            return [opinion.arm, *(arm for arm in ladder if opinion.arm.is_weaker_than(arm.model))]
        enough = sorted(ladder[opinion.level :], key=lambda arm: case.cost_usd(arm.model))
        while len(enough) > 1 and not is_worth_trying(case, enough):
            enough = enough[1:]
        return enough

    def _weaker(self, arm: Arm) -> list[Arm]:
        """What is left where nothing sufficient can be reached, the strongest first."""
        return [other for other in reversed(self._table.ladder) if other.is_weaker_than(arm.model)]

    def _held(self, case: Case, stay: Stay, arms: list[Arm]) -> list[Arm]:
        """A conversation stays where its prompt is cached and its thinking is signed, unless that is too little."""
        held = self._known(stay.arm)
        if held is None:
            return arms
        rest = [arm for arm in arms if arm.model.id != held.model.id]
        if carries_signed_thinking(case.request):
            return [held]
        if case.opinion.arm is not None or case.opinion.level > self._table.level_reached_by(held):
            return arms
        is_warm = self._clock() - stay.at < WARM_SECONDS
        if is_warm or not rest or case.course_usd(held) <= case.course_usd(rest[0]):
            return [held, *rest]
        return arms

    # a model was named

    def _downshifted(self, request: Request, source: Model, word: Word | None) -> Choice:
        stay = self._conversations.of(request)
        if has_history(request) and (stay is None or carries_signed_thinking(request)):
            return Stays("conversation")
        case = self._case(request, word)
        opinion = case.opinion
        held = None if stay is None else self._known(stay.arm)
        if held is not None and held.model.id == source.id:
            return Stays("conversation", opinion)
        arms = [opinion.arm] if opinion.arm is not None else list(self._table.ladder[opinion.level :])
        if held is not None and opinion.level <= self._table.level_reached_by(held):
            arms = [held]
        for arm in arms:
            if not arm.is_weaker_than(source) or case.cost_usd(arm.model) >= case.cost_usd(source):
                continue
            leg = self._leg(request, arm, opinion, source=source)
            if isinstance(leg, Leg):
                return self._where_proven(case, source, leg)
        return Stays("needed", opinion)

    def _where_proven(self, case: Case, source: Model, leg: Leg) -> Choice:
        known, opinion = leg.routed.category, case.opinion
        if not case.evidence.is_certified(known):
            return Stays("unproven", opinion, would_be=leg)
        if self._is_resting(case.request, leg.arm):
            return Stays("resting", opinion)
        cheap, dear = case.cost_usd(leg.arm.model), case.cost_usd(source)
        if cheap + Decimal(case.evidence.escalation_rate(known)) * dear >= dear:
            return Stays("escalates", opinion)
        named = Arm(source)
        routed = Routed(source.id, None, case.request.model, category(opinion, named, case.request.model), "as named")
        return Goes(leg, opinion, lambda: (Leg(named, case.request, routed),))

    # both

    def _opinion(self, request: Request, evidence: RouteEvidence, word: Word | None) -> Opinion:
        knows_tasks = self._consent.allows(request, "tiering")
        if knows_tasks and (ruled := self._opinions.ruled(request)) is not None:
            return ruled
        if not self._consent.allows(request, "routing"):
            return Opinion(Level.MODERATE, "unjudged")
        if word is not None:
            return self._opinions.bounded(request, word[0], word[1] if knows_tasks else None)
        return self._opinions.formed(request, evidence.neighbours, knows_tasks=knows_tasks)

    def _first_of(self, request: Request, arms: list[Arm], opinion: Opinion, sufficient: int = 1) -> Goes:
        """The first arm that takes the request and is not resting, with the others behind it."""
        numbered = list(enumerate(_distinct(arms)))
        if self._consent.allows(request, "failover"):
            numbered.sort(key=lambda each: self._is_resting(request, each[1]))
        legs = self._legs(request, numbered, opinion, sufficient)
        first = next(legs, None)
        if first is None:
            raise InvalidRequest("model: auto finds no model that takes this request; name one, and Claude says why")
        may_grow = any(first.arm.is_weaker_than(arm.model) for arm in arms)
        return Goes(first, opinion, lambda: tuple(legs), may_grow)

    def _legs(
        self, request: Request, arms: Iterable[tuple[int, Arm]], opinion: Opinion, sufficient: int
    ) -> Iterator[Leg]:
        for place, arm in arms:
            leg = self._leg(request, arm, opinion, is_stopgap=place >= sufficient)
            if isinstance(leg, Leg):
                yield leg

    def _leg(
        self, request: Request, arm: Arm, opinion: Opinion, *, source: Model | None = None, is_stopgap: bool = False
    ) -> Leg | Untranslatable:
        effort = None if any(_says(request, name) for name in _SPEAKS_FOR_ITSELF) else arm.effort
        outcome = translated(request, source=source or arm.model, target=arm.model, on=self._today(), effort=effort)
        if isinstance(outcome, Untranslatable):
            return outcome
        routed = Routed(
            arm.model.id,
            effort,
            request.model,
            category(opinion, arm, request.model),
            opinion.because,
            is_downshift=source is not None,
        )
        return Leg(arm, _signed(outcome.request, opinion), routed, is_stopgap)

    def _is_resting(self, request: Request, arm: Arm) -> bool:
        return self._health.is_resting(request, arm.model.id, now=self._clock())

    def _known(self, text: str) -> Arm | None:
        try:
            arm = read_arm(text, self._prices, where="conversation")
        except SettingsError:
            return None
        return arm if arm.model.answers_on(self._today()) else None

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()


def _signed(request: Request, opinion: Opinion) -> Request:
    """Whose work the change is: a task's, or complexity's; `translation` has only carried it out."""
    name = "routing" if opinion.arm is None else "tiering"
    return request.signed(name, instead_of="translation")


def _says(request: Request, name: str) -> bool:
    config = request.body.get("output_config")
    return request.body.get(name) is not None or (isinstance(config, dict) and config.get(name) is not None)


def _distinct(arms: list[Arm]) -> Iterator[Arm]:
    seen: set[str] = set()
    for arm in arms:
        if arm.model.id not in seen:
            seen.add(arm.model.id)
            yield arm
