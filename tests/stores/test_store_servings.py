"""What every store keeps of the answers it gave, and how it forgets them."""

from __future__ import annotations

from threading import Thread

import pytest
from fakes import Clock
from store_samples import OTHER_SCOPE, SCOPE, embedding, entry, exemplar, found, put, serving

from semcache.entry import Label
from semcache.stores.limits import Limits
from semcache.stores.store import Selection, Store

EAST, NORTH = embedding(1), embedding(0, 1)


@pytest.mark.parametrize("is_flushed", [False, True], ids=["buffered", "written"])
def test_a_serving_is_found_by_the_id_of_its_message(store: Store, is_flushed: bool) -> None:
    made = put(store, "k1", EAST)
    hit = serving("m1", made.id, question="When, half a pair: \ud83d?")
    stored = serving("m2 \ud83d", made.id, kind="stored")
    store.record_hit(made.id, hit)
    store.record_serving(stored)
    store.record_hit(made.id)
    if is_flushed:
        store.flush()
    assert (store.serving("m1"), store.serving("m2 \ud83d"), store.serving("m3")) == (hit, stored, None)
    store.flush()
    assert store.get(made.id).hits == 2


def test_the_last_serving_with_an_id_counts(store: Store) -> None:
    first, second = put(store, "k1"), put(store, "k2")
    for owner in (first, second):
        store.record_serving(serving("m1", owner.id))
        store.flush()
    assert store.serving("m1") == serving("m1", second.id)
    store.delete(Selection(entry_ids=(first.id,)))
    assert store.serving("m1") == serving("m1", second.id)


@pytest.mark.parametrize("is_flushed", [False, True], ids=["buffered", "written"])
@pytest.mark.parametrize("how", ["deleted", "expired", "evicted", "answered anew", "unknown"])
def test_a_serving_goes_with_its_answer(open_store, clock: Clock, how: str, is_flushed: bool) -> None:
    store = open_store(limits=Limits(max_entries=2))
    made = put(store, "k1", expires_at=clock.now + 5)
    store.record_hit(made.id, serving("m1", made.id if how != "unknown" else "ent_unknown"))
    if is_flushed:
        store.flush()
    match how:
        case "deleted":
            store.delete(Selection(namespace=SCOPE.namespace))
        case "expired":
            clock.advance(5)
        case "evicted":
            for key in ("k8", "k9"):
                put(store, key, cost_usd=1.0)
        case "answered anew":
            put(store, "k1", answer="Never.")
    assert store.serving("m1") is None
    store.flush()
    assert store.serving("m1") is None
    assert store.prune_servings(before=float("inf")) == (1 if how == "expired" else 0)


def test_putting_the_same_answer_again_keeps_what_was_served(store: Store) -> None:
    made = put(store, "k1", EAST)
    store.record_serving(serving("m1", made.id))
    put(store, "k1", NORTH)
    assert store.serving("m1") == serving("m1", made.id)


def test_servings_are_pruned_by_age_buffered_ones_too(store: Store) -> None:
    made = put(store, "k1")
    for at in (10.0, 20.0, 30.0):
        store.record_serving(serving(f"m{at:.0f}", made.id, at=at))
    assert store.prune_servings(before=20.0) == 1
    assert [store.serving(each) is not None for each in ("m10", "m20", "m30")] == [False, True, True]
    assert store.prune_servings(before=20.0) == 0


def test_a_text_is_selected_where_it_is_answered(store: Store) -> None:
    made = put(store, "k1", EAST)
    store.add_exemplar(exemplar(made, NORTH, text="Mein Paket in die STRASSE zurück?"))
    put(store, "k2", NORTH)
    selection = Selection(text="straße")
    assert store.page(selection).entries == (made,)
    assert store.delete(selection, dry_run=True) == store.delete(selection) == 1
    assert found(store, EAST) == ["k2 0"]


def test_nothing_holds_a_text_that_was_purged(store: Store) -> None:
    kept, other = put(store, "k1", EAST), put(store, "k2", EAST, scope=OTHER_SCOPE, tags=("t",))
    for each in (kept, other):
        store.add_exemplar(exemplar(each, NORTH, text="Where does Jane Roe live?", label=Label.NEGATIVE))
        store.record_serving(serving(f"flushed {each.id}", each.id, question="I am jane roe, may I?"))
        store.flush()
        store.record_hit(each.id, serving(f"buffered {each.id}", each.id, question="JANE ROE again"))
        store.record_serving(serving(f"harmless {each.id}", each.id))
    assert store.delete(Selection(text="Jane Roe"), dry_run=True) == 0
    assert len(found(store, NORTH)) == 2
    assert store.delete(Selection(text="Jane Roe", tag="t")) == 0
    assert [len(found(store, NORTH, scope=each.scope)) for each in (kept, other)] == [2, 1]
    assert [store.serving(f"{when} {other.id}") for when in ("flushed", "buffered")] == [None, None]
    assert [store.serving(f"{when} {kept.id}") is None for when in ("flushed", "buffered")] == [False, False]
    assert all(store.serving(f"harmless {each.id}") is not None for each in (kept, other))


def test_threads_that_serve_see_what_they_served(store: Store) -> None:
    made = put(store, "k1")
    missed: list[str] = []

    def work(name: str) -> None:
        for number in range(300):
            each = serving(f"{name}{number}", made.id)
            store.record_hit(made.id, each)
            if number % 40 == 0:
                store.flush()
            if number % 9 == 0 and store.serving(each.id) != each:
                missed.append(each.id)

    threads = [Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.flush()
    assert missed == []
    assert store.get(made.id).hits == 900
    assert store.prune_servings(before=float("inf")) == 900


def test_a_serving_of_an_entry_that_is_stored_later_is_not_kept(store: Store) -> None:
    store.record_serving(serving("m1", "ent_later"))
    store.flush()
    store.put(entry(id="ent_later"))
    assert store.serving("m1") is None


@pytest.mark.parametrize("is_flushed", [False, True], ids=["buffered", "written"])
def test_what_an_answer_was_served_for_is_listed_newest_first(store: Store, clock: Clock, is_flushed: bool) -> None:
    made, other = put(store, "k1", EAST), put(store, "k2", NORTH)
    for number in range(4):
        clock.advance(1)
        store.record_hit(made.id, serving(f"m{number}", made.id, at=clock.now))
    store.record_hit(other.id, serving("elsewhere", other.id, at=clock.now))
    if is_flushed:
        store.flush()
    assert [each.id for each in store.servings_of(made.id, limit=3)] == ["m3", "m2", "m1"]
    assert [store.servings_of(made.id, limit=0), store.servings_of("ent_unknown", limit=9)] == [[], []]
    store.delete(Selection(entry_ids=(made.id,)))
    assert store.servings_of(made.id, limit=9) == []
