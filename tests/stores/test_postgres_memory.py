"""Vectors held in memory are never behind: of what other replicas put, and of what they removed."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import postgres_server
import psycopg
import pytest
from fakes import Clock
from held_in_memory import HeldInMemory
from postgres_server import Server
from store_samples import DIMS, OTHER_SCOPE, SCOPE, SPACE, embedding, entry, exemplar, found, put, random_embeddings
from test_postgres_faults import until
from test_postgres_sessions import analyzed, rows_read, until_alone

from semcache.entry import Embedding, Entry, Scope
from semcache.stores.limits import Limits
from semcache.stores.postgres import entries, preparing
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.schema import MIGRATIONS
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.store import Selection

OpenPostgres = Callable[..., PostgresStore]
EAST, NORTH = embedding(1), embedding(0, 1)
SLOT_BYTES = DIMS * 2 + 16


def crowd(store: PostgresStore, count: int, *, scope: Scope = SCOPE, key: str = "crowd", seed: int = 0) -> None:
    """One entry that answers this many questions."""
    made = entry(key, scope=scope)
    vectors = random_embeddings(count, seed=seed)
    store.put(made, [exemplar(made, each, text=f"{key} {number}") for number, each in enumerate(vectors)])


def held(store: PostgresStore) -> int:
    """How many vectors are in memory."""
    return store.index_bytes // SLOT_BYTES


def test_a_scope_that_is_searched_is_soon_held_in_memory_and_finds_the_same(open_postgres: OpenPostgres) -> None:
    store = open_postgres()
    crowd(store, 500)
    asked = random_embeddings(20, seed=5)
    before = [found(store, each) for each in asked]
    until(lambda: held(store) == 500)
    assert [found(store, each) for each in asked] == before


def test_a_scope_of_few_questions_takes_no_memory(open_postgres: OpenPostgres) -> None:
    store = open_postgres()
    crowd(store, 40)
    assert len(found(store, EAST)) == 16
    assert not store._neighbours.projections._asked
    assert held(store) == 0


def test_without_memory_every_search_is_the_servers(open_postgres: OpenPostgres, postgres_url: str) -> None:
    store, other = open_postgres(url=f"{postgres_url}&semcache_memory_mb=0"), open_postgres(kind=HeldInMemory)
    crowd(store, 300)
    assert [found(store, each) for each in random_embeddings(9)] == [
        found(other, each) for each in random_embeddings(9)
    ]
    assert store._neighbours.projections is None
    assert (held(store), held(other)) == (0, 300)


def test_a_put_of_another_replica_is_found_at_once(open_postgres: OpenPostgres) -> None:
    reader, writer = open_postgres(kind=HeldInMemory), open_postgres()
    made = put(writer, "k1", NORTH)
    assert found(reader, EAST) == ["k1 0"]
    put(writer, "k2", EAST)
    assert found(reader, EAST) == ["k2 0", "k1 0"]
    writer.add_exemplar(exemplar(made, embedding(1, 1), text="alias"))
    assert found(reader, EAST) == ["k2 0", "alias", "k1 0"]
    put(writer, "elsewhere", EAST, scope=OTHER_SCOPE)
    assert found(reader, EAST) == ["k2 0", "alias", "k1 0"]
    assert held(reader) == 3  # each was brought by the look that found it


def replaced(writer: PostgresStore, made: Entry, kept: Entry, clock: Clock) -> None:
    put(writer, made.key, embedding(0, 0, 1), answer="Another.")


def evicted(writer: PostgresStore, made: Entry, kept: Entry, clock: Clock) -> None:
    writer.record_hit(kept.id)
    writer.flush()
    put(writer, "k3", embedding(0, 0, 1))


def expired_and_purged(writer: PostgresStore, made: Entry, kept: Entry, clock: Clock) -> None:
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
def test_what_is_gone_by_another_replicas_doing_is_never_found(open_postgres: OpenPostgres, clock: Clock, how) -> None:
    act, expected = GONE[how]
    reader = open_postgres(kind=HeldInMemory, clock=clock)
    writer = open_postgres(clock=clock, limits=Limits(max_entries=2))
    made = put(writer, "k1", EAST, question="Where does Jane Roe live?", expires_at=clock() + 60)
    kept = put(writer, "k2", NORTH)
    assert found(reader, EAST) == ["k1 0", "k2 0"]
    act(writer, made, kept, clock)
    near = reader.nearest(SCOPE, EAST)
    assert [candidate.exemplar.text for candidate in near] == expected
    assert [(each.entry.id, each.exemplar.id) for each in near] == [
        (each.entry.id, each.exemplar.id) for each in writer.nearest(SCOPE, EAST)
    ]


def test_a_search_in_memory_is_one_statement_whatever_of_it_is_remembered(open_postgres, monkeypatch) -> None:
    store = open_postgres(kind=HeldInMemory)
    crowd(store, 300)
    asked = random_embeddings(8, seed=5)
    before = [found(store, each) for each in asked]
    statements = []
    execute = Connection.execute
    monkeypatch.setattr(
        Connection, "execute", lambda self, *args, **options: statements.append(1) or execute(self, *args, **options)
    )
    assert [found(store, each) for each in asked] == before  # all of it remembered
    store._recollection.forget_all()
    assert [found(store, each) for each in asked] == before  # none of it, and then some
    assert len(statements) == 2 * len(asked)


def test_what_is_found_to_be_gone_does_not_stay_in_memory(open_postgres: OpenPostgres) -> None:
    reader, writer = open_postgres(kind=HeldInMemory), open_postgres()
    put(writer, "k1", EAST, question="Where does Jane Roe live?")
    found(reader, EAST)
    writer.delete(Selection(text="Jane Roe"))
    found(reader, EAST)
    assert "Jane Roe" not in repr(vars(reader._recollection))


def test_after_most_of_a_scope_was_purged_the_rest_is_found(open_postgres: OpenPostgres) -> None:
    reader, writer = open_postgres(kind=HeldInMemory), open_postgres()
    crowd(writer, 900, key="crowd")
    crowd(writer, 90, key="rest", seed=1)
    asked = random_embeddings(5, seed=7)
    assert len(found(reader, asked[0])) == 16
    writer.delete(Selection(text="order crowd"))
    for each in asked:
        assert found(reader, each) == found(writer, each)
    assert held(reader) == 90


def test_a_writer_that_commits_late_is_found_when_it_does(open_postgres: OpenPostgres) -> None:
    reader, slow, quick = open_postgres(kind=HeldInMemory), open_postgres(), open_postgres()
    made = put(quick, "k1", embedding(0, 0, 1))
    assert found(reader, EAST) == ["k1 0"]
    with slow._database.writing() as connection:
        late = exemplar(made, EAST, text="late")
        numbered = entries.find_numbered(connection, made.id, now=slow._now.of_statement)
        assert numbered is not None
        early = entries.attach(connection, *numbered, late, slow._space)
        later = put(quick, "k2", NORTH)
        assert found(reader, EAST) == ["k1 0", "k2 0"]  # its transaction has the higher number
        put(quick, "k3", embedding(0, 1, 1))
        assert found(reader, EAST) == ["k1 0", "k2 0", "k3 0"]
    assert early.id < quick.exemplars(later.id)[0].id
    assert found(reader, EAST) == ["late", "k1 0", "k2 0", "k3 0"]
    assert held(reader) == 4


@pytest.mark.slow
def test_what_many_writers_put_at_once_is_found_as_soon_as_it_is_acknowledged(open_postgres: OpenPostgres) -> None:
    readers = [open_postgres(kind=HeldInMemory) for _ in range(2)]
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


def test_whoever_is_far_behind_searches_in_the_server_and_begins_anew(open_postgres: OpenPostgres) -> None:
    reader, writer = open_postgres(), open_postgres()
    crowd(writer, 200)
    found(reader, EAST)
    until(lambda: held(reader) == 200)
    crowd(writer, 1100, key="more", seed=1)
    assert found(reader, EAST) == found(writer, EAST)
    until(lambda: held(reader) == 1300)


@pytest.mark.slow
def test_what_has_come_and_gone_unnoticed_is_let_go_in_time(open_postgres: OpenPostgres) -> None:
    reader, writer = open_postgres(), open_postgres()
    crowd(writer, 100)
    found(reader, EAST)
    until(lambda: held(reader) == 100)
    far = np.zeros(DIMS, np.float32)
    far[0] = -1
    for number in range(12):  # the same entry again and again: its former questions go
        made = entry("replaced")
        rows = [exemplar(made, Embedding(far, far[None]), text=f"{number} {each}") for each in range(300)]
        writer.put(made, rows)
        found(reader, EAST, k=1)
    until(lambda: held(reader) < 2000)  # of the 3,700 that it was told of


@pytest.mark.parametrize("planned_when", ["one row, unknown", "one row, known", "full, unknown", "full, known"])
def test_a_look_reads_only_what_is_new_or_missing_whatever_its_plan_knew(
    open_postgres, postgres_url, planned_when
) -> None:
    reader = open_postgres(kind=HeldInMemory, url=f"{postgres_url}&semcache_pool_size=1")
    writer = open_postgres()
    put(writer, "k", EAST)
    if planned_when == "one row, known":
        analyzed(postgres_url)
    if planned_when.startswith("one row"):
        found(reader, EAST)  # missing, then remembered
        found(reader, EAST)
    crowd(writer, 2000)
    if planned_when == "full, known":
        analyzed(postgres_url)
    found(reader, EAST)
    writer.close()
    until_alone(postgres_url, beside=1)
    before = rows_read(postgres_url)
    writer = open_postgres()
    for number in range(20):
        put(writer, f"k{number}", EAST)
        reader._recollection.forget_all()
        found(reader, EAST)
    reader.close()
    writer.close()
    until_alone(postgres_url)
    read = {table: number - before[table] for table, number in rows_read(postgres_url).items()}
    assert read["vectors"] < 10_000  # 6,000 until it was held; 20 times the scope would be 40,000
    assert all(20 < read[table] < 20 * 200 for table in ("exemplars", "entries", "bodies", "uses"))


def test_vectors_written_on_another_server_are_found_and_do_not_hide_new_ones(open_postgres, postgres_url) -> None:
    reader, writer = open_postgres(kind=HeldInMemory), open_postgres()
    put(writer, "k1", NORTH)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE semcache.vectors SET xact = '9000000000'")  # as a dump brings them
    assert found(reader, EAST) == ["k1 0"]
    put(writer, "k2", EAST)
    assert found(reader, EAST) == ["k2 0", "k1 0"]
    assert held(reader) == 2


def test_a_crash_of_the_server_makes_what_is_held_be_read_anew(open_postgres, postgres_url) -> None:
    reader, writer = open_postgres(), open_postgres()
    crowd(writer, 200)
    found(reader, EAST)
    until(lambda: held(reader) == 200)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("TRUNCATE semcache.incarnations")  # as a crash does
        connection.execute("UPDATE semcache.vectors SET xact = '1'")  # and gives numbers again that were seen
    made = put(writer, "k1", EAST)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE semcache.vectors SET xact = '1'")
    assert found(reader, EAST)[0] == "k1 0"
    until(lambda: held(reader) == 201)
    writer.delete(Selection(entry_ids=(made.id,)))
    assert found(reader, EAST)[0] != "k1 0"


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres_server.running(**postgres_server.HASTE) as running:
        yield running


@pytest.fixture
def open_on() -> Iterator[Callable[..., HeldInMemory]]:
    opened: list[HeldInMemory] = []

    def open_one(url: str, **options: Any) -> HeldInMemory:
        opened.append(HeldInMemory(read_address(url), **{"space": SPACE, "dims": DIMS, **options}))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.mark.slow
def test_nothing_held_outlives_a_backup_that_was_restored(server: Server, open_on) -> None:
    store = open_on(server.url())
    put(store, "k1", NORTH)
    server.stop()
    shutil.copytree(server.data, backup := server.folder / "backup")
    server.start()
    for number in range(20):
        put(store, f"lost {number}", EAST)
    assert found(store, EAST, k=1) == ["lost 0 0"]
    server.stop()
    shutil.rmtree(server.data)
    shutil.copytree(backup, server.data)
    for path in (server.data, *server.data.rglob("*")):
        postgres_server.own(path)
    server.start()
    other = open_on(server.url())
    for number in range(25):  # numbers of transactions and of exemplars come again
        put(other, f"new {number}", embedding(1, 1))
    assert found(store, EAST) == found(other, EAST)
    assert found(store, EAST, k=1) == ["new 0 0"]


@pytest.mark.slow
def test_nothing_held_outlives_a_dump_that_was_restored(server: Server, open_on) -> None:
    server.execute("CREATE DATABASE shop")
    store = open_on(server.url("shop"))
    put(store, "k1", NORTH)
    as_user, socket = postgres_server.as_server_user(), ["-h", server.folder, "-p", str(server.port), "-U", "postgres"]
    dump = server.folder / "dump"
    subprocess.run([server.bin / "pg_dump", *socket, "-Fc", "-f", dump, "shop"], check=True, cwd="/", **as_user)
    put(store, "lost", EAST)
    assert found(store, EAST) == ["lost 0", "k1 0"]
    server.execute("DROP DATABASE shop WITH (FORCE)")
    server.execute("CREATE DATABASE shop")
    subprocess.run([server.bin / "pg_restore", *socket, "-d", "shop", dump], check=True, cwd="/", **as_user)
    other = open_on(server.url("shop"))
    assert other.look_up([(SCOPE, "k1")], [SCOPE]).searchable == [SCOPE]  # its functions are back, too
    put(other, "new", embedding(1, 1))
    assert found(store, EAST) == ["new 0", "k1 0"]
    put(store, "newer", EAST)
    assert found(other, EAST) == ["newer 0", "new 0", "k1 0"]


@pytest.mark.slow
def test_nothing_held_outlives_a_server_that_was_killed(server: Server, open_on) -> None:
    store = open_on(server.url())
    put(store, "k1", EAST)
    assert found(store, EAST) == ["k1 0"]
    before = server.execute("SELECT mark FROM semcache.incarnations")
    server.kill()
    server.start()
    other = open_on(server.url())
    put(other, "k2", EAST)
    assert found(store, EAST)[-1] == "k2 0"
    assert server.execute("SELECT mark FROM semcache.incarnations") != before


def scope(number: int) -> Scope:
    return Scope("shop", f"{number:064x}")


@pytest.fixture
def open_small(postgres_url: str) -> Iterator[Callable[[int], PostgresStore]]:
    """Opens stores with room for so many vectors."""
    opened: list[PostgresStore] = []

    def open_one(vectors: int) -> PostgresStore:
        address = replace(read_address(postgres_url), memory_bytes=vectors * SLOT_BYTES)
        opened.append(PostgresStore(address, space=SPACE, dims=DIMS))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def test_scopes_that_are_left_alone_make_way_within_the_memory_budget(open_small) -> None:
    store = open_small(250)
    for number in range(3):
        crowd(store, 100, scope=scope(number))
    for number in range(2):
        found(store, EAST, scope=scope(number))
    until(lambda: held(store) == 200)
    held_now = store._neighbours.projections._held
    assert set(held_now) == {scope(0), scope(1)}

    def third_is_held() -> bool:
        found(store, EAST, scope=scope(1))
        found(store, EAST, scope=scope(2))
        return scope(2) in held_now

    assert not third_is_held()  # the others were asked for only just
    until(third_is_held)
    assert set(held_now) == {scope(1), scope(2)}
    assert held(store) == 200
    for number in range(3):
        assert len(found(store, EAST, scope=scope(number))) == 16


def test_scopes_asked_in_turn_do_not_load_each_other_out_of_memory(open_small) -> None:
    store = open_small(250)
    for number in range(4):
        crowd(store, 100, scope=scope(number))
    for _ in range(3):
        for number in range(4):
            found(store, EAST, scope=scope(number))
            until(lambda: not store._neighbours.projections._asked)
    assert set(store._neighbours.projections._held) == {scope(0), scope(1)}


def test_a_scope_larger_than_the_memory_budget_is_searched_in_the_server(open_small, open_postgres) -> None:
    store = open_small(150)
    crowd(store, 200)
    store._neighbours.projections.load(SCOPE)
    assert found(store, EAST) == found(open_postgres(kind=HeldInMemory), EAST)
    assert held(store) == 0


def test_a_scope_that_outgrows_the_memory_budget_is_let_go(open_small) -> None:
    store = open_small(150)
    crowd(store, 120)
    store._neighbours.projections.load(SCOPE)
    assert held(store) == 120
    crowd(store, 60, key="more", seed=1)
    assert len(found(store, EAST)) == 16
    assert held(store) == 0


def test_many_threads_search_one_scope_while_it_changes_and_is_loaded(open_postgres: OpenPostgres) -> None:
    reader, writer = open_postgres(kind=HeldInMemory), open_postgres()
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


def test_a_filled_database_of_the_previous_schema_is_followed_after_its_migration(
    postgres_databases: postgres_server.Databases, monkeypatch: pytest.MonkeyPatch, open_on
) -> None:
    url = postgres_databases.create()
    before = {name: MIGRATIONS[name] for name in list(MIGRATIONS)[: list(MIGRATIONS).index("p007_transactions")]}
    with monkeypatch.context() as former:
        former.setattr(preparing, "MIGRATIONS", before)
        old = PostgresStore(read_address(url), space=SPACE, dims=DIMS)
        put(old, "k1", EAST)
        put(old, "k2", NORTH, scope=OTHER_SCOPE)
    store = open_on(url)
    assert found(store, EAST) == ["k1 0"]
    put(store, "k3", embedding(1, 1))
    put(old, "k4", embedding(0, 1))  # a replica of the former version that still runs
    old.close()
    assert found(store, EAST) == ["k1 0", "k3 0", "k4 0"]
    assert found(store, EAST, scope=OTHER_SCOPE) == ["k2 0"]
    assert held(store) == 4
