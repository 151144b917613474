"""Turns judged answers into what the store and the beliefs know: aliases, negative exemplars, labelled cases."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from semcache.decision.beliefs import LabelledCase
from semcache.decision.deciding import BELOW_THRESHOLD
from semcache.entry import Considered, Entry, Exemplar, Kind, Label, Origin
from semcache.learning.keeping import BeliefBook
from semcache.learning.lessons import Asked
from semcache.learning.reports import holds_reports, is_reported_near
from semcache.stores.store import Store

logger = logging.getLogger(__name__)

MOST_WORDINGS = 64  # positive exemplars of one entry, and as many negative ones
_BY_HAND = (Origin.IMPORT, Origin.FEEDBACK)  # what people said stays
WRONGS_TO_EXACT_ONLY = 2  # audited wrong hits after which nothing similar finds an answer any more


@dataclass(frozen=True)
class Finding:
    """What the judge said about one candidate: whether the fresh answer and its own are the same."""

    candidate: Considered
    entry: Entry
    same: bool


class Teacher:
    """Writes only what was labelled. Raises `StoreError`."""

    def __init__(self, store: Store, book: BeliefBook, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._book = book
        self._clock = clock

    def learn_case(self, namespace: str, candidate: Considered, same: bool, *, count: float = 1.0) -> None:
        """Keep a labelled case, and refit where it is time to. A vetoed candidate is none: vetoes are not learned."""
        if not candidate.values or _is_vetoed(candidate):
            return
        beliefs = self._book.of(namespace)
        case = LabelledCase(candidate.values, same, count)
        self._book.log(namespace, candidate.entry_id, case, at=self._clock())
        if beliefs.learn(case):
            self._book.refit(namespace)

    def after_miss(self, asked: Asked, stored: Entry | None, findings: list[Finding]) -> None:
        """Make the question an alias of the first answer that is the same; tell it from the likeliest that is not."""
        same = [finding.entry for finding in findings if finding.same]
        if findings and not findings[0].same and findings[0].entry.kind is Kind.LEARNED:
            self.refute(asked, findings[0].entry, Origin.MISS)
        if not same:
            return
        kept = same[0]
        if stored is None or self._store.merge(stored.id, kept.id) is None:
            self.confirm(asked, kept, Origin.MISS)
        for other in same[1:]:  # two answers that are the same as a third
            if other.kind is kept.kind is Kind.LEARNED and not holds_reports(self._store.exemplars(other.id)):
                self._store.merge(other.id, kept.id)
        self._thin_out(kept.id)

    def confirm(self, asked: Asked, entry: Entry, origin: Origin) -> None:
        """The question is known to have this answer, unless people said that it has not."""
        if is_reported_near(self._store.exemplars(entry.id), asked.embedding):
            return
        added = self._store.add_exemplar(self._exemplar(asked, entry, Label.POSITIVE, origin))
        if added is not None and is_reported_near(self._store.exemplars(entry.id), asked.embedding):
            self._store.remove_exemplars([added.id])  # it was reported meanwhile
        self._thin_out(entry.id)

    def refute(self, asked: Asked, entry: Entry, origin: Origin) -> None:
        """The question is known to need another answer than this."""
        self._store.add_exemplar(self._exemplar(asked, entry, Label.NEGATIVE, origin))
        self._thin_out(entry.id)

    def quarantine(self, entry: Entry) -> bool:
        """After repeated wrong hits nothing similar may find the answer; whether it came to that."""
        exemplars = self._store.exemplars(entry.id)
        wrong = [one for one in exemplars if one.label is Label.NEGATIVE and one.origin is Origin.AUDIT]
        if len(wrong) < WRONGS_TO_EXACT_ONLY or entry.kind is Kind.FAQ:
            return False
        self._store.remove_exemplars([one.id for one in exemplars if one.label is Label.POSITIVE])
        logger.warning("entry %s answered wrongly %d times: exact repeats only from now on", entry.id, len(wrong))
        return True

    def _exemplar(self, asked: Asked, entry: Entry, label: Label, origin: Origin) -> Exemplar:
        key = asked.key if label is Label.POSITIVE and entry.kind is Kind.LEARNED else ""
        return Exemplar(entry.id, asked.text, asked.embedding, label, origin, created_at=self._clock(), key=key)

    def _thin_out(self, entry_id: str) -> None:
        """Keep an answer's exemplars few: those most like another of its label go."""
        exemplars = self._store.exemplars(entry_id)
        for label in Label:
            mine = [one for one in exemplars if one.label is label and one.origin not in _BY_HAND]
            redundant = []
            while len(mine) > MOST_WORDINGS:
                redundant.append(mine.pop(_most_redundant(mine)).id)
            if redundant:
                self._store.remove_exemplars(redundant)


def _is_vetoed(candidate: Considered) -> bool:
    return bool(candidate.objections) and candidate.objections[0] != BELOW_THRESHOLD


def _most_redundant(exemplars: list[Exemplar]) -> int:
    """The place of the second of the two that are nearest to each other."""
    vectors = np.stack([one.embedding.vector for one in exemplars])
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1.0)
    return int(max(np.unravel_index(int(likeness.argmax()), likeness.shape)))
