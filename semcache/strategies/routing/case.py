"""One request with all that the choice of its arm depends on, each worked out once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from semcache.decision.routing.evidence import RouteEvidence
from semcache.pricing import Model
from semcache.request import AUTO_MODEL, Request
from semcache.strategies.routing.arms import Arm, Load, expected_cost_usd
from semcache.strategies.routing.opinions import Opinion
from semcache.strategies.routing.table import TYPICAL_OUTPUT_TOKENS
from semcache.strategies.translation_size import estimated_prompt_tokens

_TURNS_AHEAD = 3  # that a conversation is expected to go on, where it is asked whether to move it


@dataclass(frozen=True)
class Case:
    """`load` is what the request is expected to bring, `today` the day whose prices hold."""

    request: Request = field(repr=False)
    opinion: Opinion
    evidence: RouteEvidence
    load: Load
    today: date

    def cost_usd(self, model: Model) -> Decimal:
        return expected_cost_usd(model, self.load, on=self.today)

    def course_usd(self, arm: Arm) -> Decimal:
        """Of the next turns at a cold moment: the whole prompt is written once, and read from the cache later."""
        tokens, output = self.load.prompt_tokens, self.load.output_tokens
        first = expected_cost_usd(arm.model, Load(tokens, output, writes=True), on=self.today)
        later = expected_cost_usd(arm.model, Load(tokens, output, warm_tokens=tokens), on=self.today)
        return first + (_TURNS_AHEAD - 1) * later


def is_worth_trying(case: Case, arms: list[Arm]) -> bool:
    """Expected to cost less than going straight to the next, and not known to be worse (decision.md §11)."""
    kept_under = category(case.opinion, arms[0], AUTO_MODEL)
    if case.evidence.is_refuted(kept_under):
        return False
    cheap, dear = case.cost_usd(arms[0].model), case.cost_usd(arms[1].model)
    return cheap + Decimal(case.evidence.escalation_rate(kept_under)) * dear < dear or cheap == dear


def load_of(request: Request, opinion: Opinion) -> Load:
    typical = TYPICAL_OUTPUT_TOKENS if opinion.task is None else opinion.task.output_tokens
    return Load(_prompt_tokens(request), min(typical, request.max_tokens or typical))


def category(opinion: Opinion, arm: Arm, requested: str) -> str:
    return f"{opinion.category}:{arm}<{requested}"


def _prompt_tokens(request: Request) -> int:
    """Roughly, and in no time where the bytes are at hand."""
    if request.raw is not None:
        return len(request.raw) // 4
    return estimated_prompt_tokens(request.body) or 0
