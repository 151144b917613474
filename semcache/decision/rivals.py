"""Candidates grouped by the answer they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from semcache.entry import Candidate, Entry, Label


@dataclass(frozen=True)
class Rival:
    """One entry with the exemplars found near the question, each list nearest first; `positives` is never empty."""

    entry: Entry
    positives: tuple[Candidate, ...]
    negatives: tuple[Candidate, ...]

    @property
    def similarity(self) -> float:
        return self.positives[0].similarity


def rivals_of(candidates: Iterable[Candidate]) -> list[Rival]:
    """One rival for each entry that has a positive exemplar among them, nearest first; ties by entry id."""
    grouped: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda candidate: -candidate.similarity):
        grouped.setdefault(candidate.entry.id, []).append(candidate)
    rivals = []
    for members in grouped.values():
        positives = tuple(member for member in members if member.exemplar.label is Label.POSITIVE)
        if positives:
            negatives = tuple(member for member in members if member.exemplar.label is Label.NEGATIVE)
            rivals.append(Rival(members[0].entry, positives, negatives))
    return sorted(rivals, key=lambda rival: (-rival.similarity, rival.entry.id))
