"""All that speaks for or against one stored answer, as numbers with names: what the scorer weighs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcache.decision.guards import LEARNED_GUARDS, vetoed_by
from semcache.decision.neighbourhood import NEIGHBOURHOOD, neighbourhood
from semcache.decision.profile import Profile
from semcache.decision.rivals import Rival
from semcache.decision.verdict import Objection
from semcache.decision.wordwise import WORDWISE, Reading, wordwise
from semcache.embedders.embedder import WordVectors
from semcache.entry import Candidate, Embedding, Kind, Origin

MEANINGS = {**NEIGHBOURHOOD, **WORDWISE, "curated": "the answer is curated"}
FEATURES = tuple(MEANINGS)
SPEAKS_FOR = frozenset(
    ("similarity", "closeness", "agreement", "overlap", "same_content", "asked_alignment", "stored_alignment")
)
SPEAKS_AGAINST = frozenset(
    ("refutation", "asked_leftover", "stored_leftover", "substitution", *(f"{name}_conflict" for name in LEARNED_GUARDS))
)
MOST_SCORED = 5  # rivals; further ones count as neighbours only
REFUTED = "negative-exemplar"
_WEIGHTY = (Origin.FEEDBACK, Origin.AUDIT)  # what misses teach is weighed; what these say is final
_REFUTED_MARGIN = 0.02
_REFUTED_FROM = 0.97  # this near to a refuted text, no wording of the answer is near enough
_TRIED = 4  # wordings of an answer that are looked at for one without a veto
_ANSWER_CHARACTERS = 2000  # of a long answer, its beginning says what it is about


@dataclass(frozen=True)
class Evidence:
    """About one rival. `representative` is its nearest wording without a veto, else the nearest."""

    rival: Rival
    representative: Candidate
    veto: str | None
    values: NDArray[np.float64]  # one for each of FEATURES


class Witness:
    """Gathers evidence with one embedding model."""

    def __init__(self, words: Callable[[str], WordVectors]) -> None:
        self._words = words

    def examine(
        self, question: str, embedding: Embedding, rivals: Sequence[Rival], *, objection: Objection | None = None
    ) -> list[Evidence]:
        """Evidence about the nearest rivals, nearest first."""
        if not rivals:
            return []
        rows = neighbourhood(embedding.vector, rivals, scored=MOST_SCORED)
        asked = Reading.of(question, self._words)
        found = []
        for rival, row in zip(rivals, rows, strict=False):
            representative, veto = _representative(asked.profile, embedding, rival, objection)
            if _is_refuted(rival):
                veto = REFUTED
            entry = rival.entry
            stored = Reading.of(representative.exemplar.text, self._words)
            words = wordwise(asked, stored, Profile.of(entry.message.text[:_ANSWER_CHARACTERS]).words.stems)
            values = np.array([*row, *words, float(entry.kind is Kind.FAQ)])
            found.append(Evidence(rival, representative, veto, values))
        return found


def _representative(
    asked: Profile, embedding: Embedding, rival: Rival, objection: Objection | None
) -> tuple[Candidate, str | None]:
    first: str | None = None
    for candidate in rival.positives[:_TRIED]:
        veto = _veto(asked, embedding, candidate, objection)
        if veto is None:
            return candidate, None
        first = first or veto
    return rival.positives[0], first


def _is_refuted(rival: Rival) -> bool:
    """Whether people or audits said so of a text as near as any that the answer is known for, or nearly the same."""
    said = [one.similarity for one in rival.negatives if one.exemplar.origin in _WEIGHTY]
    return bool(said) and max(said) >= min(_REFUTED_FROM, rival.similarity - _REFUTED_MARGIN)


def _veto(asked: Profile, embedding: Embedding, candidate: Candidate, objection: Objection | None) -> str | None:
    stored = candidate.exemplar
    if guard := vetoed_by(asked, Profile.of(stored.text)):
        return f"guard:{guard}"
    if not _aligned(embedding, stored.embedding):
        return "windows-differ"
    return objection(stored.text) if objection is not None else None


def _aligned(asked: Embedding, stored: Embedding, *, least: float = 0.9) -> bool:
    """Whether every window of a long text has its equal in the other: a mean would hide one that has not."""
    if len(asked.windows) == len(stored.windows) == 1:
        return True
    if len(asked.windows) != len(stored.windows):
        return False
    similarities = asked.windows @ stored.windows.T
    return min(float(similarities.max(axis=0).min()), float(similarities.max(axis=1).min())) >= least
