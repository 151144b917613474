"""The cascade: the local judge first, Claude only where that is uncertain and he is to be asked."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from semcache.decision.sameness.outcomes import Pairing, Sameness, Uncertain
from semcache.decision.sameness.rubric import adjudicate
from semcache.exchange import Call
from semcache.message import Message


class Judge(Protocol):
    """Says whether two answers are the same, as far as it can tell. Raises `EmbedderError`."""

    def compare(self, pairing: Pairing) -> Sameness:
        """Never guesses: what it cannot tell is `Uncertain`."""
        ...


def judged(local: Judge, pairing: Pairing, *, claude_model: str | None) -> Generator[Call, Message, Sameness]:
    """Yields the calls that Claude must answer, none without a model. Uncertainty is not resolved by guessing."""
    sameness = local.compare(pairing)
    if isinstance(sameness, Uncertain) and claude_model is not None:
        return (yield from adjudicate(pairing, model=claude_model))
    return sameness
