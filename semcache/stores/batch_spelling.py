"""How rows of batches are written down, whichever database keeps them: states as JSON, texts compressed."""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Sequence
from typing import Any

from semcache.batching.batch_life import Archived, BatchEnded, BatchState, Canceling, Expiring, InProgress, Terms
from semcache.batching.message_batch import Counts
from semcache.batching.spelling import unspell
from semcache.batching.splitting import Prefix
from semcache.errors import StoreError
from semcache.stores.batch_store import BatchRecord, Item

RECORD_COLUMNS = "id, credential, accepted_at, base_url, terms, asked, sealed, state, total, counts"
ITEM_COLUMNS = "place, custom_id, state, detail, behind, head, marked, size_bytes"
_FAST = 1  # of zlib: half the size at a tenth of the time
_STATES: dict[str, type] = {each.__name__: each for each in (InProgress, Canceling, Expiring, BatchEnded, Archived)}


def read_record(row: tuple[Any, ...]) -> BatchRecord:
    batch_id, credential, accepted_at, base_url, terms, asked, sealed, state, total, counts = row
    return BatchRecord(
        batch_id,
        credential,
        accepted_at,
        base_url,
        terms=Terms(*json.loads(terms)),
        asked=asked,
        sealed=sealed,
        state=read_state(state),
        total=total,
        counts=None if counts is None else Counts(**json.loads(counts)),
    )


def read_item(row: tuple[Any, ...]) -> Item:
    place, custom_id, state, detail, behind, head, marked, size_bytes = row
    known = unspell({"state": state, **json.loads(detail)})
    return Item(place, custom_id, known, behind, Prefix(head, marked), size_bytes)


def spelled(state: BatchState) -> str:
    given = {name: getattr(state, name) for name in state.__dataclass_fields__}
    return json.dumps({"state": type(state).__name__, **given})


def read_state(text: str) -> BatchState:
    given = json.loads(text)
    try:
        state: BatchState = _STATES[given.pop("state")](**given)
    except (KeyError, TypeError):
        raise StoreError("a batch is in a state that this version does not know") from None
    return state


def spelled_terms(terms: Terms) -> str:
    return json.dumps([terms.expiry_seconds, terms.kept_seconds])


def spelled_counts(counts: Counts) -> str:
    return json.dumps(counts.body())


def deflated(text: bytes) -> bytes:
    return zlib.compress(text, _FAST)


def inflated(stored: bytes) -> bytes:
    try:
        return zlib.decompress(stored)
    except zlib.error as error:
        raise StoreError("a stored batch is damaged; restore a backup") from error


def places_packed(places: Sequence[int]) -> bytes:
    return zlib.compress(array("I", places).tobytes(), _FAST)


def places_of(packed: bytes) -> tuple[int, ...]:
    return tuple(array("I", zlib.decompress(packed)))
