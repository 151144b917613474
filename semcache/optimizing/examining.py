"""From one system prompt to a report: versions are proposed, checked, tried, and kept for somebody to approve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from semcache.learning.comparing import Comparing
from semcache.optimizing.asking import Asking
from semcache.optimizing.checklist import Instruction, instructions_in, lost_in
from semcache.optimizing.costliest import Volume
from semcache.optimizing.proposing import Proposal, propose
from semcache.optimizing.reviewing import lost_by_claude
from semcache.optimizing.trying import Tried, belongs_to, original_answers, try_version
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
        self.on_progress(f"asking {self.proposer.id} for {self.versions} shorter versions")
        proposals = propose(prompt.text, self.asking, self.proposer, count=self.versions, tools=prompt.tools)
        found = [self._checked(prompt, proposal) for proposal in proposals.versions]
        count = len(instructions_in(prompt.text))
        return Examination(prompt, self.target, count, self._tried(prompt, found), proposals.problem)

    def _checked(self, prompt: Prompt, proposal: Proposal) -> Examined:
        lost = lost_in(proposal.text, prompt.text)
        asks = self.reviews and not proposal.is_refused and not lost
        said = lost_by_claude(prompt.text, proposal.text, self.asking, self.proposer) if asks else ()
        return Examined(proposal.text, proposal.lacks, lost, ("(unreadable)",) if said is None else said)

    def _tried(self, prompt: Prompt, versions: Sequence[Examined]) -> tuple[Examined, ...]:
        """Those against which nothing speaks so far: trying the others would be paid for in vain."""
        worth = [version for version in versions if not (version.lacks or version.lost or version.lost_by_claude)]
        if not prompt.requests or not worth:
            return tuple(versions)
        self.on_progress(f"trying the original and {len(worth)} of {len(versions)} versions")
        bodies = [self._for_target(body) for body in prompt.requests]
        answers = original_answers(bodies, prompt.text, self.asking)
        return tuple(
            Examined(
                version.text,
                tried=try_version(answers, version.text, prompt.text, asking=self.asking, comparing=self.comparing),
            )
            if version in worth
            else version
            for version in versions
        )

    def _for_target(self, body: Json) -> Json:
        return body if body.get("model") or self.target is None else {**body, "model": self.target.id}
