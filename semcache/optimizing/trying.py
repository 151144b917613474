"""Asks the same requests with the original and with a version, and lets the judge of sameness compare the answers.

A model does not say the same twice. So the original is asked twice, and how often it agrees with itself is the control.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from semcache.canonical import last_user_text
from semcache.decision.sameness.outcomes import Pairing
from semcache.errors import UpstreamError
from semcache.learning.comparing import Comparing
from semcache.learning.quality import wilson
from semcache.message import Message
from semcache.optimizing.asking import Asking
from semcache.optimizing.judging import verdicts
from semcache.request import Json, Request
from semcache.strategies.approved_prompts import prompt_hash, system_texts
from semcache.strategies.routing.conversations import carries_signed_thinking

LEAST_DECIDED = 5  # comparisons, before anything is called agreement


@dataclass(frozen=True)
class Agreement:
    """How pairs of answers compared; those that nobody could judge are not in the share."""

    same: int = 0
    different: int = 0
    undecided: int = 0

    @property
    def decided(self) -> int:
        return self.same + self.different

    @property
    def share(self) -> float | None:
        return self.same / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % (Wilson)."""
        return wilson(self.same, self.decided) if self.decided else None


@dataclass(frozen=True)
class Tried:
    """What came of the requests. Output tokens are means of an answer."""

    version: Agreement
    control: Agreement  # the original against itself
    failed: int
    output_tokens_before: float
    output_tokens_after: float
    differing: tuple[str, ...] = field(default=(), repr=False)  # questions that the version answered otherwise

    @property
    def is_as_good(self) -> bool:
        """Enough was decided, and the version agrees with the original as often as that does with itself.

        What nobody could judge may be another answer: it counts as agreement for neither.
        """
        return self.version.decided >= LEAST_DECIDED and self.version.same >= self.control.same


@dataclass(frozen=True)
class Answers:
    """What the original says, twice, to the requests that it could be asked."""

    bodies: tuple[Json, ...] = field(repr=False)
    first: tuple[Message | None, ...] = field(repr=False)
    second: tuple[Message | None, ...] = field(repr=False)


@dataclass(frozen=True)
class Trial:
    """Which requests are asked with which prompts."""

    original: str = field(repr=False)
    versions: tuple[str, ...] = field(repr=False)
    bodies: tuple[Json, ...] = field(repr=False)

    @property
    def rounds(self) -> Iterator[list[Json]]:
        """What is asked: everything with the original, again, and with each version."""
        for prompt in (self.original, self.original, *self.versions):
            yield [with_system(body, self.original, prompt) for body in self.bodies]


def original_answers(bodies: Sequence[Json], original: str, asking: Asking) -> Answers:
    """Raises `UpstreamError` where not one could be asked."""
    asked = [with_system(body, original, original) for body in bodies]
    answers = _answered(asking.ask_all(asked * 2))
    return Answers(tuple(bodies), tuple(answers[: len(bodies)]), tuple(answers[len(bodies) :]))


def try_version(answers: Answers, version: str, original: str, *, asking: Asking, comparing: Comparing) -> Tried:
    """Raises `UpstreamError` where not one could be asked."""
    mine = _answered(asking.ask_all([with_system(body, original, version) for body in answers.bodies]))
    [tried] = _compared([(answers, mine)], asking, comparing)
    return tried


def try_all(trials: Sequence[Trial], *, asking: Asking, comparing: Comparing) -> list[list[Tried]]:
    """What came of the versions of each trial; all requests of all trials are asked together.

    Raises `UpstreamError` where with one of the prompts not one could be asked.
    """
    rounds = [(trial, each) for trial in trials for each in trial.rounds]
    said = iter(asking.ask_all([body for _, each in rounds for body in each]))
    heard = iter([_answered(list(islice(said, len(each)))) for _, each in rounds])
    pairs = []
    for trial in trials:
        answers = Answers(trial.bodies, tuple(next(heard)), tuple(next(heard)))
        pairs += [(answers, next(heard)) for _ in trial.versions]
    tried = iter(_compared(pairs, asking, comparing))
    return [list(islice(tried, len(trial.versions))) for trial in trials]


def with_system(body: Json, original: str, version: str) -> Json:
    """The body with the version where the original stands; where it stands nowhere, as the whole system prompt."""
    system, name = body.get("system"), prompt_hash(original)
    if isinstance(system, list):
        blocks = [
            {**block, "text": version}
            if isinstance(block, dict) and prompt_hash(str(block.get("text", ""))) == name
            else block
            for block in system
        ]
        if blocks != system or version == original:
            return {**body, "system": blocks}
    return {**body, "system": version}


def belongs_to(body: Json, original: str) -> bool:
    """Whether a request may try this prompt: it came with it, or with none, and no thinking binds it."""
    if carries_signed_thinking(Request(body)):
        return False
    system = body.get("system")
    if not system:
        return True
    return prompt_hash(original) in {prompt_hash(text) for text in system_texts(body)}


def _compared(
    pairs: Sequence[tuple[Answers, Sequence[Message | None]]], asking: Asking, comparing: Comparing
) -> list[Tried]:
    """Each version's answers beside the original's; the original beside itself is judged once for all its versions."""
    judged: dict[tuple[int, int], Pairing] = {}
    rows = [_Rows.of(answers, mine) for answers, mine in pairs]
    for each in rows:
        judged |= each.pairings
    found = dict(zip(judged, verdicts(list(judged.values()), asking, comparing), strict=True))
    return [each.tried(found) for each in rows]


@dataclass(frozen=True)
class _Rows:
    """The requests that the original has answered twice, and a version once."""

    answers: Answers
    mine: Sequence[Message | None] = field(repr=False)
    complete: list[tuple[str, Message, Message, Message]] = field(repr=False)  # question, first, second, the version's

    @classmethod
    def of(cls, answers: Answers, mine: Sequence[Message | None]) -> _Rows:
        rows = zip(answers.bodies, answers.first, answers.second, mine, strict=True)
        complete = [
            (last_user_text(Request(body)), first, second, other)
            for body, first, second, other in rows
            if first is not None and second is not None and other is not None
        ]
        return cls(answers, mine, complete)

    @property
    def pairings(self) -> dict[tuple[int, int], Pairing]:
        """Of the version, and of the control, by which messages are compared."""
        return {
            (id(fresh), id(first)): Pairing(question, fresh, question, first)
            for question, first, second, other in self.complete
            for fresh in (second, other)
        }

    def tried(self, found: Mapping[tuple[int, int], bool | None]) -> Tried:
        version = [found[id(other), id(first)] for _, first, _, other in self.complete]
        control = [found[id(second), id(first)] for _, first, second, _ in self.complete]
        return Tried(
            _agreement(version),
            _agreement(control),
            len(self.answers.bodies) - len(self.complete),
            _mean_output([*self.answers.first, *self.answers.second]),
            _mean_output(self.mine),
            tuple(row[0] for row, same in zip(self.complete, version, strict=True) if same is False),
        )


def _answered(outcomes: Sequence[Message | UpstreamError]) -> list[Message | None]:
    """None where upstream failed; raises what it failed with where it always did."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, UpstreamError)]
    if failures and len(failures) == len(outcomes):
        raise failures[0]
    return [outcome if isinstance(outcome, Message) else None for outcome in outcomes]


def _agreement(verdicts: Sequence[bool | None]) -> Agreement:
    return Agreement(verdicts.count(True), verdicts.count(False), verdicts.count(None))


def _mean_output(messages: Sequence[Message | None]) -> float:
    counts = [message.usage.output_tokens for message in messages if message is not None]
    return round(sum(counts) / len(counts), 1) if counts else 0.0
