"""What is kept of an answer: whether it may be, as what, and only while nobody else has overtaken it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from semcache.decision.context import refers_back
from semcache.decision.eligibility import storage_refusal
from semcache.entry import DOWNSHIFTED_TAG, Entry, Exemplar, Kind, Miss, new_entry_id
from semcache.exchange import Call
from semcache.learning.reports import REPORTED, is_withdrawn
from semcache.message import Message, Usage
from semcache.policy import Policy
from semcache.replaying import names_of
from semcache.request import Mode, Request
from semcache.search import NEAREST, Search
from semcache.stores.store import Guard, Serving, Store
from semcache.turns import Turns

_HOUR_SECONDS = 3600.0


class Storing:
    """Puts answers into the store. Raises `StoreError`, `Overtaken` among them."""

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        store: Store,
        search: Search,
        *,
        policy: Policy,
        cost_usd: Callable[[str, Usage], float],
        clock: Callable[[], float],
        turns: Turns | None = None,
    ) -> None:
        """`turns`: the leases under which this process asks upstream, where it shares its store with others."""
        self.policy = policy
        self._store = store
        self._search = search
        self._cost_usd = cost_usd
        self._clock = clock
        self._turns = turns

    def refusal(self, request: Request, message: Message, miss: Miss) -> str | None:
        """Why the answer to a request is not to be kept; None: it may be."""
        if message.coalesced:
            return "coalesced"
        if not message.faithful:
            return "unfamiliar-stream"
        if self._exceeds_quota(request):
            return "write-quota"
        refusal = storage_refusal(request, message, max_bytes=self.policy.max_entry_bytes)
        return refusal or (REPORTED if is_withdrawn(self._store, miss, message, k=NEAREST) else None)

    def _exceeds_quota(self, request: Request) -> bool:
        """Whether this credential has filled its share of a namespace that others read too."""
        caller, quota = request.caller, self.policy.writes_per_hour
        if not quota or not self.policy.is_shared(caller.namespace):
            return False
        return self._store.written_since(caller.credential, self._clock() - _HOUR_SECONDS) >= quota

    def put(self, request: Request, message: Message, miss: Miss, *, call: Call | None = None) -> Entry:
        """Store the message as the answer to a request; the entry as stored. `call`: what brought it."""
        request = _marked(request, call)
        scope, key = miss.scope, miss.key
        if miss.fallback is not None and refers_back(message.text):
            scope, key = miss.fallback
            miss = replace(miss, is_exact_only=True)
        now = self._clock()
        entry = Entry(
            id=new_entry_id(),
            scope=scope,
            key=key,
            kind=Kind.LEARNED,
            question=miss.question or "",
            message=message,
            requested_model=request.model,
            served_model=message.model,
            cost_usd=self._cost_usd(message.model or request.model, message.usage),
            created_at=now,
            expires_at=now + self.policy.ttl_in(request.caller.namespace),
            tags=request.directives.tags,
            credential=request.caller.credential,
        )
        stored = self._put(entry, self._exemplars(entry, miss), miss, call)
        for name in names_of(message):
            self._store.record_serving(Serving(name, stored.id, entry.question, now, "stored"))
        return stored

    def _put(self, entry: Entry, exemplars: list[Exemplar], miss: Miss, call: Call | None) -> Entry:
        key = None if call is None or self._turns is None else call.flight_key
        generation = miss.generation_of(entry.scope)
        if key is None or self._turns is None:
            return self._store.put(entry, exemplars, guard=Guard(generation))
        stored = self._store.put(entry, exemplars, guard=Guard(generation, self._turns.held(key)))
        self._turns.note_spent(key)
        return stored

    def _exemplars(self, entry: Entry, miss: Miss) -> list[Exemplar]:
        """The question as the entry's first exemplar, where there is one and it can be embedded."""
        if miss.question is None or miss.is_exact_only or self.policy.mode_in(entry.scope.namespace) is Mode.EXACT:
            return []
        embedding = miss.embedding or self._search.embed(miss.question)
        if embedding is None:
            return []
        return [Exemplar(entry.id, miss.question, embedding, created_at=entry.created_at)]


def _marked(request: Request, call: Call | None) -> Request:
    """What a cheaper model has answered is known by its tag: whoever insists on the model he named is not served it."""
    if call is None or call.routed is None or not call.routed.is_downshift:
        return request
    tags = tuple(sorted({*request.directives.tags, DOWNSHIFTED_TAG}))
    return replace(request, directives=replace(request.directives, tags=tags))
