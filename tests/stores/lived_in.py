"""A store in which there is something of everything, and what it tells of it: for stores that are migrated."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from store_samples import OTHER_SCOPE, SCOPE, embedding, entry, exemplar, found, ledger_row, observation, put, serving

from semcache.batching.batch_life import BatchEnded, InProgress, Terms
from semcache.batching.message_batch import Counts
from semcache.batching.splitting import Prefix
from semcache.batching.states import Sent, Source, Succeeded, Waiting
from semcache.entry import Kind, Label
from semcache.stores.batch_store import BatchRecord, Change, Dispatch, NewItem, Shaped, batches_of
from semcache.stores.ledger_book import LedgerQuery
from semcache.stores.store import Selection, Store

EAST, NORTH, UP = embedding(1), embedding(0, 1), embedding(0, 0, 1)
LONG = "A long answer, which is worth packing. " * 40


def live_in(store: Store) -> Store:
    """Something of everything, by the store's own methods."""
    returns = entry("k1", id="ent_returns", tags=("returns", "eu"), credential="hmac-1")
    store.put(returns, [exemplar(returns, EAST, text="When may I send it back?")])
    store.add_exemplar(exemplar(returns, embedding(1, 0.2), text="May I send it BACK?", key="k1-alias"))
    store.add_exemplar(exemplar(returns, embedding(1, 1), text="May I keep it?", label=Label.NEGATIVE))
    opening = entry("k2", id="ent_opening", kind=Kind.FAQ, answer=LONG, cost_usd=0.0)
    store.put(opening, [exemplar(opening, NORTH, text="When do you open?")])
    put(store, "k3", UP, id="ent_brief", scope=OTHER_SCOPE, expires_at=2_000_000_000.0, answer="A half \ud83d")
    store.record_hit("ent_returns", serving("msg_served", "ent_returns"))
    store.record_serving(serving("msg_other", "ent_opening"))
    store.delete(Selection(entry_ids=("ent_of_nobody",)))
    store.book([ledger_row(at=1_800_000_000.0 + number, tags=("web",)) for number in range(3)])
    store.observe([observation("label", at=float(number)) for number in range(2)])
    store.save_document("beliefs/shop", b"{}")
    store.save_document("beliefs/shop", b'{"learned": 1}')
    store.secret("tenants")
    _hand_in_batches(store)
    store.flush()
    return store


def _hand_in_batches(store: Store) -> None:
    batches = batches_of(store)
    for name in ("msgbatch_ended", "msgbatch_under_way", "msgbatch_arriving"):
        batches.begin(BatchRecord(name, "anna", 100.0, "http://here", Terms(10.0, 20.0), b'{"of": "anna"}', b"sealed"))
        batches.add(name, 0, [NewItem(f"id-{number}", b'{"n":%d}' % number) for number in range(3)])
    for name in ("msgbatch_ended", "msgbatch_under_way"):
        batches.accept(name, InProgress(), total=3)
        shaped = {0: Shaped(b"{}", Prefix("head", "marked"), 77, "twin")}
        dispatch = Dispatch(f"{name}_marker", (0, 1), 150.0, upstream_id=f"{name}_up")
        states = {0: Sent(dispatch.marker, 0, f"{name}_up"), 1: Waiting()}
        batches.apply(name, Change(states=states, shaped=shaped, dispatch=dispatch, behind={2: 0}))
    lines = {place: b'{"custom_id":"id-%d"}\n' % place for place in range(3)}
    done = Change(states=dict.fromkeys(range(3), Succeeded(Source.CACHE)), results=lines)
    batches.apply("msgbatch_ended", done)
    batches.end("msgbatch_ended", BatchEnded(200.0), Counts(succeeded=3))


def forget_batches(store: Store) -> None:
    batches = batches_of(store)
    for record in batches.newest(limit=9):
        batches.delete(record.id)
    batches.discard_arriving(before=1_000.0)


# Each part by name: the tables and columns it rests on, and how it is read.
_PARTS: dict[str, tuple[tuple[str, ...], Callable[[Store], Any]]] = {
    "entries": (("entries",), lambda store: [each for each, _ in store.scan()]),
    "exemplars": (("exemplars",), lambda store: [_exemplars(made) for _, made in store.scan()]),
    "exact": (
        ("entries",),
        lambda store: [store.get_exact(SCOPE, "k1"), store.get_exact(SCOPE, "k2"), store.get_exact(OTHER_SCOPE, "k3")],
    ),
    "similar": (("exemplars",), lambda store: [_similar(store, vector) for vector in (EAST, NORTH, UP)]),
    "elsewhere": (("exemplars",), lambda store: found(store, UP, scope=OTHER_SCOPE)),
    "listed": (
        ("entries",),
        lambda store: [
            [each.id for each in store.page(selection).entries]
            for selection in (
                Selection(),
                Selection(tag="eu"),
                Selection(kind=Kind.FAQ),
                Selection(text="send it back"),
            )
        ],
    ),
    "stats": (("entries",), lambda store: store.stats()),
    "written": (("entries",), lambda store: store.written_since("hmac-1", 1_800_000_000.0)),
    "aliases": (("exemplars.key",), lambda store: store.get_exact(SCOPE, "k1-alias")),
    "servings": (
        ("servings",),
        lambda store: [store.serving("msg_served"), *store.servings_of("ent_opening", limit=9)],
    ),
    "generation": (("generations",), lambda store: store.generation(SCOPE)),
    "money": (
        ("ledger",),
        lambda store: [
            (group.key, group.cost_usd, group.input_tokens)
            for group in store.ledger_groups(LedgerQuery(by=("day", "outcome")))
        ],
    ),
    "bill": (("ledger.parts",), lambda store: store.ledger_rows(LedgerQuery(), limit=9)),
    "labels": (("observations",), lambda store: store.observations("label", limit=9)),
    "documents": (("documents",), lambda store: store.load_document("beliefs/shop")),
    "versions": (("documents.version",), lambda store: store.document_versions("")),
    "secrets": (("secrets",), lambda store: store.secrets()),
    "batches": (("batches",), lambda store: _batches(store)),
}


def told(store: Store, kept: Collection[str]) -> dict[str, Any]:
    """What the store tells, in every part that rests on nothing but these tables and columns."""
    return {name: read(store) for name, (needed, read) in _PARTS.items() if set(needed) <= set(kept)}


def _exemplars(made: Any) -> list[Any]:
    return [(one.text, one.label, one.origin, one.embedding.vector.tolist()) for one in made]


def _similar(store: Store, vector: Any) -> list[Any]:
    return [(each.exemplar.text, round(each.similarity, 3)) for each in store.nearest(SCOPE, vector)]


def _batches(store: Store) -> Any:
    kept = batches_of(store)
    return [
        (
            record,
            kept.counts(record.id),
            kept.items(record.id, (Sent, Waiting, Succeeded), limit=9, after=-1),
            kept.bodies(record.id, range(3)),
            kept.results(record.id, after=-1, limit=9),
            kept.dispatches(record.id),
            kept.twin(record.id, "twin"),
        )
        for record in kept.newest(limit=9)
    ]
