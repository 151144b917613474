"""Batches as Redis keeps them: records, requests and changes, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from semcache.batching.spelling import spell, unspell
from semcache.batching.splitting import Prefix
from semcache.batching.states import ItemState
from semcache.stores import batch_spelling
from semcache.stores.batch_spelling import deflated, spelled_terms
from semcache.stores.batch_store import NO_PREFIX, BatchRecord, Change, Dispatch, Item
from semcache.stores.redis.link import Word


def write_record(record: BatchRecord) -> str:
    terms = spelled_terms(record.terms)
    return json.dumps([record.id, record.credential, record.accepted_at, record.base_url, terms])


def read_record(stored: Sequence[Any]) -> BatchRecord:
    told, asked, is_sealed, sealed, state, total, counts = stored
    told = (*json.loads(told), asked, sealed if is_sealed else None)
    return batch_spelling.read_record((*told, state.decode() if state else None, int(total), counts or None))


def write_item_state(state: ItemState) -> str:
    """The name first: scripts read no more."""
    given = spell(state)
    return f"{given.pop('state')} {json.dumps(given)}"


def read_item(stored: Sequence[Any]) -> Item:
    place, custom_id, state, behind, shape = stored
    name, _, detail = state.decode().partition(" ")
    known = unspell({"state": name, **json.loads(detail)})
    prefix, size_bytes = NO_PREFIX, 0
    if shape:
        head, marked, size_bytes = json.loads(shape)
        prefix = Prefix(head, marked)
    leader = int(behind) if behind else None
    return Item(int(place), json.loads(custom_id), known, leader, prefix, size_bytes)


def write_change(change: Change) -> list[Word]:
    """As `batch_apply.lua` reads it."""
    words: list[Word] = [len(change.states)]
    for place, state in change.states.items():
        words += [place, write_item_state(state)]
    words.append(len(change.behind))
    for place, leader in change.behind.items():
        words += [place, leader]
    words.append(len(change.shaped))
    for place, each in change.shaped.items():
        shape = json.dumps([*each.prefix, each.size_bytes])
        words += [place, shape, deflated(each.content), each.twin_key]
    words.append(len(change.results))
    for place, line in change.results.items():
        words += [place, deflated(line)]
    sent = [change.dispatch] if change.dispatch is not None else []
    words.append(len(sent))
    for dispatch in sent:
        words += [dispatch.marker, _written(dispatch), dispatch.upstream_id or ""]
    return words


def read_dispatch(stored: bytes) -> Dispatch:
    marker, places, tried_at, upstream_id, is_over = json.loads(stored)
    return Dispatch(marker, tuple(places), tried_at, upstream_id, is_over)


def _written(dispatch: Dispatch) -> str:
    told = [dispatch.marker, dispatch.places, dispatch.tried_at, dispatch.upstream_id, dispatch.is_over]
    return json.dumps(told, separators=(",", ":"))
