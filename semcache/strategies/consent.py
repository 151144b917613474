"""What the operator and the caller have allowed: which strategies, and whether a cheaper model may answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from semcache.entry import DOWNSHIFTED_TAG, Entry
from semcache.policy import Namespace
from semcache.request import AUTO_MODEL, Request

CHEAPER_MODEL = "cheaper-model"


class Consent:
    """A strategy is used where the service, the namespace and the caller all allow it."""

    def __init__(self, strategies: Sequence[str], namespaces: Mapping[str, Namespace]) -> None:
        self._strategies = frozenset(strategies)
        self._namespaces = namespaces

    def allows(self, request: Request, strategy: str) -> bool:
        own = self._rules(request).strategies
        is_open = strategy in self._strategies and (own is None or strategy in own)
        return is_open and request.directives.strategies.allows(strategy)

    def may_downshift(self, request: Request) -> bool:
        """Whether another model than the one that the caller named may answer."""
        if request.model == AUTO_MODEL:
            return True
        is_routed = self.allows(request, "tiering") or self.allows(request, "routing")
        return is_routed and self._rules(request).downshift

    def serving_objection(self, entry: Entry, request: Request) -> str | None:
        """A stored answer of a cheaper model is not for whoever insists on the model he named."""
        is_free = DOWNSHIFTED_TAG not in entry.tags or self.may_downshift(request)
        return None if is_free else CHEAPER_MODEL

    def _rules(self, request: Request) -> Namespace:
        return self._namespaces.get(request.caller.namespace, Namespace())
