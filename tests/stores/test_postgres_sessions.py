"""No session is anybody's: plans stay what they are, and PgBouncer may hand every transaction to another."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree, which

import numpy as np
import postgres_server
import psycopg
import pytest
from fakes import Clock
from held_in_memory import HeldInMemory
from psycopg.conninfo import conninfo_to_dict
from store_samples import DIMS, SCOPE, embedding, entry, exemplar, found, put, random_embeddings, serving

from semcache.batching.batch_life import InProgress, Terms
from semcache.entry import Embedding, Scope
from semcache.errors import Overtaken, StoreError
from semcache.stores.batch_store import BatchRecord, NewItem
from semcache.stores.leases import Lease
from semcache.stores.looked_up import LookedUp
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.store import Guard, Observation, Selection

OpenPostgres = Callable[..., PostgresStore]
EAST = embedding(1)


@pytest.fixture
def pooled_url(postgres_url: str) -> Iterator[str]:
    """The same database through PgBouncer in transaction mode: two connections to the server for everybody."""
    program = which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        postgres_server.missing("no PgBouncer: apt-get install pgbouncer")
    known = conninfo_to_dict(postgres_url)
    port = postgres_server.free_port()
    folder = postgres_server.new_folder(Path("/tmp"))
    settings = folder / "pgbouncer.ini"
    behind = " ".join(f"{name}={known[name]}" for name in ("host", "port", "user") if name in known)
    settings.write_text(
        f"[databases]\n* = {behind}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
        f"server_reset_query = DISCARD ALL\nserver_reset_query_always = 1\nlogfile = {folder}/log\n"
    )
    (settings).chmod(0o644)
    process = subprocess.Popen(
        [program, "-q", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        **postgres_server.as_server_user(),
    )  # fmt: skip
    try:
        url = f"postgresql://{known.get('user', 'postgres')}@127.0.0.1:{port}/{known['dbname']}"
        wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait()
        rmtree(folder, ignore_errors=True)


def wait_for(url: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def exercise(store: PostgresStore, name: str) -> None:
    """One of everything that speaks with the server."""
    scope = Scope(name, SCOPE.digest)
    lease = store.leases.acquire(name, "owner", seconds=30)
    assert isinstance(lease, Lease)
    guard = Guard(generation=store.generation(scope), lease=lease)
    made = entry(f"{name}-1", scope=scope, tags=("t",))
    store.put(made, [exemplar(made, EAST), exemplar(made, embedding(0, 1))], guard=guard)
    with pytest.raises(Overtaken):
        store.put(made, guard=guard)
    for number in range(8):
        other = put(store, f"{name}-k{number}", embedding(1, number), scope=scope)
        store.record_hit(other.id, serving(f"{name}{number}", other.id))
    assert store.look_up([(scope, made.key)], [scope]) == LookedUp([made], [scope])
    assert len(store.nearest(scope, EAST)) == 10
    store.flush()
    assert store.merge(other.id, made.id) is not None
    store.observe([Observation(name, "label", 1.0, made.id, {"n": n}) for n in range(5)])
    assert store.prune_observations("label", namespace=name, keep=2) == 3
    assert store.swap_document(name, b"1", version=0)
    store.batches.begin(BatchRecord(name, name, 1.0, "", Terms(1.0, 2.0), b"{}"))
    store.batches.add(name, 0, [NewItem(str(n), b"{}" * 900) for n in range(60)])
    store.batches.accept(name, InProgress(), total=60)
    assert store.batches.counts(name).processing == 60
    assert store.delete(Selection(namespace=name)) == 8


@pytest.mark.slow
def test_everything_works_through_pgbouncer_in_transaction_mode(open_postgres: OpenPostgres, pooled_url: str) -> None:
    stores = [open_postgres(url=pooled_url + "?semcache_timeout_seconds=60") for _ in range(3)]
    stores[0].check()
    errors: list[BaseException] = []

    def work(store: PostgresStore, name: str) -> None:
        try:
            for turn in range(3):
                exercise(store, f"{name}{turn}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(store, f"n{n}-")) for n, store in enumerate([*stores, *stores])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(stores[0].maintain())


@pytest.mark.slow
def test_what_is_held_in_memory_is_followed_through_pgbouncer_too(open_postgres: OpenPostgres, pooled_url: str) -> None:
    url = pooled_url + "?semcache_timeout_seconds=60"
    stores = [open_postgres(url=url, kind=HeldInMemory) for _ in range(3)]
    vectors = random_embeddings(60, seed=8)

    def work(turn: int) -> None:
        writer, reader = stores[turn % 3], stores[(turn + 1) % 3]
        for number in range(turn, 60, 6):
            made = put(writer, f"k{number}", vectors[number])
            assert found(reader, vectors[number], k=1) == [f"k{number} 0"]
            if number % 2:
                writer.delete(Selection(entry_ids=(made.id,)))
                assert found(reader, vectors[number], k=1) != [f"k{number} 0"]

    with ThreadPoolExecutor(6) as pool:
        for worker in [pool.submit(work, turn) for turn in range(6)]:
            worker.result()


@pytest.mark.slow
def test_an_index_is_used_through_pgbouncer_too(open_postgres: OpenPostgres, pooled_url: str) -> None:
    store = open_postgres(url=pooled_url + "?semcache_vector_index=hnsw&semcache_timeout_seconds=60")
    put(store, "k1", EAST)
    list(store.maintain())
    assert found(store, EAST) == ["k1 0"]


def test_nothing_is_prepared_or_set_in_a_session(open_postgres: OpenPostgres, postgres_url: str) -> None:
    store = open_postgres(url=f"{postgres_url}&semcache_pool_size=1")
    for _ in range(30):  # psycopg would prepare what comes again
        put(store, "k1", EAST)
        store.nearest(SCOPE, EAST)
        store.get_exact(SCOPE, "k1")
    with store._database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        changed = connection.execute("SELECT name FROM pg_settings WHERE source = 'session'").fetchall()
    assert {name for (name,) in changed} == set()


def until_alone(url: str, *, beside: int = 0) -> None:
    """Wait until all but so many sessions in this database have ended: then they have told what they counted."""
    end = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(
            "SELECT count(*) > %s FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
            (beside,),
        ).fetchone() == (True,):
            assert time.monotonic() < end
            time.sleep(0.02)


def scans(url: str, like: str) -> int:
    """How often indexes of these names were used, by this test or one before it. Waits for all sessions to end."""
    until_alone(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE %s", (like,)
        ).fetchone()
    assert row is not None
    return int(row[0])


def crowded(store: PostgresStore, *, dims: int, count: int) -> list[Embedding]:
    """One scope with this many questions, and one of few beside it."""
    vectors = random_embeddings(count, dims=dims, clusters=20)
    for start in range(0, count, 250):
        made = entry(f"k{start}")
        store.put(
            made, [exemplar(made, each, text=str(start + n)) for n, each in enumerate(vectors[start : start + 250])]
        )
    put(store, "elsewhere", vectors[0], scope=Scope("elsewhere", "0" * 64))
    return vectors


TABLES = ("entries", "exemplars", "bodies", "uses", "vectors")


def rows_read(url: str) -> dict[str, int]:
    """By scans of each of these tables, since the database was made, as far as sessions have ended."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT regexp_replace(relname, '_[0-9]+$', ''), sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint "
            "FROM pg_stat_user_tables WHERE schemaname = 'semcache' GROUP BY 1"
        ).fetchall()
    return {table: number for table, number in found if table in TABLES}


def analyzed(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"VACUUM ANALYZE semcache.{table}")


@pytest.mark.parametrize("planned_when", ["empty", "one row, known", "full, unknown", "full, known"])
def test_a_look_reads_only_what_it_finds_whatever_its_plan_knew(
    open_postgres: OpenPostgres, postgres_databases: postgres_server.Databases, clock: Clock, planned_when: str
) -> None:
    url = postgres_databases.create()  # for what is known of a database stays known when another test has it
    looker, writer = (open_postgres(url=f"{url}&semcache_pool_size=1", clock=clock) for _ in range(2))
    here, elsewhere = [Scope("shop", digit * 64) for digit in "12"]
    places = [(elsewhere, "nothing"), (here, "k7"), (here, "also k7"), (SCOPE, "k7")]

    def look() -> LookedUp:
        return looker.look_up(places, [elsewhere, here, SCOPE])

    if planned_when == "empty":
        look()
    put(writer, "k7", EAST, expires_at=clock.now + 10)
    if planned_when == "one row, known":
        analyzed(url)
        look()
    clock.advance(10)
    for scope in (here, SCOPE):
        for start in range(0, 1000, 100):
            made = entry(f"k{start}", scope=scope)
            aliases = [exemplar(made, EAST, text=str(n), key=f"also k{start + n}") for n in range(100)]
            writer.put(made, aliases)
        kept = put(writer, "k7", EAST, scope=scope)
    writer.close()
    if planned_when == "full, known":
        analyzed(url)
    expected = look()
    until_alone(url, beside=1)
    before = rows_read(url)
    for _ in range(20):
        assert look() == expected
    looker.close()
    until_alone(url)
    read = {table: number - before[table] for table, number in rows_read(url).items()}
    assert [found and found.key for found in expected.entries] == [None, "k7", "k0", kept.key]
    assert expected.searchable == [here, SCOPE]
    assert read["vectors"] == 0
    assert 20 * 3 <= read["entries"] <= 22 * 12  # three are found, each after a look or two at what it might be
    assert 20 <= read["exemplars"] <= 22 * 12
    assert read["bodies"] == read["uses"] <= 22 * 3


@pytest.mark.slow
def test_an_exact_search_uses_no_index_that_happens_to_be_there(open_postgres: OpenPostgres, postgres_url: str) -> None:
    by_index = {"url": f"{postgres_url}&semcache_vector_index=hnsw", "space": "plans", "dims": 16}
    indexed = open_postgres(**by_index)
    vectors = crowded(indexed, dims=16, count=6000)  # of 2,000 the planner may rather compare all
    built = [each for each in indexed.maintain() if each.what == "built"]
    assert len(built) == 16
    indexed.close()
    exact = open_postgres(space="plans", dims=16)
    for number in range(15):
        assert found(exact, vectors[number], k=1) == [str(number)]
    exact.close()
    until_alone(postgres_url)
    assert scans(postgres_url, "%hnsw%") == 0
    indexed = open_postgres(**by_index)
    for number in range(15):
        assert found(indexed, vectors[number], k=1) == [str(number)]
    indexed.close()
    until_alone(postgres_url)
    assert scans(postgres_url, "%hnsw%") > 0


@pytest.mark.slow
def test_an_index_finds_what_is_near_while_rows_come_and_go(open_postgres: OpenPostgres, postgres_url: str) -> None:
    store = open_postgres(
        url=f"{postgres_url}&semcache_vector_index=hnsw&semcache_timeout_seconds=60", space="churn", dims=16
    )
    exact = open_postgres(space="churn", dims=16)
    vectors = crowded(store, dims=16, count=1500)
    list(store.maintain())
    random = np.random.default_rng(3)
    for turn in range(3):
        for start in range(0, 1500, 500):
            made = entry(f"k{start}", answer=f"turn {turn}")
            store.put(
                made, [exemplar(made, each, text=f"{start + n}") for n, each in enumerate(vectors[start : start + 250])]
            )
        done = [each.what for each in store.maintain()]
        assert done.count("rebuilt") == 16
        asked = [vectors[int(number)] for number in random.integers(0, 1500, 40)]
        hits = sum(found(store, each, k=1) == found(exact, each, k=1) for each in asked)
        assert hits >= 39
    assert [each.what for each in exact.maintain()].count("removed") == 16


def test_an_old_pgvector_refuses_an_index(open_postgres: OpenPostgres, postgres_url: str, monkeypatch) -> None:
    monkeypatch.setattr("semcache.stores.postgres.indexing.OLDEST_PGVECTOR", (99, 0))
    with pytest.raises(StoreError, match=r"semcache_vector_index=hnsw needs pgvector 99\.0"):
        open_postgres(url=f"{postgres_url}&semcache_vector_index=hnsw", dims=DIMS).check()
