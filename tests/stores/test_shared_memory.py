"""Vectors held in memory are never behind: of what other replicas put, and what they removed. Of every shared store."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from fakes import Clock
from held_in_memory import HeldInMemory, RedisHeldInMemory, crowd, held
from store_samples import DIMS, OTHER_SCOPE, SCOPE, embedding, entry, exemplar, found, put, random_embeddings
from test_postgres_faults import until

from semcache.entry import Embedding, Entry, Scope
from semcache.stores.limits import Limits
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.redis.store import RedisStore
from semcache.stores.store import Selection

SharedStore = Any  # a PostgresStore or a RedisStore, and what they hold
OpenReplica = Callable[..., SharedStore]
EAST, NORTH = embedding(1), embedding(0, 1)
# What a vector takes in memory; in Redis an exemplar is asked for by the key of its entry.
SLOT_BYTES = {"postgres": DIMS * 2 + 16, "redis": DIMS * 2 + 16 + 200, "redis-cluster": DIMS * 2 + 16 + 200}


@pytest.fixture(params=["postgres", "redis", pytest.param("redis-cluster", marks=pytest.mark.slow)])
def open_replica(request: pytest.FixtureRequest) -> OpenReplica:
    """Opens replicas on one server; `is_held`: they search in memory from the first, `vectors`: they have room for."""
    name = request.param.replace("-", "_")
    url = request.getfixturevalue(f"{name}_url")
    open_one = request.getfixturevalue(f"open_{name.partition('_')[0]}")
    kinds = (PostgresStore, HeldInMemory) if name == "postgres" else (RedisStore, RedisHeldInMemory)

    def opened(
        *, is_held: bool = False, vectors: int | None = None, memory_mb: int | None = None, **options: Any
    ) -> SharedStore:
        own = url if memory_mb is None else f"{url}&semcache_memory_mb={memory_mb}"
        store = open_one(own, kind=kinds[is_held], **options)
        if vectors is not None:
            store._neighbours.projections._budget_bytes = vectors * SLOT_BYTES[request.param]
        return store

    return opened


def test_a_scope_that_is_searched_is_soon_held_in_memory_and_finds_the_same(open_replica: OpenReplica) -> None:
    store = open_replica()
    crowd(store, 500)
    asked = random_embeddings(20, seed=5)
    before = [found(store, each) for each in asked]
    until(lambda: held(store) == 500)
    assert [found(store, each) for each in asked] == before


def test_a_scope_of_few_questions_takes_no_memory(open_replica: OpenReplica) -> None:
    store = open_replica()
    crowd(store, 40)
    assert len(found(store, EAST)) == 16
    assert not store._neighbours.projections._asked
    assert held(store) == 0


def test_without_memory_every_search_is_the_servers(open_replica: OpenReplica) -> None:
    store, other = open_replica(memory_mb=0), open_replica(is_held=True)
    crowd(store, 300)
    assert [found(store, each) for each in random_embeddings(9)] == [
        found(other, each) for each in random_embeddings(9)
    ]
    assert store._neighbours.projections is None
    assert (held(store), held(other)) == (0, 300)


def test_a_put_of_another_replica_is_found_at_once(open_replica: OpenReplica) -> None:
    reader, writer = open_replica(is_held=True), open_replica()
    made = put(writer, "k1", NORTH)
    assert found(reader, EAST) == ["k1 0"]
    put(writer, "k2", EAST)
    assert found(reader, EAST) == ["k2 0", "k1 0"]
    writer.add_exemplar(exemplar(made, embedding(1, 1), text="alias"))
    assert found(reader, EAST) == ["k2 0", "alias", "k1 0"]
    put(writer, "elsewhere", EAST, scope=OTHER_SCOPE)
    assert found(reader, EAST) == ["k2 0", "alias", "k1 0"]
    assert held(reader) == 3  # each was brought by the look that found it


def replaced(writer: SharedStore, made: Entry, kept: Entry, clock: Clock) -> None:
    put(writer, made.key, embedding(0, 0, 1), answer="Another.")


def evicted(writer: SharedStore, made: Entry, kept: Entry, clock: Clock) -> None:
    writer.record_hit(kept.id)
    writer.flush()
    put(writer, "k3", embedding(0, 0, 1))


def expired_and_purged(writer: SharedStore, made: Entry, kept: Entry, clock: Clock) -> None:
    clock.advance(61)
    assert writer.expire() == 1


GONE: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "deleted": (lambda writer, made, kept, clock: writer.delete(Selection(entry_ids=(made.id,))), ["k2 0"]),
    "purged by its text": (lambda writer, made, kept, clock: writer.delete(Selection(text="jane roe")), ["k2 0"]),
    "unlearned": (
        lambda writer, made, kept, clock: writer.remove_exemplars([each.id for each in writer.exemplars(made.id)]),
        ["k2 0"],
    ),
    "expired": (lambda writer, made, kept, clock: clock.advance(61), ["k2 0"]),
    "expired and purged": (expired_and_purged, ["k2 0"]),
    "replaced": (replaced, ["k2 0", "k1 0"]),
    "merged": (lambda writer, made, kept, clock: writer.merge(made.id, kept.id), ["k1 0", "k2 0"]),
    "evicted": (evicted, ["k2 0", "k3 0"]),
}


@pytest.mark.parametrize("how", GONE)
def test_what_is_gone_by_another_replicas_doing_is_never_found(open_replica: OpenReplica, clock: Clock, how) -> None:
    act, expected = GONE[how]
    reader = open_replica(is_held=True, clock=clock)
    writer = open_replica(clock=clock, limits=Limits(max_entries=2))
    made = put(writer, "k1", EAST, question="Where does Jane Roe live?", expires_at=clock() + 60)
    kept = put(writer, "k2", NORTH)
    assert found(reader, EAST) == ["k1 0", "k2 0"]
    act(writer, made, kept, clock)
    near = reader.nearest(SCOPE, EAST)
    assert [candidate.exemplar.text for candidate in near] == expected
    assert [(each.entry.id, each.exemplar.id) for each in near] == [
        (each.entry.id, each.exemplar.id) for each in writer.nearest(SCOPE, EAST)
    ]


def test_what_is_found_to_be_gone_does_not_stay_in_memory(open_replica: OpenReplica) -> None:
    reader, writer = open_replica(is_held=True), open_replica()
    put(writer, "k1", EAST, question="Where does Jane Roe live?")
    found(reader, EAST)
    writer.delete(Selection(text="Jane Roe"))
    found(reader, EAST)
    assert "Jane Roe" not in repr(vars(reader._recollection))


def test_after_most_of_a_scope_was_purged_the_rest_is_found(open_replica: OpenReplica) -> None:
    reader, writer = open_replica(is_held=True), open_replica()
    crowd(writer, 900, key="crowd")
    crowd(writer, 90, key="rest", seed=1)
    asked = random_embeddings(5, seed=7)
    assert len(found(reader, asked[0])) == 16
    writer.delete(Selection(text="order crowd"))
    for each in asked:
        assert found(reader, each) == found(writer, each)
    assert held(reader) == 90


@pytest.mark.slow
def test_what_many_writers_put_at_once_is_found_as_soon_as_it_is_acknowledged(open_replica: OpenReplica) -> None:
    readers = [open_replica(is_held=True) for _ in range(2)]
    crowd(readers[0], 50, seed=3)
    errors: list[str] = []

    def work(seed: int) -> None:
        writer, reader = readers[seed % 2], readers[(seed + 1) % 2]
        for number, each in enumerate(random_embeddings(40, seed=10 + seed)):
            made = put(writer, f"w{seed} {number}", each)
            nearest = found(reader, each, k=1)
            if nearest != [f"w{seed} {number} 0"]:
                errors.append(f"{seed} {number}: {nearest}")
            if number % 4 == 0:
                writer.delete(Selection(entry_ids=(made.id,)))
                if found(reader, each, k=1) == nearest:
                    errors.append(f"{seed} {number}: removed, and found")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_whoever_is_far_behind_searches_in_the_server_and_begins_anew(open_replica: OpenReplica) -> None:
    reader, writer = open_replica(), open_replica()
    crowd(writer, 200)
    found(reader, EAST)
    until(lambda: held(reader) == 200)
    crowd(writer, 1100, key="more", seed=1)
    assert found(reader, EAST) == found(writer, EAST)
    until(lambda: held(reader) == 1300)


@pytest.mark.slow
def test_what_has_come_and_gone_unnoticed_is_let_go_in_time(open_replica: OpenReplica) -> None:
    reader, writer = open_replica(), open_replica()
    crowd(writer, 120)
    found(reader, EAST)
    until(lambda: held(reader) == 120)
    far = np.zeros(DIMS, np.float32)
    far[0] = -1
    for number in range(12):  # the same entry again and again: its former questions go
        made = entry("replaced")
        rows = [exemplar(made, Embedding(far, far[None]), text=f"{number} {each}") for each in range(300)]
        writer.put(made, rows)
        found(reader, EAST, k=1)
    until(lambda: held(reader) < 2000)  # of the 3,720 that it was told of


def scope(number: int) -> Scope:
    return Scope("shop", f"{number:064x}")


def test_scopes_that_are_left_alone_make_way_within_the_memory_budget(open_replica: OpenReplica) -> None:
    store = open_replica(vectors=300)
    for number in range(3):
        crowd(store, 120, scope=scope(number))
    for number in range(2):
        found(store, EAST, scope=scope(number))
    until(lambda: held(store) == 240)
    held_now = store._neighbours.projections._held
    assert set(held_now) == {scope(0), scope(1)}

    def third_is_held() -> bool:
        found(store, EAST, scope=scope(1))
        found(store, EAST, scope=scope(2))
        return scope(2) in held_now

    assert not third_is_held()  # the others were asked for only just
    until(third_is_held)
    assert set(held_now) == {scope(1), scope(2)}
    assert held(store) == 240
    for number in range(3):
        assert len(found(store, EAST, scope=scope(number))) == 16


def test_scopes_asked_in_turn_do_not_load_each_other_out_of_memory(open_replica: OpenReplica) -> None:
    store = open_replica(vectors=300)
    for number in range(4):
        crowd(store, 120, scope=scope(number))
    for _ in range(3):
        for number in range(4):
            found(store, EAST, scope=scope(number))
            until(lambda: not store._neighbours.projections._asked)
    assert set(store._neighbours.projections._held) == {scope(0), scope(1)}


def test_a_scope_larger_than_the_memory_budget_is_searched_in_the_server(open_replica: OpenReplica) -> None:
    store = open_replica(vectors=150)
    crowd(store, 200)
    store._neighbours.projections.load(SCOPE)
    assert found(store, EAST) == found(open_replica(is_held=True), EAST)
    assert held(store) == 0


def test_a_scope_that_outgrows_the_memory_budget_is_let_go(open_replica: OpenReplica) -> None:
    store = open_replica(vectors=150)
    crowd(store, 120)
    store._neighbours.projections.load(SCOPE)
    assert held(store) == 120
    crowd(store, 60, key="more", seed=1)
    assert len(found(store, EAST)) == 16
    assert held(store) == 0


def test_many_threads_search_one_scope_while_it_changes_and_is_loaded(open_replica: OpenReplica) -> None:
    reader, writer = open_replica(is_held=True), open_replica()
    crowd(writer, 300)
    ended = threading.Event()
    sizes: list[int] = []

    def search(seed: int) -> None:
        for each in itertools.cycle(random_embeddings(50, seed=seed)):
            sizes.append(len(reader.nearest(SCOPE, each)))
            if ended.is_set():
                return

    with ThreadPoolExecutor(6) as pool:
        searching = [pool.submit(search, seed) for seed in range(6)]
        for number in range(40):
            put(writer, f"k{number % 5}", *random_embeddings(8, seed=100 + number), answer=str(number))
            if number % 10 == 0:
                reader.projections.load(SCOPE)
        ended.set()
        for each in searching:
            each.result()
    assert set(sizes) == {16}
    asked = random_embeddings(20, seed=99)
    assert [found(reader, each) for each in asked] == [found(writer, each) for each in asked]
