"""The cascade: the local judge first, Claude only where that is uncertain and he is to be asked."""

from __future__ import annotations

from collections.abc import Generator

from semcache.decision.sameness.local import LocalJudge
from semcache.decision.sameness.outcomes import Pairing, Sameness, Uncertain
from semcache.decision.sameness.rubric import adjudicate
from semcache.exchange import Call
from semcache.message import Message


def judged(local: LocalJudge, pairing: Pairing, *, claude_model: str | None) -> Generator[Call, Message, Sameness]:
    """Yields the calls that Claude must answer, none without a model. Uncertainty is not resolved by guessing."""
    sameness = local.compare(pairing)
    if isinstance(sameness, Uncertain) and claude_model is not None:
        return (yield from adjudicate(pairing, model=claude_model))
    return sameness
