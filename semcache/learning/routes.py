"""What routing learns: the evidence of every namespace, kept in the store, and comparisons made in the background."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING

from semcache.decision.routing.evidence import CategoryReport, RouteEvidence
from semcache.decision.routing.quality import Outcome
from semcache.decision.routing.worse import Comparison
from semcache.errors import StoreError, UpstreamError
from semcache.exchange import Call
from semcache.learning.comparing import Comparing, Send
from semcache.learning.lessons import RouteLesson
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.stores.store import Store

if TYPE_CHECKING:
    from semcache.request import Vector

logger = logging.getLogger(__name__)

MOST_OPEN = 256  # namespaces at once
_PREFIX = "routes/"


class RouteBook:
    """A store that fails costs what was learned since it last worked, never a decision."""

    def __init__(self, store: Store, *, tolerance: float, dims: int) -> None:
        self._store = store
        self._tolerance = tolerance
        self._dims = dims
        self._open: OrderedDict[str, RouteEvidence] = OrderedDict()
        self._kept: dict[str, bytes] = {}  # of what is open: as it was last read or written
        self._lock = RLock()

    def of(self, namespace: str) -> RouteEvidence:
        """What is known of routing in this namespace."""
        with self._lock:
            if namespace not in self._open:
                opened = self._open[namespace] = self._restored(namespace)
                self._kept[namespace] = _encoded(opened)
                if len(self._open) > MOST_OPEN:
                    self._save(*self._open.popitem(last=False))
            self._open.move_to_end(namespace)
            return self._open[namespace]

    def reports(self, now: float, namespace: str | None = None) -> list[tuple[str, CategoryReport]]:
        """Each category of each namespace that has learned anything. Raises `StoreError`."""
        names = self.namespaces() if namespace is None else [namespace]
        return [(name, report) for name in names for report in self._looked_at(name).reports(now)]

    def namespaces(self) -> list[str]:
        """All that have learned anything. Raises `StoreError`."""
        with self._lock:
            kept = [name.removeprefix(_PREFIX) for name in self._store.documents(_PREFIX)]
            return sorted({*kept, *self._open})

    def save(self) -> None:
        """Write all that is open."""
        with self._lock:
            for namespace, evidence in list(self._open.items()):
                self._save(namespace, evidence)

    def _looked_at(self, namespace: str) -> RouteEvidence:
        with self._lock:
            known = self._open.get(namespace)
        return self._restored(namespace) if known is None else known

    def _save(self, namespace: str, evidence: RouteEvidence) -> None:
        content = _encoded(evidence)
        if self._kept.get(namespace) == content:
            return
        try:
            self._store.save_document(_PREFIX + namespace, content)
            self._kept[namespace] = content
        except StoreError as error:
            logger.warning("what routing has learned could not be kept: %s", type(error).__name__)

    def _restored(self, namespace: str) -> RouteEvidence:
        evidence = RouteEvidence(tolerance=self._tolerance, dims=self._dims)
        try:
            kept = self._store.load_document(_PREFIX + namespace)
            if kept is not None:
                evidence.restore(json.loads(kept))
        except StoreError as error:
            logger.warning("what routing has learned could not be read: %s", type(error).__name__)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("what routing has learned is not readable: %s", type(error).__name__)
            return RouteEvidence(tolerance=self._tolerance, dims=self._dims)
        return evidence


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


def _encoded(evidence: RouteEvidence) -> bytes:
    return json.dumps(evidence.as_json()).encode()
