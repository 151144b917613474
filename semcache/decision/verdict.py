"""What a judge of candidates says, and what a judge is: the place where a learned scorer fits in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from semcache.entry import Candidate, Considered, Embedding


@dataclass(frozen=True)
class Accepted:
    """This candidate's answer may be served. `confidence` is the probability that it is right."""

    candidate: Candidate
    confidence: float
    considered: tuple[Considered, ...]


@dataclass(frozen=True)
class Rejected:
    """No candidate's answer may be served; `reason` is what speaks against the nearest one.

    One of: no-candidate, below-threshold, negative-exemplar, windows-differ, guard:<name>, ambiguous.
    """

    considered: tuple[Considered, ...]
    reason: str


Verdict = Accepted | Rejected


class Judge(Protocol):
    """Decides about the candidates of one scope. Pure: what it learns from reaches it elsewhere."""

    def judge(self, question: str, embedding: Embedding, candidates: Sequence[Candidate]) -> Verdict:
        """The best answer that may be served, or why there is none; candidates in any order."""
        ...
