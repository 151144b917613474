"""The calibrated threshold: a hit is near enough, contradicted by no guard and by no known wrong use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from semcache.decision.guards import conflicts_between
from semcache.decision.profile import Profile
from semcache.decision.rivals import Rival, rivals_of
from semcache.decision.verdict import Accepted, Rejected, Verdict
from semcache.entry import Candidate, Considered, Embedding, Kind

__all__ = ["Accepted", "CalibratedThreshold", "Calibration", "Rejected", "Verdict"]

NEGATIVE_MARGIN = 0.02  # a negative exemplar blocks its entry unless the best positive one is nearer by more
_ONLY_DISTANCE = frozenset({"below-threshold", "further-away"})
AMBIGUITY_MARGIN = 0.02  # two FAQ answers closer to the question than this to each other: neither is sure


class Calibration(Protocol):
    """What a similarity of the embedding model means."""

    def threshold_for(self, error_budget: float) -> float:
        """The similarity above which at most this share of hits is wrong."""
        ...

    def confidence(self, similarity: float) -> float:
        """The probability that an answer at this similarity is right."""
        ...


class CalibratedThreshold:
    """Judges by one similarity, chosen for a stated false-hit rate on the development data."""

    def __init__(self, calibration: Calibration, *, error_budget: float) -> None:
        self._calibration = calibration
        self.threshold = calibration.threshold_for(error_budget)

    def judge(self, question: str, embedding: Embedding, candidates: Sequence[Candidate]) -> Verdict:
        """The nearest answer without an objection; see `Judge`."""
        rivals = rivals_of(candidates)
        if not rivals:
            return Rejected((), "no-candidate")
        asked = Profile.of(question)
        objections: list[tuple[str, ...]] = []
        chosen: int | None = None
        for rival in rivals:
            if chosen is not None and not _may_contest(rivals[chosen], rival):
                objections.append(self._at_a_glance(rival))
                continue
            objections.append(self._objections(asked, embedding, rival))
            chosen = len(objections) - 1 if chosen is None and not objections[-1] else chosen
        if chosen is not None and _ambiguous(rivals, objections, chosen):
            objections[chosen] = ("ambiguous",)
            chosen = None
        considered = tuple(map(self._considered, rivals, objections))
        if chosen is None:
            return Rejected(considered, _reason(objections))
        best = rivals[chosen].best
        assert best is not None  # a rival without a positive exemplar has an objection
        return Accepted(best, considered[chosen].confidence, considered)

    def _at_a_glance(self, rival: Rival) -> tuple[str, ...]:
        """Why a rival lost to one that was accepted: nothing more about it can change the verdict."""
        return ("below-threshold",) if rival.similarity < self.threshold else ("further-away",)

    def _objections(self, asked: Profile, embedding: Embedding, rival: Rival) -> tuple[str, ...]:
        best = rival.best
        if rival.blocked(NEGATIVE_MARGIN) or best is None:
            return ("negative-exemplar",)
        if best.similarity < self.threshold:
            return ("below-threshold",)
        if not self._aligned(embedding, best.exemplar.embedding):
            return ("windows-differ",)
        disagreements = conflicts_between(asked, Profile.of(best.exemplar.text))
        return tuple(f"guard:{conflict.guard}" for conflict in disagreements)

    def _aligned(self, asked: Embedding, stored: Embedding) -> bool:
        """Whether every window of a long text has its equal in the other: a mean would hide one that has not."""
        if len(asked.windows) != len(stored.windows):
            return False
        if len(asked.windows) == 1:
            return True
        similarities = asked.windows @ stored.windows.T
        weakest = min(float(similarities.max(axis=0).min()), float(similarities.max(axis=1).min()))
        return weakest >= self.threshold

    def _considered(self, rival: Rival, objections: tuple[str, ...]) -> Considered:
        vetoed = bool(objections) and not set(objections) <= _ONLY_DISTANCE
        confidence = 0.0 if vetoed else self._calibration.confidence(rival.similarity)
        return Considered(rival.entry_id, rival.similarity, confidence, objections)


def _may_contest(accepted: Rival, other: Rival) -> bool:
    """Whether another curated answer is near enough to make the accepted one ambiguous."""
    is_curated = accepted.best is not None and accepted.best.entry.kind is Kind.FAQ
    return is_curated and accepted.similarity - other.similarity < AMBIGUITY_MARGIN


def _ambiguous(rivals: list[Rival], objections: list[tuple[str, ...]], chosen: int) -> bool:
    """Whether another curated answer, which says something else, fits almost as well."""
    best = rivals[chosen].best
    if best is None or best.entry.kind is not Kind.FAQ:
        return False
    for rival, against in zip(rivals, objections, strict=True):
        other = rival.best
        if other is None or other is best or other.entry.kind is not Kind.FAQ:
            continue
        near = abs(best.similarity - other.similarity) < AMBIGUITY_MARGIN
        if near and against in ((), ("below-threshold",)) and other.entry.message.text != best.entry.message.text:
            return True
    return False


def _reason(objections: list[tuple[str, ...]]) -> str:
    """What speaks against the nearest; where that is only distance, nothing further away can say more."""
    return objections[0][0]
