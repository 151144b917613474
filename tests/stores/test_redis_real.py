"""Redis as several processes use it: what a fake of it would never show."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from held_in_memory import RedisHeldInMemory
from store_samples import SCOPE, SPACE, embedding, entry, exemplar, put, random_embeddings, serving

from semcache.entry import Embedding, Scope
from semcache.errors import Overtaken
from semcache.stores.leases import Held, Lease
from semcache.stores.local.store import LocalStore
from semcache.stores.local.tuning import Tuning
from semcache.stores.redis.store import RedisStore
from semcache.stores.similarity import unit
from semcache.stores.store import Guard, Selection, Store

EAST = embedding(1)
OpenRedis = Callable[..., RedisStore]


@pytest.mark.slow
def test_redis_isolates_50_scopes_of_nearly_the_same_questions(open_redis: OpenRedis, redis_url: str) -> None:
    store = open_redis(redis_url, dims=64)
    scopes = [Scope(f"tenant-{number % 7}", f"{number:064x}") for number in range(50)]
    questions = random_embeddings(20, dims=64, seed=1)
    for number, scope in enumerate(scopes):
        for place, (question, noise) in enumerate(
            zip(questions, random_embeddings(20, dims=64, seed=100 + number), strict=True)
        ):
            nearly = question.vector + noise.vector * 1e-3
            put(store, f"{place}", Embedding(nearly, nearly[None]), scope=scope)
    for scope in scopes:
        for place, question in enumerate(questions):
            found = store.nearest(scope, question)
            assert {each.entry.scope for each in found} == {scope}
            assert found[0].entry.key == f"{place}"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_redis_ranks_as_faiss_does(open_redis: OpenRedis, redis_url: str, tmp_path: Path) -> None:
    """Of 5,000 vectors, past the size up to which the server compares every one; FAISS compares every one."""
    dims, count = 384, 5000
    store = open_redis(f"{redis_url}&semcache_memory_mb=0", dims=dims)
    held = open_redis(redis_url, kind=RedisHeldInMemory, dims=dims)
    local = LocalStore(tmp_path, space=SPACE, dims=dims, tuning=Tuning(graph_exemplars=2 * count))
    vectors = random_embeddings(count, dims=dims, clusters=100)
    made = [entry(f"k{number}") for number in range(250)]
    for number, each in enumerate(made):
        some = [exemplar(each, vector, text=f"{number} {place}") for place, vector in enumerate(vectors[number::250])]
        store.put(each, some)
        local.put(each, some)
    noise = random_embeddings(100, dims=dims, seed=7)
    reworded = [unit(near.vector + 0.3 * other.vector) for near, other in zip(vectors, noise, strict=False)]
    elsewhere = [each.vector for each in random_embeddings(100, dims=dims, seed=5, clusters=100)]
    try:
        for question in (Embedding(each, each[None]) for each in reworded):
            assert near(store, question) == near(held, question) == near(local, question)
        firsts = [
            near(store, question)[0] == near(local, question)[0]
            for question in (Embedding(each, each[None]) for each in elsewhere)
        ]
        assert sum(firsts) >= 95
        for question in (Embedding(each, each[None]) for each in elsewhere):
            assert near(held, question) == near(local, question)
    finally:
        local.close()


def near(store: Store, question: Embedding) -> list[tuple[str, float]]:
    return [(each.exemplar.text, each.similarity) for each in store.nearest(SCOPE, question)]


def test_redis_shows_a_write_to_every_replica_at_once(open_redis: OpenRedis, redis_url: str) -> None:
    one, other = open_redis(redis_url), open_redis(redis_url)
    for number in range(50):
        made = put(one, f"k{number}", EAST)
        assert other.get_exact(SCOPE, f"k{number}") == made
        assert made.id in [each.entry.id for each in other.nearest(SCOPE, EAST, k=100)]
        other.delete(Selection(entry_ids=(made.id,)))
        assert one.get(made.id) is None


def test_redis_shows_a_write_to_another_process(open_redis: OpenRedis, redis_url: str) -> None:
    made = put(open_redis(redis_url), "k1", EAST)
    code = (
        "import sys; from semcache.entry import Scope; from semcache.stores.redis.store import RedisStore;"
        f"store = RedisStore(sys.argv[1], space={SPACE!r}, dims=8);"
        f"print(store.get_exact(Scope({SCOPE.namespace!r}, {SCOPE.digest!r}), 'k1').id); store.close()"
    )
    done = subprocess.run([sys.executable, "-c", code, redis_url], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == made.id


def test_redis_never_returns_what_expired_while_two_replicas_purge(open_redis: OpenRedis, redis_url: str) -> None:
    """By the server's own clock, as in production."""
    one, other = open_redis(redis_url), open_redis(redis_url)
    now = time.time()
    for number in range(200):
        put(one, f"old{number}", EAST, expires_at=now - 1)
        put(one, f"new{number}", embedding(1, 1), expires_at=now + 600)
    removed: list[int] = []

    def purge(store: Store) -> None:
        while count := store.expire(limit=7):
            removed.append(count)

    threads = [threading.Thread(target=purge, args=(store,)) for store in (one, other, one, other)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert all(each.entry.key.startswith("new") for each in one.nearest(SCOPE, EAST))
    for thread in threads:
        thread.join()
    assert sum(removed) == 200
    assert one.stats().entries == other.stats().entries == 200


def test_redis_lets_no_stale_answer_in_however_a_put_and_an_invalidation_race(
    open_redis: OpenRedis, redis_url: str
) -> None:
    one, other = open_redis(redis_url), open_redis(redis_url)
    outcomes = {"stored": 0, "refused": 0}
    for number in range(150):
        scope = Scope(f"tenant-{number % 3}", f"{number:064x}")
        generation, barrier = one.generation(scope), threading.Barrier(2)

        def store_it(scope: Scope = scope, generation: int = generation, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                one.put(entry("k1", scope=scope), guard=Guard(generation=generation))
                outcomes["stored"] += 1
            except Overtaken:
                outcomes["refused"] += 1

        thread = threading.Thread(target=store_it)
        thread.start()
        barrier.wait()
        if number % 2:
            time.sleep(0.001)
        other.delete(Selection(namespace=scope.namespace))
        thread.join()
        assert one.get_exact(scope, "k1") is None
    assert outcomes["stored"] + outcomes["refused"] == 150
    assert outcomes["refused"] > 0


def hold(url: str, connection, barrier, seconds: float) -> None:
    """One of the processes that want a lease."""
    store = RedisStore(url, space=SPACE, dims=8)
    barrier.wait()
    lease = store.leases.acquire("flight", f"process {os.getpid()}", seconds=seconds)
    connection.send(isinstance(lease, Lease))
    connection.recv()
    store.close()


@contextmanager
def holders(url: str, count: int, *, seconds: float) -> Iterator[list[tuple[bool, multiprocessing.Process]]]:
    """So many processes that have asked for one lease, with whether they got it."""
    context = multiprocessing.get_context("spawn")
    barrier, pairs, processes = context.Barrier(count), [context.Pipe() for _ in range(count)], []
    try:
        for _, theirs in pairs:
            processes.append(context.Process(target=hold, args=(url, theirs, barrier, seconds)))
            processes[-1].start()
            theirs.close()
        yield [(ours.recv(), process) for (ours, _), process in zip(pairs, processes, strict=True)]
        for (ours, _), process in zip(pairs, processes, strict=True):
            if process.is_alive():
                ours.send(None)
            process.join()
    finally:
        for process in processes:
            process.kill()
            process.join()
            process.close()
        for ours, _ in pairs:
            ours.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_of_16_processes_one_holds_the_lease_in_redis(redis_url: str) -> None:
    with holders(redis_url, 16, seconds=300) as asked:
        assert [has_it for has_it, _ in asked].count(True) == 1


@pytest.mark.slow
def test_redis_passes_the_lease_of_a_killed_holder_on_and_refuses_its_late_answer(
    open_redis: OpenRedis, redis_url: str
) -> None:
    store = open_redis(redis_url)
    with holders(redis_url, 2, seconds=1.5) as asked:
        (dead,) = [process for has_it, process in asked if has_it]
        os.kill(dead.pid, signal.SIGKILL)
        owner = f"process {dead.pid}"
        while isinstance(given := store.leases.acquire("flight", "successor", seconds=60), Held):
            assert given == Held(owner, 1)
            time.sleep(0.05)
    assert given == Lease("flight", "successor", 2)
    with pytest.raises(Overtaken):
        store.put(entry(), guard=Guard(lease=Lease("flight", owner, 1)))
    assert store.get_exact(SCOPE, "k1") is None


def test_redis_gives_a_lease_up_to_one_of_two_answers_only(open_redis: OpenRedis, redis_url: str) -> None:
    stores = [open_redis(redis_url), open_redis(redis_url)]
    keys = [f"k{number}" for number in range(30)]
    leases = {key: stores[0].leases.acquire(key, "one", seconds=60) for key in keys}
    barrier, stored = threading.Barrier(2, timeout=60), {key: list[str]() for key in keys}

    def answer(store: Store, text: str) -> None:
        for key in keys:
            barrier.wait()
            with suppress(Overtaken):
                stored[key].append(store.put(entry(key, answer=text), guard=Guard(lease=leases[key])).message.text)

    threads = [threading.Thread(target=answer, args=(store, text)) for store, text in zip(stores, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in keys:
        assert [stores[0].get_exact(SCOPE, key).message.text] == stored[key]


def test_redis_forgets_the_vector_of_a_body_that_vanished(open_redis: OpenRedis, redis_url: str) -> None:
    """As a volatile-* policy of memory, or the end of its own TTL, takes it."""
    store = open_redis(redis_url)
    gone, kept = put(store, "gone", EAST), put(store, "kept", embedding(1, 1))
    slot = store._scopes.call("peek", _scope(store))[1]
    store._link.send("DEL", f"{slot}:e:gone")
    assert [each.entry.id for each in store.nearest(SCOPE, EAST)] == [kept.id]
    assert store._link.send("VCARD", f"{slot}:v:{store._scopes.space.id}") == 1
    assert store.get(gone.id) is None
    assert [each.id for each in store.page(Selection()).entries] == [kept.id]
    assert store.stats().entries == 1


def _scope(store: RedisStore) -> str:
    from semcache.stores.redis.spelling import scope_name

    return scope_name(SCOPE)


def test_redis_itself_forgets_in_the_end_what_nobody_removed(open_redis: OpenRedis, redis_url: str) -> None:
    store = open_redis(redis_url)
    made = put(store, "k1", EAST, expires_at=time.time() + 60)
    slot = store._scopes.call("peek", _scope(store))[1]
    left = store._link.send("PTTL", f"{slot}:e:k1") / 1000
    assert 60 < left < 60 + 3700
    assert store.get(made.id) == made


@pytest.mark.parametrize("step", ["announced", "written", "removed"])
def test_a_writer_of_redis_that_dies_between_two_steps_leaves_nothing_wrong(
    open_redis: OpenRedis, redis_url: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, store = open_redis(redis_url), open_redis(redis_url)
    kept = put(store, "kept", EAST)

    class Died(Exception):
        pass

    def die(*args: object, **named: object) -> None:
        raise Died

    made = entry("k1", tags=("t",))
    of_it = exemplar(made, EAST)
    if step == "announced":
        monkeypatch.setattr(dying._writing, "_written", die)
    elif step == "written":
        monkeypatch.setattr(dying._catalogue, "record", die)
    else:
        dying.put(made, [of_it])
        monkeypatch.setattr(dying._catalogue, "drop", die)
    act = partial(dying.delete, Selection(tag="t")) if step == "removed" else partial(dying.put, made, [of_it])
    with pytest.raises(Died):
        act()
    is_there = step == "written"
    assert (store.get_exact(SCOPE, "k1") is not None) == is_there
    assert [each.id for each in store.page(Selection()).entries] == ([made.id, kept.id] if is_there else [kept.id])
    assert store.delete(Selection(tag="t"), dry_run=True) == is_there
    monkeypatch.setattr("semcache.stores.redis.writing.PENDING_SECONDS", -1.0)  # much later
    store.page(Selection())
    assert store.stats().entries == 1 + is_there
    assert store.delete(Selection(tag="t")) == is_there
    assert store.get_exact(SCOPE, "k1") is None
    assert (store.stats().entries, store.stats().exemplars) == (1, 1)


def test_redis_keeps_what_was_served_from_an_answer_apart_from_its_successor(
    open_redis: OpenRedis, redis_url: str
) -> None:
    """A replica that has not heard of the new answer yet writes what it served from the old one."""
    slow, store = open_redis(redis_url, hits_delay_seconds=600.0), open_redis(redis_url)
    made = put(store, "k1", EAST)
    slow.record_hit(made.id, serving("m1", made.id))
    slow.flush()
    assert store.serving("m1") is not None
    put(store, "k1", EAST, answer="Never.")
    assert store.serving("m1") is slow.serving("m1") is None


def test_the_library_of_redis_is_not_loaded_for_other_stores() -> None:
    script = "import sys, json, semcache.stores.opening, semcache.stores.memory; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "redis" not in json.loads(done.stdout)


def test_vectors_of_any_size_survive_in_redis(open_redis: OpenRedis, redis_url: str) -> None:
    store = open_redis(redis_url, dims=1024)
    vector = random_embeddings(1, dims=1024)[0]
    put(store, "k1", Embedding(vector.vector, np.repeat(vector.windows, 5, axis=0)), answer="x" * 5_000_000)
    found = store.nearest(SCOPE, vector)[0]
    assert (len(found.entry.message.text), found.exemplar.embedding.windows.shape) == (5_000_000, (5, 1024))
