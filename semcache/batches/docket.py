"""The record of one batch: what happens to its requests becomes durable together with their result lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from semcache.batches.asked import Asked
from semcache.batches.sealing import SECRET_NAME, unseal
from semcache.batching.item_events import Event
from semcache.batching.results import CanceledResult, ExpiredResult, Result, ResultLine, errored
from semcache.batching.states import Accepted, Ending, ItemState, ending_of
from semcache.batching.transitions import transition
from semcache.request import Json, Request
from semcache.stores.batch_store import BatchRecord, BatchStore, Change, Dispatch, Item, Shaped, batches_of
from semcache.stores.store import Store
from semcache.strategies.breakpoints.siblings import LEAST_BYTES, Siblings

_PAGE = 2000
_BODIES_AT_ONCE = 500


@dataclass(frozen=True)
class Step:
    """What happens to a request, one event after the other, and how it ends if it does."""

    item: Item
    events: Sequence[Event]
    result: Result | None = field(default=None, repr=False)
    shaped: Shaped | None = None
    behind: int | None = None


class Docket:
    """One accepted batch. Only whoever is in charge changes its requests."""

    def __init__(self, store: Store, record: BatchRecord) -> None:
        self.id = record.id
        self.batches: BatchStore = batches_of(store)
        self._record = record
        self._store = store

    @cached_property
    def asked(self) -> Asked:
        """Who asks, credential and all. A credential that cannot be read any more is none."""
        sealed = self._record.sealed
        secret = self._store.secret(SECRET_NAME)
        credential = None if sealed is None else unseal(sealed, secret, batch_id=self.id)
        return Asked.parse(self._record.asked, credential or ())

    @cached_property
    def siblings(self) -> Siblings:
        """What the requests that are still to be looked up share. Reads them all, once."""
        found = Siblings()
        places = [item.place for item in self.all_items(Accepted)]
        for start in range(0, len(places), _BODIES_AT_ONCE):
            for body in self.batches.bodies(self.id, places[start : start + _BODIES_AT_ONCE]).values():
                if len(body.params) >= LEAST_BYTES:
                    found.add(self.params_of(body.params))
        return found

    def record(self) -> BatchRecord | None:
        """The batch as it stands; None: it has been deleted."""
        return self.batches.batch(self.id)

    def all_items(self, *states: type) -> Iterator[Item]:
        """Requests in one of these states, read in pages."""
        after = -1
        while page := self.batches.items(self.id, states, after=after, limit=_PAGE):
            yield from page
            after = page[-1].place

    def requests(self, items: Sequence[Item]) -> Iterator[tuple[Item, Request, bytes | None]]:
        """The items with their requests as they came and, where they have been shaped, what is sent for them."""
        bodies = self.batches.bodies(self.id, [item.place for item in items])
        for item in items:
            body = bodies[item.place]
            yield item, self.asked.request(self.params_of(body.params)), body.shaped

    def params_of(self, raw: bytes) -> Json:
        """What a request asks, from the bytes that were kept of it."""
        params: Json = json.loads(raw)
        return params

    def take(self, steps: Iterable[Step], *, dispatch: Dispatch | None = None) -> int:
        """Make these steps in one transaction, each end with its result line; how many states changed."""
        states: dict[int, ItemState] = {}
        results: dict[int, bytes] = {}
        shaped: dict[int, Shaped] = {}
        behind: dict[int, int] = {}
        for step in steps:
            item, state = step.item, step.item.state
            for event in step.events:
                state = transition(state, event)
            if step.shaped is not None:
                shaped[item.place] = step.shaped
            if step.behind is not None:
                behind[item.place] = step.behind
            if state == item.state:
                continue
            states[item.place] = state
            if (result := _result(item.state, state, step.result)) is not None:
                results[item.place] = ResultLine(item.custom_id, result).content()
        if states or behind or shaped or dispatch is not None:
            self.batches.apply(self.id, Change(states, behind, shaped, results, dispatch))
        return len(states)


def _result(before: ItemState, after: ItemState, given: Result | None) -> Result | None:
    """What its line says, where this was its end."""
    if ending_of(before) is not None:
        return None
    match ending_of(after):
        case None:
            return None
        case Ending.CANCELED:
            return CanceledResult()
        case Ending.EXPIRED:
            return ExpiredResult()
        case Ending.SUCCEEDED | Ending.ERRORED:
            return given or errored("api_error", "this request ended, and nobody said how")
