"""How rows of batches are written down, whichever database keeps them: states as JSON, texts compressed."""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semcache.batching.batch_life import Archived, BatchEnded, BatchState, Canceling, Expiring, InProgress, Terms
from semcache.batching.message_batch import Counts
from semcache.batching.spelling import spell, unspell
from semcache.batching.splitting import Prefix
from semcache.errors import StoreError
from semcache.stores.batch_store import BatchListing, BatchRecord, Body, Change, Dispatch, Item

RECORD_COLUMNS = "id, credential, accepted_at, base_url, terms, asked, sealed, state, total, counts"
ITEM_COLUMNS = "place, custom_id, state, detail, behind, head, marked, size_bytes"
ENDED = ("succeeded", "errored", "canceled", "expired")  # states, and counts of a batch, by name
ENDED_SQL = f"({', '.join(repr(name) for name in ENDED)})"
DISPATCH_COLUMNS = "marker, places, tried_at, upstream_id, is_over"
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
        state=None if state is None else read_state(state),
        total=total,
        counts=None if counts is None else Counts(**json.loads(counts)),
    )


def record_values(record: BatchRecord) -> tuple[object, ...]:
    """Of a batch that is arriving: `RECORD_COLUMNS` but for the last three."""
    terms = spelled_terms(record.terms)
    return (
        record.id, record.credential, record.accepted_at, record.base_url, terms, record.asked, record.sealed,
    )  # fmt: skip


def read_item(row: tuple[Any, ...]) -> Item:
    place, custom_id, state, detail, behind, head, marked, size_bytes = row
    known = unspell({"state": state, **json.loads(detail)})
    return Item(place, custom_id, known, behind, Prefix(head, marked), size_bytes)


def read_bodies(rows: Iterable[Any]) -> dict[int, Body]:
    """From places, params and what is sent for them, if they have been shaped."""
    return {place: Body(inflated(params), inflated(shaped) if shaped else None) for place, params, shaped in rows}


def read_results(rows: Iterable[Any]) -> list[tuple[int, bytes]]:
    return [(int(place), inflated(line)) for place, line in rows]


def read_dispatch(row: tuple[Any, ...]) -> Dispatch:
    """From `DISPATCH_COLUMNS`."""
    marker, places, tried_at, upstream_id, is_over = row
    return Dispatch(marker, places_of(places), tried_at, upstream_id, bool(is_over))


def read_counts(by_state: Mapping[str, int]) -> Counts:
    """Of requests in each state, by its name."""
    ended = {name: by_state.get(name, 0) for name in ENDED}
    return Counts(processing=sum(by_state.values()) - sum(ended.values()), **ended)


def listing_of(found: list[BatchRecord], limit: int, *, is_up: bool) -> BatchListing:
    """A page of what was found, one more where there is more; `is_up`: found from the oldest on."""
    shown = found[:limit][::-1] if is_up else found[:limit]
    return BatchListing(tuple(shown), len(found) > limit)


def existing(seq: int | None) -> int:
    """The number of a batch, or `StoreError`."""
    if seq is None:
        raise StoreError("the batch has been deleted")
    return seq


Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class ChangeRows:
    """A change as what statements bind: new values first, then the batch's number and the place."""

    states: Rows  # name, detail
    behind: Rows  # place of the leader
    shapes: Rows  # head, marked, size, twin key
    texts: Rows  # what is sent
    results: Rows  # batch, place and line: these are inserted


def change_rows(seq: int, change: Change) -> ChangeRows:
    states: Rows = []
    for place, state in change.states.items():
        given = spell(state)
        states.append((given.pop("state"), json.dumps(given), seq, place))
    shaped = change.shaped.items()
    return ChangeRows(
        states,
        [(leader, seq, place) for place, leader in change.behind.items()],
        [(*each.prefix, each.size_bytes, each.twin_key or None, seq, place) for place, each in shaped],
        [(deflated(each.content), seq, place) for place, each in shaped],
        [(seq, place, deflated(line)) for place, line in change.results.items()],
    )


def dispatch_values(seq: int, each: Dispatch) -> tuple[object, ...]:
    """The batch's number, and `DISPATCH_COLUMNS`."""
    return seq, each.marker, places_packed(each.places), each.tried_at, each.upstream_id, each.is_over


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
