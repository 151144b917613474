"""Hits and servings that were buffered, written to the entries they belong to."""

from __future__ import annotations

from semcache.stores.hit_buffer import Batch
from semcache.stores.redis.catalogue import Catalogue
from semcache.stores.redis.scopes import Scopes
from semcache.stores.redis.servings import Kept, Servings
from semcache.stores.redis.spelling import row_of, spelled
from semcache.stores.worth import heat_of


def write_batch(batch: Batch, scopes: Scopes, catalogue: Catalogue, servings: Servings) -> None:
    """Entries that are gone are passed over, with what was served from them."""
    owners = {serving.entry_id for serving in batch.servings.values()}
    names = {entry_id: spelled(entry_id) for entry_id in sorted({*batch.counts, *owners})}
    rows = catalogue.locate(list(names.values()))
    counted = [(rows[names[each]].place, *count) for each, count in batch.counts.items() if names[each] in rows]
    calls = [
        scopes.call("hit", place.scope, place.key, place.id, hits, repr(float(last)), repr(heat_of(hits, at=last)))
        for place, hits, last in counted
    ]
    catalogue.record_all([row_of(summary) for summary in scopes.link.run_all(calls) if summary])
    serving = sorted(each for each in owners if names[each] in rows)
    found = scopes.read_all([rows[names[each]].place for each in serving], with_bodies=False)
    answers = {each: held.answer for each, held in zip(serving, found, strict=True) if held is not None}
    kept = [Kept(each, answers[each.entry_id]) for each in batch.servings.values() if each.entry_id in answers]
    servings.write(kept)
