"""A batch on its way in: read, checked and kept while its bytes still arrive."""

from __future__ import annotations

import secrets
from dataclasses import replace

from semcache.batches.asked import Asked
from semcache.batches.sealing import SECRET_NAME, seal
from semcache.batching.batch_life import InProgress, Terms
from semcache.batching.requests import MAX_REQUESTS, BatchRequest, CreateReader
from semcache.request import encode_json
from semcache.stores.batch_store import BatchRecord, BatchStore, NewItem, batches_of
from semcache.stores.store import Store

_KEPT_AT_ONCE = 1000


class Arrival:
    """Takes the bytes of a create in chunks of any size. Raises `InvalidRequest`; then, or when left, `abandon`."""

    def __init__(self, batches: BatchStore, record: BatchRecord, *, max_requests: int = MAX_REQUESTS) -> None:
        self._batches = batches
        self._record = record
        self._reader = CreateReader(max_requests=max_requests)
        self._waiting: list[NewItem] = []
        self._count = 0
        self._is_known = False

    def feed(self, chunk: bytes) -> None:
        self._take(self._reader.feed(chunk))

    def finish(self) -> BatchRecord:
        """The batch, which from now on exists."""
        self._take(self._reader.finish())
        self._keep()
        accepted = replace(self._record, state=InProgress(), total=self._count)
        self._batches.accept(accepted.id, InProgress(), total=self._count)
        return accepted

    def abandon(self) -> None:
        """Forget what has arrived."""
        if self._is_known:
            self._batches.delete(self._record.id)

    def _take(self, requests: list[BatchRequest]) -> None:
        self._waiting += [NewItem(each.custom_id, encode_json(each.params)) for each in requests]
        if len(self._waiting) >= _KEPT_AT_ONCE:
            self._keep()

    def _keep(self) -> None:
        if not self._is_known:
            self._batches.begin(self._record)
            self._is_known = True
        self._batches.add(self._record.id, self._count, self._waiting)
        self._count += len(self._waiting)
        self._waiting = []


def new_record(  # noqa: PLR0913 - what is known of a batch before its requests are
    store: Store, asked: Asked, *, now: float, base_url: str, terms: Terms, batch_id: str = ""
) -> BatchRecord:
    """A batch that nothing has arrived of yet, by default of a new id; its credential is sealed."""
    batch_id = batch_id or f"msgbatch_{secrets.token_hex(12)}"
    sealed = seal(asked.credential, store.secret(SECRET_NAME), batch_id=batch_id) if asked.credential else None
    return BatchRecord(batch_id, asked.caller.credential, now, base_url, terms, asked.content(), sealed)


def arrive(store: Store, record: BatchRecord) -> Arrival:
    """Raises `StoreUnavailable` where the store keeps no batches."""
    return Arrival(batches_of(store), record)
