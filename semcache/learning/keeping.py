"""The beliefs of every namespace: opened from the store on first use, kept in memory, written back."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from threading import RLock

from semcache.decision.audit_schedule import AuditSchedule
from semcache.decision.beliefs import LABELS_KEPT, Beliefs, LabelledCase
from semcache.decision.scorer import Scorer
from semcache.errors import StoreError
from semcache.learning.audit_log import AUDIT
from semcache.learning.audit_log import KEPT as AUDITS_KEPT
from semcache.stores.store import Observation, Store

logger = logging.getLogger(__name__)

LABEL = "label"
MOST_OPEN = 256  # namespaces at once; the one asked longest ago is written and closed
_PREFIX = "beliefs/"
_PRUNE_EVERY = 1000  # labels


class BeliefBook:
    """A store that fails costs what was learned since it last worked, never a decision."""

    def __init__(self, store: Store, prior: Scorer, *, error_budget: float, schedule: AuditSchedule) -> None:
        self._store = store
        self._prior = prior
        self._error_budget = error_budget
        self._schedule = schedule
        self._open: OrderedDict[str, Beliefs] = OrderedDict()
        self._kept: dict[str, bytes] = {}  # of what is open: as it was last read or written
        self._learned = 0
        self._lock = RLock()

    def of(self, namespace: str) -> Beliefs:
        """What this namespace has learned; the shipped prior at first."""
        beliefs = self._open.get(namespace)
        if beliefs is not None:
            with suppress(KeyError):  # it may be closed at this moment
                self._open.move_to_end(namespace)
            return beliefs
        with self._lock:
            if namespace not in self._open:
                opened = self._open[namespace] = self._restored(namespace)
                self._kept[namespace] = json.dumps(opened.as_json()).encode()
                if len(self._open) > MOST_OPEN:
                    closed, beliefs = self._open.popitem(last=False)
                    self._save(closed, beliefs)
                    self._kept.pop(closed, None)
            return self._open[namespace]

    def looked_at(self, namespace: str) -> Beliefs:
        """The same, only to be reported on: it neither stays open nor closes another."""
        with self._lock:
            beliefs = self._open.get(namespace)
        return self._restored(namespace) if beliefs is None else beliefs

    def namespaces(self) -> list[str]:
        """All that have learned anything."""
        with self._lock:
            kept = [name.removeprefix(_PREFIX) for name in self._store.documents(_PREFIX)]
            return sorted({*kept, *self._open})

    def fresh(self) -> Beliefs:
        """Those of a namespace that has seen nothing."""
        return Beliefs(self._prior, error_budget=self._error_budget, schedule=self._schedule)

    def log(self, namespace: str, entry_id: str, case: LabelledCase, *, at: float) -> None:
        """Keep a label, so that the next start, or another scorer, can learn from it."""
        body = {"values": [round(value, 4) for value in case.values], "same": case.same, "count": case.count}
        self._store.observe([Observation(namespace, LABEL, at, entry_id, body)])
        self._learned += 1
        if self._learned % _PRUNE_EVERY == 0:
            self._store.prune_observations(LABEL, namespace=namespace, keep=LABELS_KEPT)

    def prune(self) -> None:
        """Forget all but the newest labels and audits of every namespace. Raises `StoreError`."""
        for namespace in self.namespaces():
            self._store.prune_observations(LABEL, namespace=namespace, keep=LABELS_KEPT)
            self._store.prune_observations(AUDIT, namespace=namespace, keep=AUDITS_KEPT)

    def save(self) -> None:
        """Write all that is open."""
        with self._lock:
            for namespace, beliefs in list(self._open.items()):
                self._save(namespace, beliefs)

    def _save(self, namespace: str, beliefs: Beliefs) -> None:
        content = json.dumps(beliefs.as_json()).encode()
        if self._kept.get(namespace) == content:
            return  # another process may have learned since
        try:
            self._store.save_document(_PREFIX + namespace, content)
            self._kept[namespace] = content
        except StoreError as error:
            logger.warning("what was learned could not be kept: %s", type(error).__name__)

    def _restored(self, namespace: str) -> Beliefs:
        beliefs = self.fresh()
        try:
            kept = self._store.load_document(_PREFIX + namespace)
            if kept is not None:
                labels = self._store.observations(LABEL, namespace=namespace, limit=LABELS_KEPT)
                beliefs.restore(json.loads(kept), list(_cases(reversed(labels))))
        except StoreError as error:
            logger.warning("what was learned could not be read: %s", type(error).__name__)
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("what was learned is not readable, so it is learned anew: %s", type(error).__name__)
        return beliefs


def _cases(labels: Iterable[Observation]) -> Iterable[LabelledCase]:
    for label in labels:
        body = label.body
        yield LabelledCase(tuple(body["values"]), bool(body["same"]), float(body["count"]))
