"""Batches in Redis: each in a slot of its own, and a register of them all.

A batch is registered before it is written and struck off after it is gone, so whoever dies between leaves a name
without a batch: every reader looks for the batch itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from semcache.batching.batch_life import BatchEnded, BatchState
from semcache.batching.message_batch import Counts
from semcache.batching.spelling import STATE_NAMES, state_name
from semcache.batching.states import Accepted
from semcache.errors import StoreError
from semcache.stores.batch_spelling import deflated, listing_of, read_bodies, read_counts, read_results, spelled_counts
from semcache.stores.batch_spelling import spelled as spelled_state
from semcache.stores.batch_store import BatchListing, BatchRecord, Body, Change, Dispatch, Item, NewItem
from semcache.stores.redis.batch_rows import (
    read_dispatch,
    read_item,
    read_record,
    write_change,
    write_item_state,
    write_record,
)
from semcache.stores.redis.charge import Charge
from semcache.stores.redis.leases import RedisLeases
from semcache.stores.redis.link import Call, Link, Word
from semcache.stores.redis.scripts import batch_script, script
from semcache.stores.redis.spelling import spelled

_PORTION = 100


class RedisBatches:
    """Keeps to `semcache.stores.batch_store.BatchStore`."""

    def __init__(self, link: Link, leases: RedisLeases) -> None:
        self._link = link
        self._register = f"{{{link.prefix}:batches}}"
        self._charge = Charge(leases)

    def take_charge(self) -> bool:
        return self._charge.take()

    def keeps_charge(self) -> bool:
        return self._charge.is_held

    def leave_charge(self) -> None:
        self._charge.leave()

    # arrival

    def begin(self, record: BatchRecord) -> None:
        words = (record.id, spelled(record.credential), repr(float(record.accepted_at)))
        self._link.run(script("register_batch"), self._register, *words)
        sealed = b"" if record.sealed is None else record.sealed
        self._run("begin", record.id, write_record(record), record.asked, int(record.sealed is not None), sealed)

    def add(self, batch_id: str, first_place: int, items: Sequence[NewItem]) -> None:
        words = [word for item in items for word in (json.dumps(item.custom_id), deflated(item.params))]
        _checked(self._run("add", batch_id, first_place, write_item_state(Accepted()), *words))

    def accept(self, batch_id: str, state: BatchState, *, total: int) -> None:
        self._run("accept", batch_id, spelled_state(state), total)

    def discard_arriving(self, *, before: float) -> int:
        begun = self._link.send("ZRANGEBYSCORE", f"{self._register}:kept", "-inf", f"({float(before)!r}")
        ids = [batch_id.decode() for batch_id in begun]
        records = self._link.run_all([self._call("record", batch_id) for batch_id in ids])
        gone = [batch_id for batch_id, stored in zip(ids, records, strict=True) if not stored or not stored[4]]
        for batch_id in gone:
            self.delete(batch_id)
        return len(gone)

    # batches

    def batch(self, batch_id: str) -> BatchRecord | None:
        return next(self._records([batch_id]), None)

    def unended(self) -> list[BatchRecord]:
        ids = self._link.send("ZRANGE", f"{self._register}:open", 0, -1)
        return [each for each in self._records(each.decode() for each in ids) if each.counts is None]

    def newest(self, *, limit: int) -> list[BatchRecord]:
        found: list[BatchRecord] = []
        for portion in self._listed(f"{self._register}:all", "-inf", "+inf", is_up=False):
            found += self._records(portion)
            if len(found) >= limit:
                break
        return found[:limit]

    def ended_before(self, accepted_before: float) -> list[BatchRecord]:
        ids = self._link.send("ZRANGEBYSCORE", f"{self._register}:kept", "-inf", f"({float(accepted_before)!r}")
        return [each for each in self._records(each.decode() for each in ids) if isinstance(each.state, BatchEnded)]

    def listing(
        self, credential: str, *, limit: int, after_id: str | None = None, before_id: str | None = None
    ) -> BatchListing:
        key = f"{self._register}:of:{spelled(credential)}"
        after, before = (None if each is None else self._number(key, each) for each in (after_id, before_id))
        oldest = "-inf" if before is None else f"({before}"
        newest = "+inf" if after is None else f"({after}"
        found: list[BatchRecord] = []
        for portion in self._listed(key, oldest, newest, is_up=before is not None):
            found += self._records(portion)
            if len(found) > limit:
                break
        return listing_of(found, limit, is_up=before is not None)

    def move(self, batch_id: str, state: BatchState, *, instead_of: BatchState) -> bool:
        return bool(self._run("move", batch_id, spelled_state(state), spelled_state(instead_of)))

    def end(self, batch_id: str, state: BatchState, counts: Counts) -> None:
        self._charge.check()
        _checked(self._run("end", batch_id, spelled_state(state), spelled_counts(counts)))
        self._link.send("ZREM", f"{self._register}:open", batch_id)

    def archive(self, batch_id: str, state: BatchState) -> None:
        _checked(self._run("archive", batch_id, spelled_state(state), " ".join(STATE_NAMES)))
        self._link.send("ZREM", f"{self._register}:kept", batch_id)

    def delete(self, batch_id: str) -> None:
        self._run("delete", batch_id, " ".join(STATE_NAMES))
        self._link.run(script("unregister_batch"), self._register, batch_id)

    # requests

    def counts(self, batch_id: str) -> Counts:
        counted = _checked(self._run("counts", batch_id, *STATE_NAMES))
        return read_counts(dict(zip(STATE_NAMES, counted, strict=True)))

    def items(self, batch_id: str, states: Sequence[type], *, after: int = -1, limit: int) -> list[Item]:
        return self._items("items", batch_id, after, limit, *(state_name(each) for each in states))

    def items_at(self, batch_id: str, places: Sequence[int]) -> list[Item]:
        return self._items("items_at", batch_id, *sorted(places))

    def ready(self, batch_id: str, state: type, *, limit: int) -> list[Item]:
        return self._items("ready", batch_id, state_name(state), limit)

    def bodies(self, batch_id: str, places: Sequence[int]) -> dict[int, Body]:
        found = _checked(self._run("bodies", batch_id, *places))
        return read_bodies(found)

    def twin(self, batch_id: str, twin_key: str) -> int | None:
        (place,) = _checked(self._run("twin", batch_id, twin_key))
        return int(place) if place else None

    def apply(self, batch_id: str, change: Change) -> None:
        self._charge.check()
        _checked(self._run("apply", batch_id, *write_change(change)))

    def dispatches(self, batch_id: str) -> list[Dispatch]:
        found = [read_dispatch(stored) for stored in _checked(self._run("sendings", batch_id))]
        return [each for each in found if not each.is_over]

    def upstream_ids(self) -> frozenset[str]:
        ids = self._link.send("ZRANGE", f"{self._register}:all", 0, -1)
        sets = self._link.send_all([("SMEMBERS", f"{self._slot(each.decode())}:upstream") for each in ids])
        return frozenset(upstream_id.decode() for found in sets for upstream_id in found)

    def results(self, batch_id: str, *, after: int = -1, limit: int) -> list[tuple[int, bytes]]:
        return read_results(_checked(self._run("results", batch_id, after, limit)))

    def _records(self, ids: Any) -> Iterator[BatchRecord]:
        """Those that have been accepted."""
        for stored in self._link.run_all([self._call("record", batch_id) for batch_id in ids]):
            if stored and (record := read_record(stored)).state is not None:
                yield record

    def _listed(self, key: str, oldest: str, newest: str, *, is_up: bool) -> Iterator[list[str]]:
        start = 0
        while True:
            order = ("ZRANGEBYSCORE", key, oldest, newest) if is_up else ("ZREVRANGEBYSCORE", key, newest, oldest)
            found = self._link.send(*order, "LIMIT", start, _PORTION)
            if not found:
                return
            yield [batch_id.decode() for batch_id in found]
            start += _PORTION

    def _number(self, key: str, batch_id: str) -> int | None:
        score = self._link.send("ZSCORE", key, batch_id)
        return None if score is None else int(score)

    def _items(self, name: str, batch_id: str, *words: Word) -> list[Item]:
        return [read_item(stored) for stored in _checked(self._run(name, batch_id, *words))]

    def _run(self, name: str, batch_id: str, *words: Word) -> Any:
        return self._link.run(batch_script(name), self._slot(batch_id), *words)

    def _call(self, name: str, batch_id: str, *words: Word) -> Call:
        return (batch_script(name), self._slot(batch_id), words)

    def _slot(self, batch_id: str) -> str:
        return f"{{{self._link.prefix}:batch:{spelled(batch_id)}}}"


def _checked(answer: Any) -> Any:
    """What a script gave, unless there was no batch for it to work on."""
    if answer is None or answer == 0:
        raise StoreError("the batch has been deleted")
    return answer
