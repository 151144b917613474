"""The decision about a hit: evidence about each near answer, its probability of being right, and the risk budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from semcache.decision.beliefs import Belief, Beliefs
from semcache.decision.evidence import Evidence, Witness
from semcache.decision.rivals import rivals_of
from semcache.decision.scorer import HIGHEST
from semcache.decision.verdict import Accepted, Objection, Rejected, Verdict
from semcache.entry import Candidate, Considered, Embedding

BELOW_THRESHOLD = "below-threshold"


class LearnedDecision:
    """Keeps to `verdict.Decider`. Pure but for the beliefs it asks for."""

    def __init__(self, witness: Witness, beliefs_of: Callable[[str], Beliefs]) -> None:
        """`beliefs_of` gives what a namespace has learned."""
        self._witness = witness
        self._beliefs_of = beliefs_of

    def decide(
        self,
        question: str,
        embedding: Embedding,
        candidates: Sequence[Candidate],
        *,
        objection: Objection | None = None,
    ) -> Verdict:
        """See `Decider`."""
        rivals = rivals_of(candidates)
        if not rivals:
            return Rejected((), "no-candidate")
        belief = self._beliefs_of(rivals[0].entry.scope.namespace).now()
        evidence = self._witness.examine(question, embedding, rivals, objection=objection)
        considered = [_considered(one, belief) for one in evidence]
        best = max(range(len(considered)), key=lambda place: considered[place].confidence)
        chosen = considered[best]
        ordered = tuple(sorted(considered, key=lambda one: -one.confidence))
        if not chosen.objections:
            return Accepted(evidence[best].representative, chosen.confidence, ordered)
        return Rejected(ordered, _reason(considered, chosen, belief))


def _considered(evidence: Evidence, belief: Belief) -> Considered:
    confidence = 0.0 if evidence.veto else _confidence(evidence, belief)
    objections: tuple[str, ...] = ()
    if evidence.veto:
        objections = (evidence.veto,)
    elif not belief.accepts(confidence):
        objections = (BELOW_THRESHOLD,)
    return Considered(
        evidence.rival.entry.id,
        evidence.representative.similarity,
        confidence,
        objections,
        values=tuple(evidence.values.tolist()),
        wording=evidence.representative.exemplar.text,
    )


def _confidence(evidence: Evidence, belief: Belief) -> float:
    return HIGHEST if evidence.is_same_wording else belief.scorer.confidence(evidence.values)


def _reason(considered: list[Considered], chosen: Considered, belief: Belief) -> str:
    """What the caller should be told: the veto of the nearest, else that the likeliest is not likely enough."""
    nearest = considered[0].objections[0]
    if nearest != BELOW_THRESHOLD:
        return nearest
    return "drift" if belief.caution.factor == 0 and chosen.confidence >= belief.min_confidence else BELOW_THRESHOLD
