"""What several replicas on one PostgreSQL see of each other."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from held_in_memory import HeldInMemory
from store_samples import DIMS, SCOPE, embedding, entry, exemplar, found, put, random_embeddings, serving

from semcache.entry import Embedding, Scope
from semcache.errors import Overtaken
from semcache.stores.leases import Lease
from semcache.stores.limits import Limits
from semcache.stores.local.store import LocalStore
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.store import Guard, Selection

OpenPostgres = Callable[..., PostgresStore]
EAST = embedding(1)


def replica(url: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("replica.py")), url, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def nudge(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def ended(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Do these at the same time, each on a thread; what they returned or raised."""
    outcomes: list[Any] = [None] * len(acts)
    barrier = threading.Barrier(len(acts))

    def run(place: int) -> None:
        barrier.wait()
        try:
            outcomes[place] = acts[place]()
        except Exception as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PostgresStore, HeldInMemory])
def test_near_identical_questions_in_50_scopes_find_only_their_own(open_postgres: OpenPostgres, kind) -> None:
    store = open_postgres(kind=kind, space="isolation", dims=32)
    scopes = [Scope(f"tenant-{number % 5}", f"{number:064x}") for number in range(50)]
    questions = random_embeddings(8, dims=32)
    noise = np.random.default_rng(1)
    asked = {}
    for scope in scopes:
        for number, question in enumerate(questions):
            nearly = (question.vector + noise.normal(0, 1e-3, 32)).astype(np.float32)
            asked[scope, number] = Embedding(nearly, nearly[None])
            put(store, f"{number}", asked[scope, number], scope=scope)
    for (scope, number), vector in asked.items():
        candidates = store.nearest(scope, vector, k=4)
        assert {candidate.entry.scope for candidate in candidates} == {scope}
        assert candidates[0].exemplar.text == f"{number} 0"
        assert candidates[0].similarity == pytest.approx(1.0, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PostgresStore, HeldInMemory])
def test_ranking_and_similarities_are_those_of_faiss(open_postgres: OpenPostgres, tmp_path: Path, clock, kind) -> None:
    store = open_postgres(kind=kind, space="ranking", dims=384, clock=clock)
    local = LocalStore(tmp_path, space="ranking", dims=384, clock=clock)
    try:
        vectors = random_embeddings(5000, dims=384, clusters=60)
        noise = np.random.default_rng(2)
        for place in range(0, 5000, 3):  # some as near to others as a halfvec is to its vector
            nearly = (vectors[place - 1].vector + noise.normal(0, 3e-5, 384)).astype(np.float32)
            vectors[place] = Embedding(nearly, nearly[None])
        for start in range(0, 5000, 500):
            made = entry(f"k{start}")
            exemplars = [
                exemplar(made, each, text=str(start + n)) for n, each in enumerate(vectors[start : start + 500])
            ]
            for each in (store, local):
                each.put(made, exemplars)
        for query in random_embeddings(40, dims=384, clusters=60, seed=9):
            expected = [(each.exemplar.text, each.similarity) for each in local.nearest(SCOPE, query, k=16)]
            assert [(each.exemplar.text, each.similarity) for each in store.nearest(SCOPE, query, k=16)] == expected
    finally:
        local.close()


def test_what_one_replica_did_the_other_sees_at_once(open_postgres: OpenPostgres) -> None:
    one, other = open_postgres(), open_postgres()
    made = put(one, "k1", EAST)
    assert other.get_exact(SCOPE, "k1") == made
    assert found(other, EAST) == ["k1 0"]
    other.add_exemplar(exemplar(made, embedding(0, 1), text="alias"))
    assert found(one, embedding(0, 1)) == ["alias", "k1 0"]
    one.record_serving(serving("m1", made.id))
    one.flush()
    assert other.serving("m1") is not None
    other.delete(Selection(namespace="shop"))
    assert one.get_exact(SCOPE, "k1") is None
    assert found(one, EAST) == []
    assert one.serving("m1") is None


@pytest.mark.slow
def test_what_one_process_put_another_reads(open_postgres: OpenPostgres, postgres_url: str) -> None:
    store = open_postgres()
    store.check()
    writer = replica(postgres_url, "put", "k1")
    assert said(writer) == "put"
    assert store.get_exact(SCOPE, "k1") is not None
    ended(writer)
    put(store, "k2")
    reader = replica(postgres_url, "find", "k2")
    assert said(reader) == "True"
    ended(reader)


def test_expired_rows_are_purged_once_by_two_replicas_and_never_found(open_postgres: OpenPostgres) -> None:
    one, other = open_postgres(), open_postgres()
    soon = time.time() - 1  # by the server's clock, which here is this host's
    for number in range(300):
        put(one, f"old{number}", EAST, expires_at=soon)
    kept = put(one, "kept", embedding(1, 1))
    assert found(other, EAST) == ["kept 0"]
    assert one.get_exact(SCOPE, "old1") is None
    removed = together(*[lambda store=store: [store.expire(limit=50) for _ in range(6)] for store in (one, other)])
    assert sum(map(sum, removed)) == 300
    assert one.stats().entries == 1
    assert other.get(kept.id) == kept


@pytest.mark.slow
def test_of_16_processes_one_holds_the_lease(postgres_url: str, open_postgres: OpenPostgres) -> None:
    open_postgres().check()
    processes = [replica(postgres_url, "lease", "key", f"owner {number}", "30") for number in range(16)]
    assert [said(process) for process in processes] == ["ready"] * 16
    for process in processes:
        nudge(process)
    assert sorted(said(process) for process in processes) == ["holds"] + ["waits"] * 15
    for process in processes:
        ended(process)


@pytest.mark.slow
def test_a_killed_holder_is_followed_once_its_lease_has_ended(postgres_url: str, open_postgres: OpenPostgres) -> None:
    store = open_postgres()
    holder = replica(postgres_url, "lease", "key", "holder", "1")
    assert said(holder) == "ready"
    nudge(holder)
    assert said(holder) == "holds"
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    until = time.monotonic() + 30
    answer = store.leases.acquire("key", "successor", seconds=10)
    while not isinstance(answer, Lease) and time.monotonic() < until:
        time.sleep(0.02)
        answer = store.leases.acquire("key", "successor", seconds=10)
    assert answer == Lease("key", "successor", 2)


def test_an_answer_never_outlives_an_invalidation_that_races_with_it(open_postgres: OpenPostgres) -> None:
    one, other = open_postgres(), open_postgres()
    stale = stored = 0
    for number in range(150):
        generation = one.generation(SCOPE)
        guard = Guard(generation=generation)
        outcome, _ = together(
            lambda key=f"k{number}", guard=guard: one.put(entry(key), guard=guard),
            lambda: other.delete(Selection(namespace="shop")),
        )
        assert not isinstance(outcome, Exception) or isinstance(outcome, Overtaken), outcome
        stored += not isinstance(outcome, Overtaken)
        stale += one.get_exact(SCOPE, f"k{number}") is not None
    assert stale == 0, f"{stored} came first"


def test_a_first_put_of_a_namespace_cannot_slip_past_an_invalidation_of_all(open_postgres: OpenPostgres) -> None:
    one, other = open_postgres(), open_postgres()
    for number in range(30):
        scope = Scope(f"new {number}", SCOPE.digest)
        guard = Guard(generation=one.generation(scope))
        together(
            lambda scope=scope, guard=guard: one.put(entry("k", scope=scope), guard=guard),
            lambda: other.delete(Selection()),
        )
        assert one.get_exact(scope, "k") is None


def test_of_two_that_put_the_same_key_at_once_one_entry_remains(open_postgres: OpenPostgres) -> None:
    one, other = open_postgres(), open_postgres()
    for number in range(30):
        key = f"k{number}"
        stored = together(
            *[lambda store=store, key=key: put(store, key, EAST) for store in (one, other) for _ in range(2)]
        )
        assert len({each.id for each in stored}) == 1, stored
    assert one.stats().entries == one.stats().exemplars == 30


def test_replicas_that_write_all_at_once_wait_for_none_for_ever(open_postgres: OpenPostgres) -> None:
    replicas = [open_postgres(limits=Limits(max_entries=25)) for _ in range(4)]

    def work(store: PostgresStore, seed: int) -> None:
        random = np.random.default_rng(seed)
        for number in range(40):
            made = put(store, f"k{random.integers(40)}", EAST, answer=f"{seed} {number}")
            store.record_hit(made.id, serving(f"m{random.integers(60)}", made.id))
            act = random.integers(8)
            if act == 0:
                store.flush()
            elif act == 1:
                store.delete(Selection(tag="nobody's"))
            elif act == 2:
                store.merge(made.id, next(iter(store.page(Selection(), limit=1).entries)).id)
            elif act == 3:
                store.evict()

    outcomes = together(*[lambda store=store, seed=seed: work(store, seed) for seed, store in enumerate(replicas)])
    assert outcomes == [None] * 4
    replicas[0].evict()
    assert replicas[0].stats().entries <= 25


def test_the_totals_that_limits_go_by_stay_right(open_postgres: OpenPostgres, postgres_url: str) -> None:
    store = open_postgres(limits=Limits(max_entries=10_000))
    for number in range(300):
        put(store, f"k{number % 200}", answer="x" * (number % 7))
    store.delete(Selection(entry_ids=tuple(each.id for each in store.page(Selection(), limit=50).entries)))
    store.evict()
    stats = store.stats()
    with psycopg.connect(postgres_url) as connection:
        totals = connection.execute("SELECT sum(entries), sum(bytes), count(*) FROM semcache.totals").fetchone()
    assert totals is not None
    assert (totals[0], totals[1]) == (stats.entries, stats.bytes)
    assert totals[2] < 300


def test_time_is_the_servers_where_nobody_brings_a_clock(open_postgres: OpenPostgres, monkeypatch) -> None:
    store = open_postgres()
    made = put(store, "k1", EAST, expires_at=time.time() + 3600)
    monkeypatch.setattr(time, "time", lambda: 9e9)  # a replica whose clock is far ahead
    assert store.get(made.id) is not None
    assert found(store, EAST) == ["k1 0"]
    assert store.expire() == 0


def test_bodies_of_any_size_survive(open_postgres: OpenPostgres) -> None:
    store = open_postgres()
    for size in (0, 70_000, 5_000_000):
        made = put(store, f"k{size}", EAST, answer="é" * (size // 2))
        assert store.get(made.id) == made


@pytest.mark.parametrize(
    "notice", [PostgresStore.generation, lambda store, scope: store.look_up([(scope, "")], dated=True)]
)
def test_another_replicas_purge_empties_what_this_one_remembers(open_postgres: OpenPostgres, notice) -> None:
    one, other = open_postgres(), open_postgres()
    put(one, "k1", EAST, question="Where does Jane Roe live?")
    notice(one, SCOPE)
    one.nearest(SCOPE, EAST)
    other.delete(Selection(text="Jane Roe"))
    notice(one, SCOPE)
    assert "Jane Roe" not in repr(vars(one._recollection))


def test_embedding_anew_leaves_the_former_model_to_its_replicas(open_postgres: OpenPostgres) -> None:
    old, new = open_postgres(space="old", dims=DIMS), open_postgres(space="new", dims=4)
    made = put(old, "k1", EAST)
    assert not new.look_up([], [SCOPE]).searchable
    assert new.foreign_exemplars() == 1
    assert new.exemplars(made.id)[0].embedding.vector.shape == (4,)
    ((scanned, exemplars),) = new.scan()
    new.put(scanned, [exemplar(scanned, embedding(1, dims=4), text=each.text) for each in exemplars])
    assert found(new, embedding(1, dims=4)) == ["k1 0"]
    assert new.foreign_exemplars() == 0
    assert old.nearest(SCOPE, EAST) == []
    assert old.get_exact(SCOPE, "k1") is not None


def test_what_was_served_is_written_while_another_replica_removes_its_answers(open_postgres: OpenPostgres) -> None:
    one, other = open_postgres(), open_postgres()
    ended = threading.Event()

    def remove() -> None:
        while not ended.is_set():
            other.delete(Selection(namespace="shop"))

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for number in range(150):
            kept = put(one, f"k{number}", EAST)
            one.record_serving(serving(f"msg_{number}", kept.id))
            one.flush()  # raised what PostgreSQL says of an entry that went between finding and referring to it
    finally:
        ended.set()
        thread.join()
