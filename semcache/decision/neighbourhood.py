"""What the labelled texts around a question say about each answer: similarity, agreement, rivals, refutation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semcache.decision.rivals import Rival

if TYPE_CHECKING:
    from semcache.entry import Vector

Floats = NDArray[np.float64]

WIDTH = 0.08  # of the kernel exp(-(1 - cosine) / WIDTH): a neighbour .05 further away counts half
NARROW_WIDTH = 0.03
UNKNOWN = 0.3  # the cosine of unrelated questions, where there is no neighbour to ask
_LITTLE = 1e-3  # keeps logarithms finite
_CENTRE_OF = 4  # nearest wordings that make the centre of an answer
_NEAR = 8  # neighbours among which answers are counted

# What a high value of each says, in words for the reader of an explanation.
NEIGHBOURHOOD = {
    "similarity": "the question resembles a wording that this answer is known for",
    "closeness": "the two are nearly identical",
    "margin": "no other answer's wording is as near",
    "unrefuted": "no text known to need another answer is as near",
    "agreement": "the texts around the question have this answer",
    "narrow_agreement": "the nearest texts have this answer",
    "record": "near the question this answer was more often right than wrong",
    "wordings": "several near wordings have this answer",
    "support": "many near texts speak for it",
    "opposition": "many near texts have other answers",
    "refutation": "near texts are known to need another answer than this",
    "runner_up": "another answer is near",
    "level": "the nearest five texts are near",
    "depth": "even the furthest neighbour is near",
    "crowding": "many texts are about as near as the nearest",
    "answers": "the nearest texts have many different answers",
    "centre": "the question lies in the middle of this answer's wordings",
    "centre_margin": "it lies nearer to their middle than to that of any other answer",
    "second": "a second wording of this answer is near",
}


def neighbourhood(asked: Vector, rivals: Sequence[Rival], *, scored: int) -> NDArray[np.float64]:
    """A row for each of the first `scored` rivals, a column for each of `NEIGHBOURHOOD`.

    The neighbours are all exemplars of all rivals, both labels.
    """
    around = _Around.of(rivals)
    centres = [_centre(asked, rival) for rival in rivals[:scored]]
    rows = []
    for number, rival in enumerate(rivals[:scored]):
        other_centre = max((c for other, c in enumerate(centres) if other != number), default=UNKNOWN)
        rows.append([*around.of_rival(number, rival), centres[number], centres[number] - other_centre, _second(rival)])
    return np.array(rows)


@dataclass(frozen=True)
class _Around:
    """All positive exemplars near the question, and what they have in common whichever answer is asked about."""

    similar: Floats
    owners: NDArray[np.int64]
    near: Floats
    narrow: Floats
    ranked: Floats
    ranked_owners: NDArray[np.int64]
    level: float
    depth: float
    answers: float

    @classmethod
    def of(cls, rivals: Sequence[Rival]) -> _Around:
        similar = np.array([m.similarity for rival in rivals for m in rival.positives])
        owners = np.array([number for number, rival in enumerate(rivals) for _ in rival.positives])
        order = np.argsort(-similar)
        ranked, ranked_owners = similar[order], owners[order]
        return cls(
            similar=similar,
            owners=owners,
            near=np.exp((similar - 1) / WIDTH),
            narrow=np.exp((similar - 1) / NARROW_WIDTH),
            ranked=ranked,
            ranked_owners=ranked_owners,
            level=float(ranked[:5].mean()),
            depth=float(ranked[-1]),
            answers=len(set(ranked_owners[:_NEAR].tolist())) / _NEAR,
        )

    def of_rival(self, number: int, rival: Rival) -> list[float]:
        """The columns up to "answers"."""
        mine, best = self.owners == number, rival.similarity
        others = self.ranked[self.ranked_owners != number]
        runner_up = float(others[0]) if len(others) else UNKNOWN
        refuted_at = max((m.similarity for m in rival.negatives), default=0.0)
        support, narrow_support = float(self.near[mine].sum()), float(self.narrow[mine].sum())
        all_near = float(self.near.sum())
        refutation = sum(float(np.exp((m.similarity - 1) / WIDTH)) for m in rival.negatives)
        return [
            best,
            -np.log(1 - best + 1e-2),
            best - runner_up,
            best - max(refuted_at, UNKNOWN),
            support / (all_near + 0.02),
            narrow_support / (float(self.narrow.sum()) + 0.005),
            support / (support + refutation + 0.02),
            np.log1p(len(rival.positives)),
            np.log(_LITTLE + support),
            np.log(_LITTLE + max(0.0, all_near - support)),
            np.log(_LITTLE + refutation),
            runner_up,
            self.level,
            self.depth,
            float((self.similar > best - 0.05).sum()) / _NEAR,
            self.answers,
        ]


def _second(rival: Rival) -> float:
    return rival.positives[1].similarity if len(rival.positives) > 1 else 0.0


def _centre(asked: Vector, rival: Rival) -> float:
    """Cosine between the question and the mean of the answer's nearest wordings."""
    nearest = rival.positives[:_CENTRE_OF]
    if len(nearest) == 1:
        return nearest[0].similarity
    mean = np.sum([member.exemplar.embedding.vector for member in nearest], axis=0)
    return float(mean @ asked / max(1e-9, float(np.linalg.norm(mean))))
