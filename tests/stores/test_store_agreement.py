"""What several processes on one store agree on: leases, generations, versions of documents. Of every store."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from fakes import Clock
from store_samples import OTHER_SCOPE, SCOPE, entry, put

from semcache.entry import Scope
from semcache.errors import Overtaken
from semcache.stores.leases import Held, Lease
from semcache.stores.store import Guard, Selection, Store

ELSEWHERE = Scope("office", "c" * 64)


def test_a_free_lease_goes_to_whoever_asks_first_and_others_hear_who_has_it(store: Store) -> None:
    lease = store.leases.acquire("key", "one", seconds=10)
    assert lease == Lease("key", "one", 1)
    assert store.leases.acquire("key", "two", seconds=10) == Held("one", 1)
    assert store.leases.acquire("other key", "two", seconds=10) == Lease("other key", "two", 1)


def test_the_owner_of_a_lease_gets_it_again_with_its_fence(store: Store, clock: Clock) -> None:
    store.leases.acquire("key", "one", seconds=10)
    clock.advance(11)
    assert store.leases.acquire("key", "one", seconds=10) == Lease("key", "one", 1)
    clock.advance(9)
    assert store.leases.acquire("key", "two", seconds=10) == Held("one", 1)


def test_whoever_takes_over_from_the_dead_raises_the_fence(store: Store, clock: Clock) -> None:
    dead = store.leases.acquire("key", "one", seconds=10)
    clock.advance(10)
    successor = store.leases.acquire("key", "two", seconds=10)
    assert successor == Lease("key", "two", 2)
    assert Held("one", 1).is_followed_by(successor)
    assert isinstance(dead, Lease)
    assert not store.leases.renew(dead, seconds=10)
    store.leases.release(dead)
    assert store.leases.acquire("key", "three", seconds=10) == Held("two", 2)


def test_a_released_lease_begins_anew(store: Store) -> None:
    first = store.leases.acquire("key", "one", seconds=10)
    assert isinstance(first, Lease)
    store.leases.release(first)
    second = store.leases.acquire("key", "two", seconds=10)
    assert second == Lease("key", "two", 1)
    assert not Held("one", 1).is_followed_by(second)


def test_a_lease_that_nobody_took_can_be_renewed_after_its_end(store: Store, clock: Clock) -> None:
    lease = store.leases.acquire("key", "one", seconds=10)
    assert isinstance(lease, Lease)
    clock.advance(60)
    assert store.leases.renew(lease, seconds=10)
    assert store.leases.acquire("key", "two", seconds=10) == Held("one", 1)


def test_of_many_at_once_one_gets_the_lease(store: Store) -> None:
    results: list[Lease | Held] = []
    barrier = threading.Barrier(8)

    def ask(owner: str) -> None:
        barrier.wait()
        results.append(store.leases.acquire("key", owner, seconds=10))

    threads = [threading.Thread(target=ask, args=(f"owner {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [result for result in results if isinstance(result, Lease)]
    assert len(winners) == 1
    assert {result for result in results if isinstance(result, Held)} == {Held(winners[0].owner, 1)}


def test_an_answer_is_stored_under_its_lease_and_gives_it_back(store: Store) -> None:
    lease = store.leases.acquire("key", "one", seconds=10)
    assert isinstance(lease, Lease)
    stored = store.put(entry(), guard=Guard(lease=lease))
    assert store.get_exact(SCOPE, stored.key) == stored
    assert store.leases.acquire("key", "two", seconds=10) == Lease("key", "two", 1)


def test_the_late_answer_of_a_slow_holder_is_not_stored(store: Store, clock: Clock) -> None:
    slow = store.leases.acquire("key", "one", seconds=10)
    assert isinstance(slow, Lease)
    clock.advance(11)
    store.leases.acquire("key", "two", seconds=10)
    with pytest.raises(Overtaken):
        store.put(entry(), guard=Guard(lease=slow))
    assert store.stats().entries == 0
    assert store.leases.acquire("key", "three", seconds=10) == Held("two", 2)


@pytest.mark.parametrize(
    "selection",
    [
        pytest.param(Selection(), id="everything"),
        pytest.param(Selection(namespace="shop"), id="namespace"),
        pytest.param(Selection(tag="returns"), id="tag"),
        pytest.param(Selection(model="claude-x"), id="model"),
        pytest.param(Selection(created_before=0.0), id="age"),
        pytest.param(Selection(text="return"), id="text"),
    ],
)
def test_no_answer_asked_for_before_an_invalidation_is_stored_after_it(store: Store, selection: Selection) -> None:
    before = store.generation(SCOPE)
    store.delete(selection)
    with pytest.raises(Overtaken):
        store.put(entry(), guard=Guard(generation=before))
    assert store.get_exact(SCOPE, "k1") is None
    store.put(entry(), guard=Guard(generation=store.generation(SCOPE)))
    assert store.get_exact(SCOPE, "k1") is not None


def test_a_look_tells_the_generations_in_which_answers_are_asked_for(store: Store) -> None:
    kept = put(store, "k1")
    places = [(ELSEWHERE, "k1"), (SCOPE, "k1"), (OTHER_SCOPE, "k1")]

    def asked_in() -> list[int]:
        found = store.look_up(places, [SCOPE], dated=True)
        assert found.generations == [store.generation(scope) for scope, _ in places]
        return found.generations

    assert store.look_up(places).generations == store.look_up([], dated=True).generations == []
    first = asked_in()
    store.delete(Selection(namespace=SCOPE.namespace))
    second = asked_in()
    store.delete(Selection())
    third = asked_in()
    assert [old == new for old, new in zip(first, second, strict=True)] == [True, False, False]
    assert all(old != new for old, new in zip(second, third, strict=True))
    with pytest.raises(Overtaken):
        store.put(kept, guard=Guard(generation=second[1]))
    assert store.put(kept, guard=Guard(generation=third[1])).key == "k1"


def test_removing_an_entry_by_its_id_overtakes_what_is_asked_for_in_its_namespace(store: Store) -> None:
    kept = put(store, "k1")
    before, elsewhere = store.generation(OTHER_SCOPE), store.generation(ELSEWHERE)
    store.delete(Selection(entry_ids=(kept.id,)))
    assert store.generation(OTHER_SCOPE) != before
    assert store.generation(ELSEWHERE) == elsewhere


def test_an_invalidation_of_one_namespace_leaves_the_others_alone(store: Store) -> None:
    before = store.generation(ELSEWHERE)
    store.delete(Selection(namespace="shop"))
    made = replace(entry("k2"), scope=ELSEWHERE)
    assert store.put(made, guard=Guard(generation=before)).key == "k2"


def test_neither_a_dry_run_nor_expiry_nor_eviction_is_an_invalidation(store: Store, clock: Clock) -> None:
    put(store, "k1", expires_at=clock() + 1)
    before = store.generation(SCOPE)
    store.delete(Selection(), dry_run=True)
    clock.advance(2)
    store.expire()
    store.evict()
    assert store.generation(SCOPE) == before


def test_a_refused_answer_leaves_what_is_stored_as_it_was(store: Store) -> None:
    kept = put(store, "k1")
    before = store.generation(SCOPE)
    store.delete(Selection(namespace="shop", tag="nobody's"))
    with pytest.raises(Overtaken):
        store.put(entry("k1", answer="Within 60 days."), guard=Guard(generation=before))
    assert store.get(kept.id) == kept


def test_a_document_is_swapped_only_against_the_version_that_was_read(store: Store) -> None:
    assert store.versioned_document("state") == (None, 0)
    assert store.swap_document("state", b"one", version=0)
    content, version = store.versioned_document("state")
    assert (content, version) == (b"one", 1)
    assert store.swap_document("state", b"two", version=version)
    assert not store.swap_document("state", b"three", version=version)
    assert not store.swap_document("state", b"three", version=0)
    assert store.load_document("state") == b"two"


def test_versions_grow_however_a_document_is_kept(store: Store) -> None:
    store.save_document("learned/a", b"1")
    store.save_document("learned/b", b"1")
    store.save_document("other", b"1")
    before = store.document_versions("learned/")
    assert set(before) == {"learned/a", "learned/b"}
    store.save_document("learned/a", b"1")
    after = store.document_versions("learned/")
    assert after["learned/a"] == before["learned/a"] + 1
    assert after["learned/b"] == before["learned/b"]


def test_of_many_that_swap_at_once_nobody_overwrites_another(store: Store) -> None:
    def count_up() -> None:
        for _ in range(10):
            while True:
                content, version = store.versioned_document("counter")
                number = int(content or b"0") + 1
                if store.swap_document("counter", str(number).encode(), version=version):
                    break

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.load_document("counter") == b"40"


def test_secrets_can_be_taken_along_and_never_replace_one_another(store: Store) -> None:
    made = store.secret("tenants")
    assert store.secrets() == {"tenants": made}
    assert store.keep_secret("tenants", made)
    assert not store.keep_secret("tenants", b"another")
    assert store.keep_secret("recording", b"taken along")
    assert (store.secret("tenants"), store.secret("recording")) == (made, b"taken along")


def test_whoever_gets_the_lease_after_an_answer_finds_the_answer(store: Store) -> None:
    missed: list[str] = []
    leases = {f"k{number}": store.leases.acquire(f"k{number}", "one", seconds=60) for number in range(30)}

    def wait_in_line() -> None:
        for key in leases:
            while not isinstance(mine := store.leases.acquire(key, "two", seconds=60), Lease):
                pass
            if store.get_exact(SCOPE, key) is None:
                missed.append(key)
            store.leases.release(mine)

    thread = threading.Thread(target=wait_in_line)
    thread.start()
    for key, lease in leases.items():
        assert isinstance(lease, Lease)
        store.put(entry(key), guard=Guard(lease=lease))
    thread.join()
    assert missed == []
