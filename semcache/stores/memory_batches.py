"""Batches in dictionaries, gone at exit: what the store of batches in a file is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import RLock

from semcache.batching.batch_life import Archived, BatchEnded, BatchState
from semcache.batching.message_batch import Counts
from semcache.batching.states import Accepted, ItemState, ending_of, tally
from semcache.errors import StoreError
from semcache.stores.batch_store import (
    BatchListing,
    BatchRecord,
    Body,
    Change,
    Dispatch,
    Item,
    NewItem,
    Shaped,
)


@dataclass
class _Held:
    record: BatchRecord
    items: list[Item] = field(default_factory=list)
    bodies: dict[int, Body] = field(default_factory=dict)
    twins: dict[str, int] = field(default_factory=dict)
    dispatches: dict[str, Dispatch] = field(default_factory=dict)
    results: dict[int, bytes] = field(default_factory=dict)


class MemoryBatches:
    """Keeps to `semcache.stores.batch_store.BatchStore`, under one lock."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._is_taken = False
        self._held: dict[str, _Held] = {}  # oldest first

    def take_charge(self) -> bool:
        with self._lock:
            is_free, self._is_taken = not self._is_taken, True
            return is_free

    def keeps_charge(self) -> bool:
        with self._lock:
            return self._is_taken

    # arrival

    def begin(self, record: BatchRecord) -> None:
        with self._lock:
            self._held[record.id] = _Held(record)

    def add(self, batch_id: str, first_place: int, items: Sequence[NewItem]) -> None:
        with self._lock:
            held = self._held[batch_id]
            for place, item in enumerate(items, start=first_place):
                held.items.append(Item(place, item.custom_id, Accepted()))
                held.bodies[place] = Body(item.params)

    def accept(self, batch_id: str, state: BatchState, *, total: int) -> None:
        with self._lock:
            held = self._held[batch_id]
            held.record = replace(held.record, state=state, total=total)

    def discard_arriving(self, *, before: float) -> int:
        with self._lock:
            gone = [
                each.record.id
                for each in self._held.values()
                if each.record.state is None and each.record.accepted_at < before
            ]
            for batch_id in gone:
                del self._held[batch_id]
            return len(gone)

    # batches

    def batch(self, batch_id: str) -> BatchRecord | None:
        with self._lock:
            held = self._held.get(batch_id)
            return None if held is None or held.record.state is None else held.record

    def unended(self) -> list[BatchRecord]:
        return [each for each in self._accepted() if not isinstance(each.state, BatchEnded | Archived)]

    def newest(self, *, limit: int) -> list[BatchRecord]:
        return self._accepted()[::-1][:limit]

    def ended_before(self, accepted_before: float) -> list[BatchRecord]:
        ended = (each for each in self._accepted() if isinstance(each.state, BatchEnded))
        return [each for each in ended if each.accepted_at < accepted_before]

    def listing(
        self, credential: str, *, limit: int, after_id: str | None = None, before_id: str | None = None
    ) -> BatchListing:
        newest_first = [each for each in reversed(self._accepted()) if each.credential == credential]
        ids = [each.id for each in newest_first]
        start = ids.index(after_id) + 1 if after_id in ids else 0
        if before_id in ids:
            end = ids.index(before_id)
            first = max(start, end - limit)
            return BatchListing(tuple(newest_first[first:end]), first > start)
        return BatchListing(tuple(newest_first[start : start + limit]), start + limit < len(ids))

    def move(self, batch_id: str, state: BatchState, *, instead_of: BatchState) -> bool:
        with self._lock:
            held = self._held.get(batch_id)
            if held is None or held.record.state != instead_of:
                return False
            held.record = replace(held.record, state=state)
            return True

    def end(self, batch_id: str, state: BatchState, counts: Counts) -> None:
        with self._lock:
            held = self._held[batch_id]
            held.record = replace(held.record, state=state, counts=counts, sealed=None)
            held.bodies.clear()
            held.twins.clear()

    def archive(self, batch_id: str, state: BatchState) -> None:
        with self._lock:
            held = self._held[batch_id]
            held.record = replace(held.record, state=state)
            held.results.clear()
            held.items.clear()

    def delete(self, batch_id: str) -> None:
        with self._lock:
            self._held.pop(batch_id, None)

    # requests

    def counts(self, batch_id: str) -> Counts:
        with self._lock:
            return tally(item.state for item in self._of(batch_id).items)

    def items(self, batch_id: str, states: Sequence[type], *, after: int = -1, limit: int) -> list[Item]:
        with self._lock:
            later = self._of(batch_id).items[after + 1 :]
        return [item for item in later if isinstance(item.state, tuple(states))][:limit]

    def items_at(self, batch_id: str, places: Sequence[int]) -> list[Item]:
        with self._lock:
            held = self._of(batch_id)
            return [held.items[place] for place in sorted(places)]

    def ready(self, batch_id: str, state: type, *, limit: int) -> list[Item]:
        with self._lock:
            items = self._of(batch_id).items
            return [item for item in items if isinstance(item.state, state) and _is_free(item, items)][:limit]

    def bodies(self, batch_id: str, places: Sequence[int]) -> dict[int, Body]:
        with self._lock:
            held = self._of(batch_id)
            return {place: held.bodies[place] for place in places if place in held.bodies}

    def twin(self, batch_id: str, twin_key: str) -> int | None:
        with self._lock:
            return self._of(batch_id).twins.get(twin_key)

    def apply(self, batch_id: str, change: Change) -> None:
        with self._lock:
            held = self._of(batch_id)
            for place, state in change.states.items():
                held.items[place] = replace(held.items[place], state=state)
            for place, behind in change.behind.items():
                held.items[place] = replace(held.items[place], behind=behind)
            for place, shaped in change.shaped.items():
                _shape(held, place, shaped)
            held.results |= change.results
            if change.dispatch is not None:
                held.dispatches[change.dispatch.marker] = change.dispatch

    def dispatches(self, batch_id: str) -> list[Dispatch]:
        with self._lock:
            return [each for each in self._of(batch_id).dispatches.values() if not each.is_over]

    def upstream_ids(self) -> frozenset[str]:
        with self._lock:
            sent = (each.upstream_id for held in self._held.values() for each in held.dispatches.values())
            return frozenset(upstream_id for upstream_id in sent if upstream_id is not None)

    def results(self, batch_id: str, *, after: int = -1, limit: int) -> list[tuple[int, bytes]]:
        with self._lock:
            results = self._of(batch_id).results
            return [(place, results[place]) for place in sorted(each for each in results if each > after)[:limit]]

    def leave_charge(self) -> None:
        with self._lock:
            self._is_taken = False

    def _of(self, batch_id: str) -> _Held:
        try:
            return self._held[batch_id]
        except KeyError:
            raise StoreError("the batch has been deleted") from None

    def _accepted(self) -> list[BatchRecord]:
        with self._lock:
            return [each.record for each in self._held.values() if each.record.state is not None]


def _is_free(item: Item, items: list[Item]) -> bool:
    return item.behind is None or _has_ended(items[item.behind].state)


def _has_ended(state: ItemState) -> bool:
    return ending_of(state) is not None


def _shape(held: _Held, place: int, shaped: Shaped) -> None:
    held.items[place] = replace(held.items[place], prefix=shaped.prefix, size_bytes=shaped.size_bytes)
    held.bodies[place] = Body(held.bodies[place].params, shaped.content)
    if shaped.twin_key:
        held.twins.setdefault(shaped.twin_key, place)
