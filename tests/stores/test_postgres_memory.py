"""Vectors held in memory of what is in PostgreSQL: transactions that end late, crashes, backups and dumps."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import postgres_server
import psycopg
import pytest
from held_in_memory import HeldInMemory, crowd, held
from postgres_server import Server
from store_samples import DIMS, OTHER_SCOPE, SCOPE, SPACE, embedding, exemplar, found, put, random_embeddings
from test_postgres_faults import until
from test_postgres_sessions import analyzed, rows_read, until_alone

from semcache.stores.postgres import entries, preparing
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.schema import MIGRATIONS
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.store import Selection

OpenPostgres = Callable[..., PostgresStore]
EAST, NORTH = embedding(1), embedding(0, 1)


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


@pytest.mark.parametrize("planned_when", ["one row, unknown", "one row, known", "full, unknown", "full, known"])
def test_a_look_reads_only_what_is_new_or_missing_whatever_its_plan_knew(
    open_postgres: OpenPostgres, postgres_databases: postgres_server.Databases, planned_when: str
) -> None:
    url = postgres_databases.create()  # for what is known of a database stays known when another test has it
    reader = open_postgres(kind=HeldInMemory, url=f"{url}&semcache_pool_size=1")
    writer = open_postgres(url=url)
    put(writer, "k", EAST)
    if planned_when == "one row, known":
        analyzed(url)
    if planned_when.startswith("one row"):
        found(reader, EAST)  # missing, then remembered
        found(reader, EAST)
    crowd(writer, 2000)
    if planned_when == "full, known":
        analyzed(url)
    found(reader, EAST)
    writer.close()
    until_alone(url, beside=1)
    before = rows_read(url)
    writer = open_postgres(url=url)
    for number in range(20):
        put(writer, f"k{number}", EAST)
        reader._recollection.forget_all()
        found(reader, EAST)
    reader.close()
    writer.close()
    until_alone(url)
    read = {table: number - before[table] for table, number in rows_read(url).items()}
    assert read["vectors"] < 10_000  # 6,000 until it was held; 20 times the scope would be 40,000
    assert all(20 < read[table] < 20 * 200 for table in ("exemplars", "entries", "bodies", "uses")), read


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
