"""The steps between the choice of the model and the upstream, joined: the prompt's form, its budget, its marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from semcache.exchange import Step
from semcache.pricing import PriceBook
from semcache.stores.store import Store
from semcache.strategies.approved_prompts import SIDES_DOCUMENT, ApprovedPrompts, Replacing, Sides
from semcache.strategies.breakpoints.breakers import DOCUMENT as BREAKERS_DOCUMENT
from semcache.strategies.breakpoints.caching import PromptCaching
from semcache.strategies.breakpoints.memory import PrefixMemory
from semcache.strategies.breakpoints.prewarming import Prewarming
from semcache.strategies.breakpoints.seams import DOCUMENT as SEAMS_DOCUMENT
from semcache.strategies.compression.blocks import Blocks
from semcache.strategies.compression.terms import Terms
from semcache.strategies.consent import Consent
from semcache.strategies.keeping import Keeping
from semcache.strategies.prompt_forms import FormMemory, Learned, PromptForms
from semcache.strategies.remaining import RemainingTurns
from semcache.strategies.shaping import Shaping
from semcache.strategies.summaries import Summaries, cheapest_of
from semcache.strategies.system_prompts import DOCUMENT as SYSTEM_PROMPTS_DOCUMENT
from semcache.strategies.system_prompts import SystemPrompts
from semcache.strategies.tidying import Tidying
from semcache.strategies.token_budget.begun import Begun
from semcache.strategies.token_budget.brevity import Brevity
from semcache.strategies.token_budget.brief import Brief
from semcache.strategies.token_budget.lengths import Lengths
from semcache.strategies.token_budget.step import TokenBudget


@dataclass(frozen=True)
class MissPath:
    """In the order in which a request meets them: what stands in the prompt is settled before it is priced."""

    forms: PromptForms
    budget: TokenBudget
    prewarming: Prewarming
    shaping: Shaping
    brief: Brief

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self.forms.step, self.budget.step, self.prewarming.step, self.shaping.step, self.brief.step)


@dataclass(frozen=True)
class _Memories:
    """What the steps learn and share."""

    blocks: Blocks = field(default_factory=Blocks)
    turns: RemainingTurns = field(default_factory=RemainingTurns)
    prefixes: PrefixMemory = field(default_factory=PrefixMemory)
    forms: FormMemory = field(default_factory=FormMemory)
    prompts: SystemPrompts = field(default_factory=SystemPrompts)
    sides: Sides = field(default_factory=Sides)
    lengths: Lengths = field(default_factory=Lengths)
    brevity: Brevity = field(default_factory=Brevity)
    begun: Begun = field(default_factory=Begun)

    def keep_in(self, keeping: Keeping) -> None:
        for name, thing in (
            ("compressed-blocks", self.blocks),
            ("remaining-turns", self.turns),
            ("prompt-prefixes", self.prefixes),
            ("prompt-forms", self.forms),
            (SYSTEM_PROMPTS_DOCUMENT, self.prompts),
            (SIDES_DOCUMENT, self.sides),
            ("output-lengths", self.lengths),
            ("brevity", self.brevity),
            ("begun-briefly", self.begun),
        ):
            keeping.keep(name, thing)


def open_miss_path(
    prices: PriceBook, consent: Consent, store: Store, keeping: Keeping, *, clock: Callable[[], float]
) -> MissPath:
    """All that they learn is handed to `keeping`, which restores it."""
    known = _Memories()
    caching = PromptCaching(consent, known.prefixes, clock=clock)
    known.keep_in(keeping)
    keeping.keep(BREAKERS_DOCUMENT, caching.breakers)
    keeping.keep(SEAMS_DOCUMENT, caching.seams)
    replacing = Replacing(consent, ApprovedPrompts(store, clock=clock), prices, caching=caching)
    return MissPath(
        PromptForms(
            consent,
            Tidying(consent, prices),
            replacing,
            learned=Learned(known.forms, known.prompts, known.sides),
            prices=prices,
            held_tokens=lambda request: caching.held_tokens(request, prices.model(request.model)),
            clock=clock,
        ),
        TokenBudget(consent, prices, known.lengths, clock=clock),
        Prewarming(caching, prices, clock=clock),
        Shaping(
            prices,
            consent,
            caching,
            blocks=known.blocks,
            turns=known.turns,
            terms=Terms(),
            summaries=Summaries(consent, cheapest_of(prices, datetime.fromtimestamp(clock(), UTC).date())),
            clock=clock,
        ),
        Brief(consent, prices, known.lengths, brevity=known.brevity, begun=known.begun),
    )
