"""What a judge of sameness is given, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field

from semcache.message import Message


@dataclass(frozen=True)
class Pairing:
    """A fresh answer and a stored one, each with the question it was given to."""

    asked: str = field(repr=False)
    fresh: Message = field(repr=False)
    stored_question: str = field(repr=False)
    stored: Message = field(repr=False)


@dataclass(frozen=True)
class Same:
    """Either answer may be given for the other. `certainty`: the probability of that."""

    reason: str
    certainty: float


@dataclass(frozen=True)
class Different:
    """The answers are not interchangeable."""

    reason: str
    certainty: float


@dataclass(frozen=True)
class Uncertain:
    """Not decided here; `probability` of being the same."""

    reason: str
    probability: float


Sameness = Same | Different | Uncertain
