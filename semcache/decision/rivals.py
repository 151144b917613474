"""Candidates grouped by the answer they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from semcache.entry import Candidate, Label


@dataclass(frozen=True)
class Rival:
    """One entry with its nearest exemplars: the one that speaks for it, and the one that speaks against it."""

    entry_id: str
    best: Candidate | None
    nearest_negative: Candidate | None

    @property
    def similarity(self) -> float:
        return self.best.similarity if self.best is not None else -1.0

    def blocked(self, margin: float) -> bool:
        """Whether a text known to need another answer is nearer than the best exemplar, or as near."""
        return self.nearest_negative is not None and self.nearest_negative.similarity >= self.similarity - margin


def rivals_of(candidates: Iterable[Candidate]) -> list[Rival]:
    """One rival for each entry, nearest first; ties by entry id."""
    grouped: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        grouped.setdefault(candidate.entry.id, []).append(candidate)
    rivals = [
        Rival(entry_id, _nearest(members, Label.POSITIVE), _nearest(members, Label.NEGATIVE))
        for entry_id, members in grouped.items()
    ]
    return sorted(rivals, key=lambda rival: (-rival.similarity, rival.entry_id))


def _nearest(members: list[Candidate], label: Label) -> Candidate | None:
    labelled = (member for member in members if member.exemplar.label is label)
    return max(labelled, key=lambda member: member.similarity, default=None)
