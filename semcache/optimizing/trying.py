"""Asks the same requests with the original and with a version, and lets the judge of sameness compare the answers.

A model does not say the same twice. So the original is asked twice, and how often it agrees with itself is the control.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from semcache.canonical import last_user_text
from semcache.decision.sameness.outcomes import Pairing
from semcache.errors import UpstreamError
from semcache.learning.comparing import Comparing
from semcache.learning.quality import wilson
from semcache.message import Message
from semcache.optimizing.acts import Acts, compared_acts
from semcache.optimizing.asking import Asking
from semcache.request import Json, Request
from semcache.strategies.approved_prompts import prompt_hash, system_texts
from semcache.strategies.routing.conversations import carries_signed_thinking

logger = logging.getLogger(__name__)

_AT_ONCE = 4
_CUT_OFF = "max_tokens"
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


def original_answers(bodies: Sequence[Json], original: str, asking: Asking) -> Answers:
    """Raises `UpstreamError` where not one could be asked."""
    asked = [with_system(body, original, original) for body in bodies]
    answers = _all(asked * 2, asking)
    return Answers(tuple(bodies), tuple(answers[: len(bodies)]), tuple(answers[len(bodies) :]))


def try_version(answers: Answers, version: str, original: str, *, asking: Asking, comparing: Comparing) -> Tried:
    """Raises `UpstreamError` where not one could be asked."""
    mine = _all([with_system(body, original, version) for body in answers.bodies], asking)
    found: dict[str, list[bool | None]] = {"version": [], "control": []}
    differing, failed = [], 0
    for body, first, second, other in zip(answers.bodies, answers.first, answers.second, mine, strict=True):
        if first is None or second is None or other is None:
            failed += 1
            continue
        question = last_user_text(Request(body))
        for name, message in (("control", second), ("version", other)):
            found[name].append(_verdict(Pairing(question, message, question, first), asking, comparing))
        if found["version"][-1] is False:
            differing.append(question)
    return Tried(
        _agreement(found["version"]),
        _agreement(found["control"]),
        failed,
        _mean_output([*answers.first, *answers.second]),
        _mean_output(mine),
        tuple(differing),
    )


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


def _verdict(pairing: Pairing, asking: Asking, comparing: Comparing) -> bool | None:
    """Whether both answers do and say the same; None: nobody can tell, as of one that was cut off."""
    if _CUT_OFF in (pairing.fresh.stop_reason, pairing.stored.stop_reason):
        return None
    match compared_acts(pairing.fresh, pairing.stored):
        case Acts.SAME:
            return True
        case Acts.DIFFERENT:
            return False
        case Acts.UNCLEAR:
            return None
        case Acts.NONE:
            return comparing.verdict(pairing, namespace=asking.namespace, send=asking.send)


def _all(bodies: Sequence[Json], asking: Asking) -> list[Message | None]:
    """None where upstream failed; raises what it failed with where it always did."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="semcache-optimise") as pool:
        outcomes = list(pool.map(lambda body: _asked(body, asking), bodies))
    failures = [outcome for outcome in outcomes if isinstance(outcome, UpstreamError)]
    if failures and len(failures) == len(bodies):
        raise failures[0]
    return [outcome if isinstance(outcome, Message) else None for outcome in outcomes]


def _asked(body: Json, asking: Asking) -> Message | UpstreamError:
    try:
        return asking.ask(body)
    except UpstreamError as error:
        logger.warning("a request could not be tried: %s", type(error).__name__)
        return error


def _agreement(verdicts: Sequence[bool | None]) -> Agreement:
    return Agreement(verdicts.count(True), verdicts.count(False), verdicts.count(None))


def _mean_output(messages: Sequence[Message | None]) -> float:
    counts = [message.usage.output_tokens for message in messages if message is not None]
    return round(sum(counts) / len(counts), 1) if counts else 0.0
