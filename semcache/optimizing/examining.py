"""From one system prompt to a report: versions are proposed, checked, tried, and kept for somebody to approve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from semcache.learning.comparing import Comparing
from semcache.optimizing.asking import Asking
from semcache.optimizing.checklist import Instruction, instructions_in, lost_in
from semcache.optimizing.costliest import Volume
from semcache.optimizing.proposing import Proposal, propose
from semcache.optimizing.reviewing import lost_by_claude
from semcache.optimizing.trying import Trial, Tried, belongs_to, try_all
from semcache.pricing import Model
from semcache.request import Json

UNTRIED = "not tried: no requests were given"


@dataclass(frozen=True)
class Prompt:
    """What is to become shorter, and the requests that it is tried on."""

    text: str = field(repr=False)
    requests: tuple[Json, ...] = field(default=(), repr=False)
    volume: Volume | None = None

    def tried_on(self, requests: Sequence[Json]) -> Prompt:
        """With those of the requests that came with it, or with no system prompt."""
        return Prompt(self.text, tuple(body for body in requests if belongs_to(body, self.text)), self.volume)

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that its requests bring."""
        tools = (tool for body in self.requests for tool in body.get("tools") or () if isinstance(tool, dict))
        return tuple(dict.fromkeys(str(tool["name"]) for tool in tools if tool.get("name")))


@dataclass(frozen=True)
class Examined:
    """One version, and all that was found out about it. `tried` None: it was not."""

    text: str = field(repr=False)
    lacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lost: tuple[Instruction, ...] = ()
    lost_by_claude: tuple[str, ...] = field(default=(), repr=False)
    tried: Tried | None = None

    @property
    def objections(self) -> tuple[str, ...]:
        """Why it should not be approved, each in a few words; none: nothing is known against it."""
        found = [f"lacks {kind} {', '.join(lost)}" for kind, lost in self.lacks.items()]
        found += [f"lost {each.kind.value}: {each.text}" for each in self.lost]
        found += [f"lost, says Claude: {each}" for each in self.lost_by_claude]
        if self.tried is None:
            return (*found, *(() if found else (UNTRIED,)))
        if not self.tried.is_as_good:
            found.append("answers agree less than the original's do with each other, or too few were compared")
        return tuple(found)


@dataclass(frozen=True)
class Examination:
    """All that was found out about the versions of one prompt, the shortest first."""

    prompt: Prompt
    model: Model | None  # that the prompt is for
    instructions: int
    versions: tuple[Examined, ...]
    problem: str = ""  # why there are no versions


@dataclass(frozen=True)
class Workshop:
    """Who is asked what. `reviews`: Claude makes a checklist too."""

    asking: Asking
    comparing: Comparing
    proposer: Model
    target: Model | None
    versions: int = 3
    reviews: bool = False
    on_progress: Callable[[str], None] = field(default=lambda what: None, repr=False)

    def examined(self, prompt: Prompt) -> Examination:
        """Raises `UpstreamError` where no version could be asked for, or none tried."""
        [examination] = self.examined_all([prompt])
        return examination

    def examined_all(self, prompts: Sequence[Prompt]) -> list[Examination]:
        """All prompts are tried together, in one batch where many questions are asked later. Raises as `examined`."""
        drawn = [self._drawn(prompt) for prompt in prompts]
        trials = {
            place: self._trial(examination)
            for place, examination in enumerate(drawn)
            if examination.prompt.requests and any(map(_is_worth_it, examination.versions))
        }
        if trials:
            versions = sum(len(trial.versions) for trial in trials.values())
            self.on_progress(f"trying {versions} of {sum(len(each.versions) for each in drawn)} versions")
            tried = try_all(list(trials.values()), asking=self.asking, comparing=self.comparing)
            for place, found in zip(trials, tried, strict=True):
                drawn[place] = replace(drawn[place], versions=_with_trials(drawn[place].versions, found))
        return drawn

    def _drawn(self, prompt: Prompt) -> Examination:
        """Versions that are proposed and checked, and not yet tried."""
        self.on_progress(f"asking {self.proposer.id} for {self.versions} shorter versions")
        proposals = propose(prompt.text, self.asking, self.proposer, count=self.versions, tools=prompt.tools)
        found = tuple(self._checked(prompt, proposal) for proposal in proposals.versions)
        return Examination(prompt, self.target, len(instructions_in(prompt.text)), found, proposals.problem)

    def _checked(self, prompt: Prompt, proposal: Proposal) -> Examined:
        lost = lost_in(proposal.text, prompt.text)
        asks = self.reviews and not proposal.is_refused and not lost
        said = lost_by_claude(prompt.text, proposal.text, self.asking, self.proposer) if asks else ()
        return Examined(proposal.text, proposal.lacks, lost, ("(unreadable)",) if said is None else said)

    def _trial(self, examination: Examination) -> Trial:
        versions = tuple(version.text for version in examination.versions if _is_worth_it(version))
        bodies = tuple(self._for_target(body) for body in examination.prompt.requests)
        return Trial(examination.prompt.text, versions, bodies)

    def _for_target(self, body: Json) -> Json:
        return body if body.get("model") or self.target is None else {**body, "model": self.target.id}


def _is_worth_it(version: Examined) -> bool:
    """Nothing speaks against it so far: trying the others would be paid for in vain."""
    return not (version.lacks or version.lost or version.lost_by_claude)


def _with_trials(versions: Sequence[Examined], tried: Sequence[Tried]) -> tuple[Examined, ...]:
    """The versions, and what came of those that were worth a trial, in the same order."""
    left = iter(tried)
    return tuple(replace(version, tried=next(left)) if _is_worth_it(version) else version for version in versions)
