"""All that speaks for or against one stored answer, as numbers with names: what the scorer weighs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from semcache.decision.guards import LEARNED_GUARDS, vetoed_by
from semcache.decision.neighbourhood import NEIGHBOURHOOD, neighbourhood
from semcache.decision.profile import Profile
from semcache.decision.rivals import Rival
from semcache.decision.verdict import Objection
from semcache.decision.wordwise import WORDWISE, Reading, wordwise
from semcache.embedders.embedder import WordVectors
from semcache.entry import Candidate, Embedding, Entry, Kind, Origin

MEANINGS = {**NEIGHBOURHOOD, **WORDWISE, "curated": "the answer is curated"}
FEATURES = tuple(MEANINGS)
SPEAKS_FOR = frozenset(
    ("similarity", "closeness", "agreement", "overlap", "same_content", "asked_alignment", "stored_alignment")
)
_CONFLICTS = tuple(f"{name}_conflict" for name in LEARNED_GUARDS)
SPEAKS_AGAINST = frozenset(("refutation", "asked_leftover", "stored_leftover", "substitution", *_CONFLICTS))
MOST_SCORED = 5  # rivals; further ones count as neighbours only
_MOST_EXAMINED = 8  # rivals that are read for vetoes
_NOTHING = np.empty(0)
_READINGS, _LONGEST_REMEMBERED = 4_000, 500  # texts, characters: some 20 MB at most
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
    values: NDArray[np.float64]  # one for each of FEATURES; none where there is a veto
    is_same_wording: bool = False  # but for courtesies, and for the way in which the question is put


class Witness:
    """Gathers evidence with one embedding model."""

    def __init__(self, words: Callable[[str], WordVectors]) -> None:
        Profile.of("What is it?")  # reads all word lists, 50 ms: no request is to wait for it
        self._remembered = lru_cache(maxsize=_READINGS)(partial(Reading.of, words=words))
        self._read_anew = partial(Reading.of, words=words)

    def examine(
        self, question: str, embedding: Embedding, rivals: Sequence[Rival], *, objection: Objection | None = None
    ) -> list[Evidence]:
        """Evidence about the nearest rivals, nearest first. One that is vetoed competes with no other any more."""
        asked = self._read(question)
        examined = [
            (rival, *_examined(asked.profile, embedding, rival, objection)) for rival in rivals[:_MOST_EXAMINED]
        ]
        standing = [rival for rival, _, veto in examined if veto is None]
        neighbours = [*standing, *rivals[_MOST_EXAMINED:]]
        scored = min(MOST_SCORED, len(standing))
        rows = iter(neighbourhood(embedding.vector, neighbours, scored=scored) if scored else ())
        found = []
        for rival, representative, veto in examined:
            row = next(rows, None) if veto is None else None
            if row is not None:
                values = self._values(asked, rival.entry, representative, row)
                is_same = asked.profile.plain == Profile.of(representative.exemplar.text).plain
                found.append(Evidence(rival, representative, None, values, is_same))
            elif veto is not None:
                found.append(Evidence(rival, representative, veto, _NOTHING))
        return found

    def _read(self, text: str) -> Reading:
        """Popular wordings are compared over and over."""
        return self._remembered(text) if len(text) <= _LONGEST_REMEMBERED else self._read_anew(text)

    def _values(
        self, asked: Reading, entry: Entry, representative: Candidate, row: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        stored = self._read(representative.exemplar.text)
        answer = Profile.of(entry.message.text[:_ANSWER_CHARACTERS]).words.stems
        return np.array([*row, *wordwise(asked, stored, answer), float(entry.kind is Kind.FAQ)])


def _examined(
    asked: Profile, embedding: Embedding, rival: Rival, objection: Objection | None
) -> tuple[Candidate, str | None]:
    """The rival's nearest wording without a veto, else the nearest with its veto."""
    if _is_refuted(rival):
        return rival.positives[0], REFUTED
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
    if not _aligned(embedding, stored.embedding):  # first, for it spares reading long texts
        return "windows-differ"
    if guard := vetoed_by(asked, Profile.of(stored.text)):
        return f"guard:{guard}"
    return objection(candidate) if objection is not None else None


def _aligned(asked: Embedding, stored: Embedding, *, least: float = 0.9) -> bool:
    """Whether every window of a long text has its equal in the other: a mean would hide one that has not."""
    if len(asked.windows) == len(stored.windows) == 1:
        return True
    if len(asked.windows) != len(stored.windows):
        return False
    similarities = asked.windows @ stored.windows.T
    return min(float(similarities.max(axis=0).min()), float(similarities.max(axis=1).min())) >= least
