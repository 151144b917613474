"""The beliefs of every namespace, with the labels they were learned from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from semcache.canonical import digest
from semcache.decision.audit_schedule import AuditSchedule
from semcache.decision.beliefs import LABELS_KEPT, Beliefs, LabelledCase
from semcache.decision.evidence import FEATURES
from semcache.decision.scorer import Scorer
from semcache.learning.audit_log import AUDIT
from semcache.learning.audit_log import KEPT as AUDITS_KEPT
from semcache.learning.shelf import Shelf
from semcache.stores.store import Observation, Store

LABEL = "label"
_PREFIX = "beliefs/"
_FEATURES = digest(list(FEATURES))[:12]
_PRUNE_EVERY = 1000  # labels


class BeliefBook(Shelf[Beliefs]):
    """The shipped prior at first; every namespace moves on from there by itself."""

    def __init__(self, store: Store, prior: Scorer, *, error_budget: float, schedule: AuditSchedule) -> None:
        super().__init__(store, _PREFIX, fresh=self.fresh, opened=self._give_labels)
        self._prior = prior
        self._error_budget = error_budget
        self._schedule = schedule
        self._learned = 0

    def fresh(self) -> Beliefs:
        """Those of a namespace that has seen nothing."""
        return Beliefs(self._prior, error_budget=self._error_budget, schedule=self._schedule)

    def log(self, namespace: str, entry_id: str, case: LabelledCase, *, at: float) -> None:
        """Keep a label, so that the next start, or another scorer, can learn from it."""
        body = {
            "values": [round(value, 4) for value in case.values],
            "same": case.same,
            "count": case.count,
            "features": _FEATURES,
        }
        self._store.observe([Observation(namespace, LABEL, at, entry_id, body)])
        self._learned += 1
        if self._learned % _PRUNE_EVERY == 0:
            self._store.prune_observations(LABEL, namespace=namespace, keep=LABELS_KEPT)

    def labels(self, namespace: str) -> int:
        """How many there are to learn from, whichever process was told of them. Raises `StoreError`."""
        return min(LABELS_KEPT, self._store.count_observations(LABEL, namespace=namespace))

    def prune(self) -> None:
        """Forget all but the newest labels and audits of every namespace. Raises `StoreError`."""
        for namespace in self.namespaces():
            self._store.prune_observations(LABEL, namespace=namespace, keep=LABELS_KEPT)
            self._store.prune_observations(AUDIT, namespace=namespace, keep=AUDITS_KEPT)

    def refit(self, namespace: str) -> None:
        """Fit the weights of a namespace anew, to what other processes have learned too. Slow. Raises `StoreError`."""
        beliefs = self.of(namespace)
        if self._store.is_shared:
            self._give_labels(namespace, beliefs)
        beliefs.refit()

    def _give_labels(self, namespace: str, beliefs: Beliefs) -> None:
        labels = self._store.observations(LABEL, namespace=namespace, limit=LABELS_KEPT)
        beliefs.take_cases(_cases(reversed(labels)))


def _cases(labels: Iterable[Observation]) -> Iterator[LabelledCase]:
    for label in labels:
        body = label.body
        if body.get("features", _FEATURES) != _FEATURES:
            continue  # values of other evidence
        yield LabelledCase(tuple(body["values"]), bool(body["same"]), float(body["count"]))
