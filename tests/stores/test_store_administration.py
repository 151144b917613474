"""What every store does for its operator: list, remove, expire, evict, count, keep books and secrets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import Clock
from store_samples import OTHER_SCOPE, SCOPE, embedding, entry, found, put

from semcache.entry import Kind, Scope
from semcache.errors import InvalidRequest
from semcache.stores.limits import Limits
from semcache.stores.paging import Order
from semcache.stores.store import Selection, Store, StoreStats
from semcache.stores.worth import HALF_LIFE_SECONDS

EAST = embedding(1)


@pytest.fixture
def mixed(store: Store) -> Store:
    """Four entries that differ in all a selection can name."""
    store.put(entry("a", id="a", tags=("red", "big"), created_at=10.0, question="Refund of a Straße order?"))
    store.put(entry("b", id="b", tags=("blue",), created_at=20.0, requested_model="claude-y", question="b?"))
    store.put(entry("c", id="c", tags=("red",), created_at=30.0, kind=Kind.FAQ, question="c 100%_?"))
    store.put(entry("d", id="d", scope=Scope("hotel", "f" * 64), created_at=40.0, served_model="claude-y"))
    return store


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        pytest.param(Selection(), "abcd", id="no condition"),
        pytest.param(Selection(namespace="shop"), "abc", id="namespace"),
        pytest.param(Selection(tag="red"), "ac", id="tag"),
        pytest.param(Selection(tag="re"), "", id="half a tag"),
        pytest.param(Selection(model="claude-y"), "bd", id="requested or served model"),
        pytest.param(Selection(kind=Kind.FAQ), "c", id="kind"),
        pytest.param(Selection(created_before=20.0), "a", id="age"),
        pytest.param(Selection(entry_ids=("a", "d", "zzz")), "ad", id="ids"),
        pytest.param(Selection(entry_ids=()), "", id="no ids"),
        pytest.param(Selection(text="STRASSE"), "a", id="text in any case"),
        pytest.param(Selection(text="100%_"), "c", id="text is no pattern"),
        pytest.param(Selection(namespace="shop", tag="red", kind=Kind.LEARNED), "a", id="all must hold"),
    ],
)
def test_a_selection_lists_and_deletes_the_same_entries(mixed: Store, selection: Selection, ids: str) -> None:
    assert [each.id for each in mixed.page(selection).entries] == list(reversed(ids))
    assert mixed.delete(selection, dry_run=True) == len(ids)
    assert mixed.stats().entries == 4
    assert mixed.delete(selection) == len(ids)
    assert {each.id for each, _ in mixed.scan()} == set("abcd") - set(ids)


def test_deleting_an_entry_takes_its_exemplars_along(store: Store) -> None:
    gone, kept = put(store, "gone", EAST), put(store, "kept", embedding(1, 1))
    store.nearest(SCOPE, EAST)
    assert store.delete(Selection(entry_ids=(gone.id,))) == 1
    assert found(store, EAST) == ["kept 0"]
    assert store.exemplars(gone.id) == []
    assert store.get(kept.id) == kept


def test_delete_counts_live_entries_and_removes_expired_ones_too(store: Store, clock: Clock) -> None:
    put(store, "old", expires_at=clock.now + 1)
    put(store, "new")
    clock.advance(1)
    assert store.delete(Selection(), dry_run=True) == 1
    assert store.delete(Selection()) == 1
    assert store.expire() == 0


def test_pages_follow_each_other_newest_first_while_entries_come_and_go(store: Store) -> None:
    for number in range(7):
        put(store, f"k{number}", created_at=100.0 + number // 2)  # times come in pairs
    first = store.page(Selection(), limit=3)
    assert [each.key for each in first.entries] == ["k6", "k5", "k4"]
    store.delete(Selection(entry_ids=(first.entries[2].id,)))
    put(store, "newer", created_at=999.0)
    second = store.page(Selection(), limit=3, cursor=first.next_cursor)
    assert [each.key for each in second.entries] == ["k3", "k2", "k1"]
    last = store.page(Selection(), limit=3, cursor=second.next_cursor)
    assert ([each.key for each in last.entries], last.next_cursor) == (["k0"], None)


def test_the_most_used_come_first_page_by_page_and_of_equals_the_last_stored(store: Store) -> None:
    hits = {"a": 2, "b": 0, "c": 7, "d": 2, "e": 0}
    for key, number in hits.items():
        entry_id = put(store, key).id
        for _ in range(number):
            store.record_hit(entry_id)
    store.flush()
    keys, cursor = [], None
    for _ in range(3):
        page = store.page(Selection(), limit=2, cursor=cursor, order=Order.HITS)
        keys, cursor = [*keys, *(each.key for each in page.entries)], page.next_cursor
    assert (keys, cursor) == (["c", "d", "a", "e", "b"], None)


@pytest.mark.parametrize("cursor", ["", "nonsense", "0x1p0", "nan_1", "0x1p0_x", "0x1p0_-1"])
def test_a_cursor_that_no_page_gave_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        store.page(Selection(), cursor=cursor)


def test_an_empty_page_is_no_page(store: Store) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        store.page(Selection(), limit=0)


def test_expire_removes_the_longest_expired_first(store: Store, clock: Clock) -> None:
    for number in range(5):
        put(store, f"k{number}", EAST, expires_at=clock.now + 5 - number)
    put(store, "for ever", EAST)
    clock.advance(4)
    assert store.expire(limit=3) == 3
    assert store.expire(limit=3) == 1
    assert sorted(found(store, EAST)) == ["for ever 0", "k0 0"]


def test_putting_beyond_the_limit_evicts_the_least_valuable(open_store) -> None:
    store = open_store(limits=Limits(max_entries=3))
    put(store, "cheap", EAST, cost_usd=0.001)
    put(store, "dear", EAST, cost_usd=1.0)
    put(store, "middling", EAST, cost_usd=0.1)
    put(store, "new", EAST, cost_usd=0.0)  # what was just stored is never the victim
    assert found(store, EAST) == ["dear 0", "middling 0", "new 0"]
    put(store, "newer", EAST, cost_usd=0.0)
    assert found(store, EAST) == ["dear 0", "middling 0", "newer 0"]


def test_hits_protect_an_entry_and_fade_with_time(open_store, clock: Clock) -> None:
    store = open_store(limits=Limits(max_entries=2))
    popular = put(store, "popular", EAST, created_at=clock.now)
    for _ in range(20):
        store.record_hit(popular.id)
    store.flush()
    put(store, "b", EAST, created_at=clock.now + 1)
    put(store, "c", EAST, created_at=clock.now + 2)
    assert found(store, EAST) == ["popular 0", "c 0"]
    for weeks in (10, 11):
        put(store, f"week {weeks}", EAST, created_at=clock.now + weeks * HALF_LIFE_SECONDS)
    assert found(store, EAST) == ["week 10 0", "week 11 0"]


def test_bytes_are_limited_and_long_answers_are_worth_less(open_store) -> None:
    store = open_store(limits=Limits(max_bytes=5000))
    put(store, "long", EAST, answer="x" * 2500)
    put(store, "short", EAST)
    put(store, "longer", EAST, answer="x" * 3000)
    assert found(store, EAST) == ["short 0", "longer 0"]
    assert store.stats().bytes <= 5000


def test_faq_entries_are_never_evicted(open_store) -> None:
    store = open_store(limits=Limits(max_entries=2))
    for number in range(4):
        put(store, f"faq{number}", EAST, kind=Kind.FAQ, cost_usd=0.0)
    put(store, "learned", EAST)
    assert store.evict() == 1
    assert found(store, EAST) == [f"faq{number} 0" for number in range(4)]


def test_eviction_takes_expired_entries_first_and_only_as_many_as_it_must(open_store, clock: Clock) -> None:
    store = open_store(limits=Limits(max_entries=3))
    put(store, "expired", EAST, cost_usd=100.0, expires_at=clock.now + 1)
    put(store, "worthless", EAST, cost_usd=0.0)
    put(store, "good", EAST)
    clock.advance(2)
    assert store.evict() == 0
    put(store, "new", EAST)
    assert found(store, EAST) == ["worthless 0", "good 0", "new 0"]


def test_scan_gives_live_entries_with_their_exemplars_in_order(store: Store, clock: Clock) -> None:
    for number in range(450):
        put(store, f"k{number}", EAST, embedding(0, 1), expires_at=clock.now + (0 if number % 3 == 0 else 9))
    scanned = list(store.scan())
    assert [each.key for each, _ in scanned] == [f"k{number}" for number in range(450) if number % 3]
    assert all([each.text for each in exemplars] == [f"{of.key} 0", f"{of.key} 1"] for of, exemplars in scanned)


def test_what_is_scanned_can_be_put_into_another_store_and_read_back(store: Store, open_store) -> None:
    made = put(store, "k1", EAST, tags=("t",), hits=5, last_hit_at=1_800_000_000.0)
    store.add_exemplar(replace(store.exemplars(made.id)[0], text="alias"))
    ((scanned, exemplars),) = store.scan()
    store.delete(Selection())
    assert store.put(scanned, exemplars) == made
    assert found(store, EAST) == ["k1 0", "alias"]


def test_stats_count_what_is_live(store: Store, clock: Clock) -> None:
    put(store, "a", EAST, EAST)
    put(store, "b", EAST, scope=OTHER_SCOPE, kind=Kind.FAQ, hits=2)
    put(store, "c", EAST, expires_at=clock.now)
    stats = store.stats()
    assert stats == StoreStats(entries=2, faq_entries=1, exemplars=3, scopes=2, bytes=stats.bytes, hits=2)
    assert 400 < stats.bytes < 800


def test_a_secret_is_made_once(store: Store) -> None:
    first = store.secret("tenants")
    assert len(first) == 32
    assert store.secret("tenants") == first
    assert store.secret("other") != first


def test_closing_twice_and_flushing_nothing_is_fine(store: Store) -> None:
    store.flush()
    store.close()
    store.close()
