"""A filled database of every older schema is brought up to date when it is opened, and keeps everything.

The rows of a database that is filled by the present store are written into the older schema, as far as that has their
tables and columns: so a migration that is added is covered from the day on which the next one comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import psycopg
import pytest
from lived_in import EAST, forget_batches, live_in, told
from postgres_server import Databases
from store_samples import DIMS, SCOPE, SPACE, put

from semcache.stores.limits import Limits
from semcache.stores.postgres.preparing import prepare
from semcache.stores.postgres.schema import MIGRATIONS
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.store import Selection

OLDER = list(MIGRATIONS)[:-1]
_NOT_COPIED = {"migrations", "totals"}  # what has been applied there; what triggers keep
_AS_BYTES = "decode(replace({}::text, '-', ''), 'hex')"  # a UUID as the bytes of a scope
OpenPostgres = Callable[..., PostgresStore]


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    is_identity: bool


def columns_of(connection: psycopg.Connection) -> dict[str, list[Column]]:
    """Of each table, in the order in which they were made: no row is written before what it refers to."""
    found: dict[str, list[Column]] = {}
    for table, *rest in connection.execute(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attidentity <> '' FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE c.relnamespace = 'semcache'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
        "ORDER BY c.oid, a.attname"
    ):
        found.setdefault(table, []).append(Column(*rest))
    return found


def indexes_of(connection: psycopg.Connection) -> set[tuple[str, ...]]:
    return set(
        connection.execute("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'semcache'")
    )


def functions_of(connection: psycopg.Connection) -> set[tuple[str, ...]]:
    return set(
        connection.execute("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'semcache'::regnamespace")
    )


def copy_rows(source: psycopg.Connection, target: psycopg.Connection) -> None:
    """Every row into the older schema, without what that has no place for."""
    there = columns_of(source)
    for table, columns in columns_of(target).items():
        if table in _NOT_COPIED:
            continue
        kinds = {column.name: column.type for column in there[table]}
        read = [
            _AS_BYTES.format(column.name) if (kinds[column.name], column.type) == ("uuid", "bytea") else column.name
            for column in columns
        ]
        target.execute(f"DELETE FROM semcache.{table}")
        names = ", ".join(column.name for column in columns)
        out = source.cursor().copy(f"COPY (SELECT {', '.join(read)} FROM semcache.{table}) TO STDOUT")
        with out as rows, target.cursor().copy(f"COPY semcache.{table} ({names}) FROM STDIN") as into:
            for row in rows:
                into.write(row)
        for column in columns:
            if column.is_identity:
                target.execute(
                    f"SELECT setval(pg_get_serial_sequence('semcache.{table}', '{column.name}'), "
                    f"(SELECT coalesce(max({column.name}), 0) + 1 FROM semcache.{table}), false)"
                )


@pytest.fixture
def open_on(postgres_url: str, open_postgres: OpenPostgres, clock) -> OpenPostgres:
    return lambda url=postgres_url, **options: open_postgres(url, clock=clock, **options)


@pytest.fixture(params=OLDER)
def older(request, postgres_url: str, postgres_databases: Databases, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database as a semcache left it that knew migrations up to this one."""
    known = dict(islice(MIGRATIONS.items(), OLDER.index(request.param) + 1))
    url = postgres_databases.create()
    with monkeypatch.context() as patched, psycopg.connect(url, autocommit=True) as connection:
        patched.setattr("semcache.stores.postgres.preparing.MIGRATIONS", known)
        prepare(connection, fingerprint=SPACE, dims=DIMS)
    return url


@pytest.fixture
def filled(older: str, postgres_url: str, open_on: OpenPostgres) -> tuple[PostgresStore, set[str]]:
    """The store whose rows the older database has, and which tables and columns these were."""
    reference = live_in(open_on())
    with psycopg.connect(postgres_url) as source, psycopg.connect(older) as target:
        copy_rows(source, target)
        kept = columns_of(target)
    return reference, set(kept) | {f"{table}.{column.name}" for table, columns in kept.items() for column in columns}


def test_a_filled_database_of_an_older_schema_keeps_everything(filled, older: str, open_on: OpenPostgres) -> None:
    reference, kept = filled
    migrated = told(open_on(older), kept)
    assert migrated == told(reference, kept)
    assert migrated["entries"]
    assert all(migrated["similar"])


@pytest.mark.slow
def test_a_filled_database_of_an_older_schema_can_do_all_that_a_new_one_can(
    filled, older: str, open_on: OpenPostgres
) -> None:
    store = open_on(older)
    known = {each.id for _, made in store.scan() for each in made}
    made = put(store, "k9", EAST, tags=("returns",))
    assert store.nearest(SCOPE, EAST)[0].exemplar.text == "When may I send it back?"
    assert not known & {each.id for each in store.exemplars(made.id)}  # no id is given twice
    forget_batches(store)
    live_in(store)  # over what was there
    assert store.merge(made.id, "ent_returns") is not None
    assert open_on(older, limits=Limits(max_entries=2)).evict() == 1  # so it is known how much there is
    store.delete(Selection())
    assert store.stats().entries == store.stats().exemplars == 0


@pytest.mark.slow
def test_a_migrated_database_has_the_schema_of_a_new_one(
    filled, older: str, postgres_databases: Databases, open_on: OpenPostgres
) -> None:
    fresh = postgres_databases.create()  # one that another test has used may have more indexes
    for url in (older, fresh):
        open_on(url).check()
    with psycopg.connect(fresh) as new, psycopg.connect(older) as migrated:
        assert {table: set(columns) for table, columns in columns_of(migrated).items()} == {
            table: set(columns) for table, columns in columns_of(new).items()
        }
        assert indexes_of(migrated) == indexes_of(new)
        assert functions_of(migrated) == functions_of(new)
