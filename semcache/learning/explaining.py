"""Why a lookup came out as it did: each candidate's evidence, what it weighed, and the verdict in words."""

from __future__ import annotations

from dataclasses import dataclass

from semcache.decision.beliefs import Beliefs
from semcache.decision.deciding import BELOW_THRESHOLD
from semcache.decision.scorer import Contribution
from semcache.entry import Bypass, Considered, Hit, HitKind, Lookup, Miss

_REASONS = {
    "no-candidate": "nothing similar is stored",
    BELOW_THRESHOLD: "no stored answer is likely enough to be right for the risk budget",
    "drift": "audits found too many wrong answers, so only exact repeats are served for now",
    "negative-exemplar": "the stored answer was reported or found to be wrong for such a question",
    "steering": "another caller stored the answer under a text that holds more than the question it resembles",
    "windows-differ": "the texts are long, and a part of one has no equal in the other",
}


@dataclass(frozen=True)
class ExplainedCandidate:
    """One stored answer: how likely it is right, what vetoes it, and what its evidence adds to the log-odds."""

    entry_id: str
    wording: str
    similarity: float
    confidence: float
    objections: tuple[str, ...]
    says: str
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class Explanation:
    """The verdict in words, the risk that could be taken, and the candidates, likeliest first."""

    says: str
    cut: float
    candidates: tuple[ExplainedCandidate, ...]


def explain(lookup: Lookup, beliefs: Beliefs) -> Explanation:
    """Explain with what is believed now."""
    found = lookup.would_be if isinstance(lookup, Bypass) else lookup
    considered = found.considered if found is not None else ()
    belief = beliefs.now()
    cut = belief.cut * belief.caution.factor
    return Explanation(_says(lookup), cut, tuple(_candidate(each, beliefs, cut) for each in considered))


def _candidate(considered: Considered, beliefs: Beliefs, cut: float) -> ExplainedCandidate:
    contributions = beliefs.explain(considered.values) if considered.values else []
    return ExplainedCandidate(
        considered.entry_id,
        considered.wording,
        considered.similarity,
        considered.confidence,
        considered.objections,
        _judgement(considered, cut),
        tuple(contributions),
    )


def _judgement(considered: Considered, cut: float) -> str:
    """One candidate's standing in words."""
    if BELOW_THRESHOLD in considered.objections:
        risk = f"it is wrong with probability {1 - considered.confidence:.4f}"
        return f"not likely enough: {risk}, and at most {max(0.0, cut):.4f} may be risked"
    if considered.objections:
        return "ruled out: " + "; ".join(map(reason_in_words, considered.objections))
    return f"right with probability {considered.confidence:.4f}, which is likely enough"


def _says(lookup: Lookup) -> str:
    match lookup:
        case Hit(kind=HitKind.EXACT):
            return "Served: the very same request was answered before."
        case Hit(kind=kind, confidence=confidence):
            what = "a curated answer" if kind is HitKind.FAQ else "a stored answer"
            return f"Served: {what} is right with probability {confidence:.4f}."
        case Miss(reason=reason):
            return f"Not served: {reason_in_words(reason)}."
        case Bypass(reason=reason, would_be=None):
            return f"Not looked up: {reason}."
        case Bypass(reason=reason, would_be=would_be):
            assert would_be is not None
            return f"Sent upstream ({reason}); otherwise: {_says(would_be)}"


def reason_in_words(reason: str) -> str:
    """Why a lookup found nothing to serve, or what rules a stored answer out."""
    if reason.startswith("guard:"):
        return f"the question and the stored one disagree ({reason.removeprefix('guard:')})"
    if reason.startswith("context-"):
        return f"the conversations before them disagree ({reason.removeprefix('context-')})"
    return _REASONS.get(reason, f"only an exact repeat may be ({reason})")
