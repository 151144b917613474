"""Ten thousand requests that can wait: documents and questions, some already answered, some asked twice in other words.

Every request names a ticket of its own, and the simulated Claude answers with that number, so that an answer given to
the wrong request is seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 300
ANSWER_WORDS = 40
_SYSTEM_WORDS = 1_100
_SUBJECTS = (
    "invoice delivery password refund subscription warranty account parcel router battery charger screen".split()
)
_TROUBLES = "is late|was lost|does not open|shows an error|was charged twice|arrived broken|cannot be found".split("|")
_WORDS = (
    "the customer writes that order counter window received a replacement agreed support answered shop "
    "manual described courier address confirmed receipt number photograph enclosed colleague promised reply"
).split()
_ASKS = (
    "What should we answer to ticket {number} about the {subject} that {trouble}?",
    "Summarise ticket {number}: the {subject} {trouble}. {text}",
)
# The same request in other words: nobody would answer these differently.
_REWORDINGS = (
    str.lower,
    lambda text: f"{text} ",
    lambda text: text.replace(" ", "  ", 3),
    lambda text: text.rstrip("?."),
)


@dataclass(frozen=True)
class Asked:
    """One request, and the number that its answer must hold."""

    custom_id: str
    number: int
    params: dict[str, Any]
    kind: str  # fresh, near or cached


@dataclass(frozen=True)
class Traffic:
    """`before` was answered earlier; `batch` is what is measured."""

    before: Sequence[Asked]
    batch: Sequence[Asked]

    @property
    def unavoidable(self) -> Traffic:
        """One of each that nobody has answered yet, as whoever knows Claude's prompt cache would send them."""
        fresh = [each for each in self.batch if each.kind == "fresh"]
        return Traffic([_marked(each) for each in self.before], [_marked(each) for each in fresh])


def traffic(count: int, *, seed: int = 0) -> Traffic:
    """30 % near-duplicates of others in the batch, 20 % that were answered before, and half that are neither."""
    chance = random.Random(seed)
    texts = {number: _text(number, chance) for number in range(10_000, 10_000 + round(0.7 * count))}
    numbers = list(texts)
    cached, fresh = numbers[: round(0.2 * count)], numbers[round(0.2 * count) :]
    asked = [("fresh", number, texts[number]) for number in fresh] + [
        ("cached", number, texts[number]) for number in cached
    ]
    near = [chance.choice(fresh) for _ in range(count - len(asked))]
    asked += [("near", number, chance.choice(_REWORDINGS)(texts[number])) for number in near]
    chance.shuffle(asked)
    batch = [
        Asked(f"item-{place}", number, _params(number, text), kind) for place, (kind, number, text) in enumerate(asked)
    ]
    before = [Asked(f"item-{number}", number, _params(number, texts[number]), "cached") for number in cached]
    return Traffic(before, batch)


def answer(body: dict[str, Any]) -> str:
    """What the simulated Claude says."""
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else " ".join(block["text"] for block in content)
    number = next(word.strip(":?") for word in text.split() if word.strip(":?").isdigit())
    return f"Ticket {number}. " + "answer " * ANSWER_WORDS


def _text(number: int, chance: random.Random) -> str:
    text = " ".join(chance.choices(_WORDS, k=60)) + "."
    ask = _ASKS[number % len(_ASKS)]
    return ask.format(number=number, subject=chance.choice(_SUBJECTS), trouble=chance.choice(_TROUBLES), text=text)


def _params(number: int, text: str) -> dict[str, Any]:
    """Three applications, each with a long prompt of its own, which nobody has marked for the prompt cache."""
    application = number % 3
    words = random.Random(application).choices(_WORDS, k=_SYSTEM_WORDS)
    system = [{"type": "text", "text": f"Application {application}. " + " ".join(words)}]
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "max_tokens": MAX_TOKENS, "system": system, "messages": messages}


def _marked(asked: Asked) -> Asked:
    """Its long prompt is kept for an hour."""
    [block] = asked.params["system"]
    system = [{**block, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    return replace(asked, params={**asked.params, "system": system})
