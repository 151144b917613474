"""What a decision about candidates says, and what makes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from semcache.entry import Candidate, Considered, Embedding

Objection = Callable[[Candidate], str | None]  # why a candidate may not answer, beyond its wording; None: it may


@dataclass(frozen=True)
class Accepted:
    """This candidate's answer may be served. `confidence` is the probability that it is right."""

    candidate: Candidate
    confidence: float
    considered: tuple[Considered, ...]


@dataclass(frozen=True)
class Rejected:
    """No candidate's answer may be served; `reason` is what speaks against the likeliest one.

    One of: no-candidate, below-threshold, drift, windows-differ, negative-exemplar, steering, guard:<name>,
    context-<name>.
    """

    considered: tuple[Considered, ...]
    reason: str


Verdict = Accepted | Rejected


class Decider(Protocol):
    """Decides about the candidates of one namespace."""

    def decide(
        self,
        question: str,
        embedding: Embedding,
        candidates: Sequence[Candidate],
        *,
        objection: Objection | None = None,
    ) -> Verdict:
        """The likeliest answer that may be served, or why there is none; candidates in any order."""
        ...
