"""A server that is slow, full, gone or promoted costs hits, and nothing that was acknowledged; then all goes on."""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import postgres_server
import psycopg
import pytest
from postgres_server import Server
from store_samples import DIMS, SCOPE, SPACE, embedding, put
from test_postgres_replicas import replica, said

from semcache.errors import StoreError, StoreTooNew, StoreUnavailable
from semcache.stores.breaker import Breaker
from semcache.stores.opening import open_store
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.store import PostgresStore

EAST = embedding(1)


@pytest.fixture
def server() -> Iterator[Server]:
    """One that this test may do anything to; what it acknowledged is on its disk."""
    with postgres_server.running() as running:
        yield running


@pytest.fixture
def open_on() -> Iterator[Callable[..., PostgresStore]]:
    opened: list[PostgresStore] = []

    def open_one(url: str, **options: Any) -> PostgresStore:
        known: dict[str, Any] = {"space": SPACE, "dims": DIMS, "breaker": Breaker(failures=3, pause_seconds=0.1)}
        opened.append(PostgresStore(read_address(url), **{**known, **options}))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def until(holds: Callable[[], bool], *, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def answers(store: PostgresStore) -> bool:
    try:
        store.get_exact(SCOPE, "k1")
    except StoreError:
        return False
    return True


def acknowledged(writer: subprocess.Popen[str]) -> list[str]:
    """Everything that a killed writer was told is stored."""
    writer.send_signal(signal.SIGKILL)
    return writer.communicate(timeout=60)[0].split()


@pytest.mark.slow
def test_a_server_killed_amid_writes_has_all_it_acknowledged_and_is_used_again(server, open_on) -> None:
    store = open_on(server.url())
    put(store, "k1", EAST)
    writer = replica(server.url(), "put-many", "w")
    before = [said(writer) for _ in range(50)]
    server.kill()
    with pytest.raises(StoreUnavailable):
        store.get_exact(SCOPE, "k1")
    assert store.health.errors > 0
    server.start()
    until(lambda: answers(store))
    assert store.health.circuit == "closed"
    keys = before + [said(writer) for _ in range(50)] + acknowledged(writer)[:-1]
    assert [key for key in keys if store.get_exact(SCOPE, key) is None] == []


@pytest.mark.slow
def test_a_promoted_standby_takes_over_with_all_that_was_acknowledged(server, open_on) -> None:
    server.stop()
    server.settings |= {"wal_level": "replica", "max_wal_senders": "4"}
    server.start()
    open_on(server.url()).check()
    standby = standby_of(server)
    try:
        server.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        server.execute("SELECT pg_reload_conf()")
        both = (
            f"postgresql://postgres@/postgres?host={server.folder},{standby.folder}&port={server.port},{standby.port}"
            "&target_session_attrs=read-write"
        )
        store = open_on(both)
        put(store, "k1", EAST)
        writer = replica(both, "put-many", "w")
        before = [said(writer) for _ in range(40)]
        server.kill()
        standby.execute("SELECT pg_promote()")
        until(lambda: answers(store))
        keys = before + [said(writer) for _ in range(40)] + acknowledged(writer)[:-1]
        assert [key for key in keys if store.get_exact(SCOPE, key) is None] == []
        assert put(store, "k2", EAST).key == "k2"
    finally:
        standby.stop()


def standby_of(primary: Server) -> Server:
    """A hot standby beside it, which follows."""
    folder = postgres_server.new_folder(primary.folder)
    standby = Server(folder, primary.bin)
    command = [primary.bin / "pg_basebackup", "-h", primary.folder, "-p", str(primary.port), "-U", "postgres"]
    as_user = postgres_server.as_server_user()
    subprocess.run([*command, "-D", standby.data, "-R", "-X", "stream", "-c", "fast"], check=True, cwd="/", **as_user)
    standby.start()
    return standby


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up_and_used_again_once_it_answers(server, open_on) -> None:
    store = open_on(server.url(semcache_timeout_seconds="0.3"))
    put(store, "k1", EAST)
    server.freeze()
    try:
        until(lambda: not answers(store) and store.health.circuit == "open")
        with pytest.raises(StoreUnavailable, match="left alone"):
            store.nearest(SCOPE, EAST)
    finally:
        server.thaw()
    until(lambda: answers(store))
    assert [each.exemplar.text for each in store.nearest(SCOPE, EAST)] == ["k1 0"]


def test_hits_that_wait_for_a_server_are_counted_once_it_is_back(server, open_on) -> None:
    store = open_on(server.url())
    made = put(store, "k1", EAST)
    server.stop()
    store.record_hit(made.id)
    with pytest.raises(StoreUnavailable):
        store.flush()
    server.start()
    until(lambda: answers(store))
    store.flush()
    assert store.get(made.id).hits == 1


def test_a_server_that_was_away_at_the_start_is_used_once_it_is_there(server, tmp_path: Path, caplog) -> None:
    server.stop()
    with caplog.at_level(logging.WARNING):
        store = open_store(server.url(), data_dir=tmp_path, space=SPACE, dims=DIMS)
    try:
        assert "the store is away" in caplog.text
        assert not answers(store)
        server.start()
        until(lambda: answers(store))
        assert put(store, "k1", EAST) == store.get_exact(SCOPE, "k1")
    finally:
        store.close()


def test_connections_that_were_cut_while_idle_are_noticed_before_they_are_used(open_postgres, postgres_url) -> None:
    store = open_postgres()
    put(store, "k1", EAST)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'semcache' "
            "AND datname = current_database()"
        )
    assert store.get_exact(SCOPE, "k1") is not None
    assert store.health.errors == 0


def test_a_call_that_takes_too_long_is_a_miss_and_frees_its_connection(open_postgres, postgres_url) -> None:
    store = open_postgres(url=f"{postgres_url}&semcache_timeout_seconds=0.3&semcache_pool_size=1")
    put(store, "k1", EAST)
    with psycopg.connect(postgres_url) as blocker:
        blocker.execute("LOCK TABLE semcache.entries IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match=r"does not answer|too long"):
            store.get_exact(SCOPE, "k1")
        with pytest.raises(StoreUnavailable, match=r"does not answer|too long"):
            put(store, "k2", EAST)
    assert store.get_exact(SCOPE, "k1") is not None
    assert put(store, "k2", EAST).key == "k2"


def test_where_all_connections_are_in_use_whoever_waits_too_long_is_told_so(open_postgres, postgres_url) -> None:
    store = open_postgres(url=f"{postgres_url}&semcache_timeout_seconds=0.2&semcache_pool_size=1")
    store.check()
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with store._database.reading(seconds=60):
            is_held.set()
            is_over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(60)
    try:
        with pytest.raises(StoreUnavailable, match="semcache_pool_size"):
            store.get_exact(SCOPE, "k1")
    finally:
        is_over.set()
        holder.join()
    assert store.get_exact(SCOPE, "k1") is None


def test_more_callers_than_connections_all_get_their_answer(open_postgres, postgres_url) -> None:
    store = open_postgres(url=f"{postgres_url}&semcache_timeout_seconds=60&semcache_pool_size=2")
    put(store, "k1", EAST)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(store.nearest(SCOPE, EAST)))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 12


def test_a_standby_alone_is_said_to_be_one(open_postgres, postgres_url) -> None:
    open_postgres().check()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            store = open_postgres()
            with pytest.raises(StoreUnavailable, match="target_session_attrs=read-write"):
                put(store, "k1", EAST)
        finally:
            connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


def test_errors_hold_neither_passwords_nor_prompts(open_postgres, postgres_url, caplog) -> None:
    store = open_postgres()
    put(store, "k1", EAST)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE semcache.bodies ADD CONSTRAINT short CHECK (length(question) < 40)")
        try:
            with pytest.raises(StoreError) as caught:
                put(store, "k2", EAST, question="My name is Jane Roe and my card is 4929 0000 1111 2222")
        finally:
            connection.execute("ALTER TABLE semcache.bodies DROP CONSTRAINT short")
    assert "CheckViolation" in str(caught.value)
    chain = [caught.value, caught.value.__cause__, caught.value.__context__ if caught.value.__cause__ else None]
    assert "Jane Roe" not in "".join(map(str, chain)) + caplog.text


def test_a_password_is_in_no_error(tmp_path: Path, caplog) -> None:
    port = postgres_server.free_port()
    url = f"postgresql://me:hunter2@127.0.0.1:{port}/shop?connect_timeout=1"
    store = open_store(url, data_dir=tmp_path, space=SPACE, dims=DIMS)
    with pytest.raises(StoreUnavailable, match="no connection") as caught:
        store.get_exact(SCOPE, "k1")
    store.close()
    assert "hunter2" not in str(caught.value) + caplog.text


def test_names_that_postgresql_refuses_are_refused_without_opening_the_circuit(open_postgres) -> None:
    store = open_postgres()
    for name in ("null \0 character", "half a pair \ud83d"):
        with pytest.raises(StoreError, match="a name or tag"):
            put(store, "k1", EAST, tags=(name,))
    assert store.health.errors == 0


def test_a_newer_schema_is_refused_and_left_alone(open_postgres, postgres_url) -> None:
    open_postgres().check()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("INSERT INTO semcache.migrations (name) VALUES ('p999_of_the_future')")
        try:
            with pytest.raises(StoreTooNew, match="p999_of_the_future"):
                open_postgres().check()
        finally:
            connection.execute("DELETE FROM semcache.migrations WHERE name = 'p999_of_the_future'")


def test_replicas_that_start_at_once_make_the_schema_once(postgres_databases, open_on) -> None:
    url = postgres_databases.create()
    stores = [open_on(url) for _ in range(4)]
    errors: list[BaseException] = []

    def start(store: PostgresStore) -> None:
        try:
            store.check()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert put(stores[0], "k1", EAST) == stores[3].get_exact(SCOPE, "k1")


def test_a_schema_that_was_made_in_part_is_completed(postgres_databases, open_on) -> None:
    url = postgres_databases.create()
    open_on(url).check()
    with psycopg.connect(url, autocommit=True) as connection:  # as an older semcache left it
        connection.execute("DELETE FROM semcache.migrations WHERE name = 'p005_batches'")
        connection.execute(
            "DROP TABLE semcache.batches, semcache.batch_items, semcache.batch_bodies, semcache.batch_results, "
            "semcache.batch_dispatches"
        )
    store = open_on(url)
    assert store.batches.unended() == []


def test_a_missing_extension_that_may_not_be_made_is_named_with_what_to_run(postgres_databases, open_on) -> None:
    url = postgres_databases.create()
    with psycopg.connect(url, autocommit=True) as connection:
        role = f"plain_{connection.info.dbname}"
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        try:
            plain = url.replace("postgres@", f"{role}@")
            with pytest.raises(StoreError, match="CREATE EXTENSION vector"):
                open_on(plain).check()
            connection.execute("CREATE EXTENSION vector")
            with pytest.raises(StoreError, match="CREATE SCHEMA semcache"):
                open_on(plain).check()
            connection.execute(f"CREATE SCHEMA semcache AUTHORIZATION {role}")
            store = open_on(plain)
            assert put(store, "k1", EAST) == store.get_exact(SCOPE, "k1")
            store.close()
        finally:
            connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_a_database_in_another_encoding_is_refused(postgres_databases, open_on) -> None:
    url = postgres_databases.create()
    with psycopg.connect(url, autocommit=True) as connection:
        name = f"latin_{connection.info.dbname}"
        connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0")
        try:
            with pytest.raises(StoreError, match="ENCODING 'UTF8'"):
                open_on(url.replace(f"/{connection.info.dbname}", f"/{name}")).check()
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("version", "needed", "is_refused"),
    [
        ((0, 7, 4), (0, 8, 0), True),
        ((0, 8, 0), (0, 8, 0), False),
        ((0, 8, 0), (0, 8, 4), True),
        ((0, 10), (0, 8, 4), False),
    ],
)
def test_an_old_pgvector_is_refused_with_both_versions(version, needed, is_refused) -> None:
    from semcache.stores.postgres.preparing import check_pgvector

    if not is_refused:
        check_pgvector(version, needed, "the search")
        return
    with pytest.raises(StoreError, match=r"needs pgvector 0\.8\.\d or newer, and this database has 0\.\d\.\d"):
        check_pgvector(version, needed, "the search")


@pytest.mark.slow
def test_the_newest_server_works_too(open_on) -> None:
    with postgres_server.running(18, **postgres_server.HASTE) as newest:
        store = open_on(newest.url())
        made = put(store, "k1", EAST, expires_at=time.time() + 60)
        assert found_again(store) == [made.id]
        store.record_hit(made.id)
        store.flush()
        assert store.get(made.id).hits == 1


def found_again(store: PostgresStore) -> list[str]:
    return [each.entry.id for each in store.nearest(SCOPE, EAST)]
