"""What routing learns: the evidence of every namespace, kept in the store, and comparisons made in the background."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from semcache.decision.routing.evidence import CategoryReport, RouteEvidence
from semcache.decision.routing.quality import Outcome
from semcache.decision.routing.worse import Comparison
from semcache.errors import UpstreamError
from semcache.exchange import Call
from semcache.learning.comparing import Comparing, Send
from semcache.learning.lessons import RouteLesson
from semcache.learning.shelf import Shelf
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.stores.store import Store

if TYPE_CHECKING:
    from semcache.request import Vector

logger = logging.getLogger(__name__)

_PREFIX = "routes/"


class RouteBook(Shelf[RouteEvidence]):
    """What is known of routing in every namespace."""

    def __init__(self, store: Store, *, tolerance: float, dims: int) -> None:
        super().__init__(store, _PREFIX, fresh=lambda: RouteEvidence(tolerance=tolerance, dims=dims))

    def reports(self, now: float, namespace: str | None = None) -> list[tuple[str, CategoryReport]]:
        """Each category of each namespace that has learned anything, as the store has it. Raises `StoreError`."""
        self.catch_up()
        names = self.namespaces() if namespace is None else [namespace]
        return [(name, report) for name in names for report in self.looked_at(name).reports(now)]


class RouteComparing:
    """Asks the other model, compares, and books. Blocking; for the background thread only."""

    def __init__(self, book: RouteBook, comparing: Comparing, ledger: Ledger, *, clock: Callable[[], float]) -> None:
        self._book = book
        self._comparing = comparing
        self._ledger = ledger
        self._clock = clock

    def learn(self, lesson: RouteLesson, send: Send | None) -> None:
        """Raises `UpstreamError`: what cannot be asked leaves the evidence as it is. Nothing changes before the last
        question has been answered.
        """
        if send is None:
            return
        other = self._asked(lesson, send)
        weaker, stronger = (lesson.answered, other) if lesson.answered_is_weaker else (other, lesson.answered)
        found = self._comparing.comparison(
            lesson.question, stronger=stronger, weaker=weaker, namespace=lesson.namespace, send=send
        )
        evidence, now = self._book.of(lesson.namespace), self._clock()
        if found is not Comparison.UNKNOWN:
            evidence.settle(lesson.category, lesson.plan, found is Comparison.WORSE, now)
            outcome = Outcome.STRONG_ONLY if found is Comparison.WORSE else Outcome.BOTH
            evidence.learn(lesson.vector, outcome)
        elif lesson.was_named:  # what nobody could judge may have been worse: only so does the certificate hold
            evidence.settle(lesson.category, lesson.plan, True, now)

    def note_answer(self, namespace: str, vector: Vector, *, was_enough: bool) -> None:
        """People choose what they report, so it teaches about requests like it, and proves nothing."""
        self._book.of(namespace).learn(vector, Outcome.BOTH if was_enough else Outcome.STRONG_ONLY)

    def _asked(self, lesson: RouteLesson, send: Send) -> Message:
        body = {name: value for name, value in lesson.other.body.items() if name != "stream"}
        try:
            message = send(Call(replace(lesson.other, body=body, raw=None), name="other"))
        except UpstreamError:
            logger.warning("a comparison of models in %s could not be made: upstream failed", lesson.namespace)
            raise
        self._ledger.book_overhead("shadow", lesson.namespace, lesson.other.model, message)
        return message
