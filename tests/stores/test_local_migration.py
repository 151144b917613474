"""A database of an older semcache is brought up to date when it is opened, and keeps everything.

`database_of_m002.sql` is the dump of one that semcache wrote before exemplars had keys. Of every older schema one is
made of the rows of the present store: so a migration that is added is covered from the day on which the next one comes.
"""

from __future__ import annotations

import sqlite3
from itertools import islice
from pathlib import Path

import pytest
from lived_in import EAST, NORTH, forget_batches, live_in, told
from store_samples import DIMS, OTHER_SCOPE, SCOPE, SPACE, entry, exemplar, found, ledger_row, put, serving

from semcache.entry import Kind, Label, Origin
from semcache.stores.ledger_book import LedgerQuery, grouped
from semcache.stores.limits import Limits
from semcache.stores.local.examination import problems_in
from semcache.stores.local.schema import MIGRATIONS, prepare
from semcache.stores.local.store import LocalStore
from semcache.stores.store import Selection

DUMP = Path(__file__).with_name("database_of_m002.sql")


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    file = tmp_path / "cache.sqlite3"
    connection = sqlite3.connect(file)
    connection.executescript(DUMP.read_text("utf-8"))
    connection.close()
    return file


def schema_of(file: Path) -> set[tuple[str, str, str]]:
    """Every table's columns and every index and trigger."""
    connection = sqlite3.connect(file)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {(table, *row[1:3]) for table in tables for row in connection.execute(f"PRAGMA table_xinfo({table})")}
    others = connection.execute("SELECT type, name, tbl_name FROM sqlite_master WHERE type != 'table'").fetchall()
    connection.close()
    return columns | {(str(kind), str(name), str(table)) for kind, name, table in others}


def test_an_older_database_keeps_everything(old_file: Path, open_local) -> None:
    assert problems_in(old_file) == []  # examined before anything opens it
    store = open_local()
    returns = store.get_exact(SCOPE, "k1")
    assert (returns.id, returns.hits, returns.tags, returns.credential) == ("ent_returns", 3, ("returns",), "hmac-1")
    assert store.get("ent_opening").message.text == "At nine. \ud83d"
    assert store.get("ent_opening").kind is Kind.FAQ
    assert store.get_exact(OTHER_SCOPE, "k4").expires_at == 2_000_000_000.0
    assert found(store, EAST) == [
        "When may I send a parcel back?",
        "When may I keep a parcel?",
        "When do you open?",
    ]
    kept = store.exemplars("ent_returns")
    assert [(each.label, each.origin, each.key) for each in kept] == [
        (Label.POSITIVE, Origin.MISS, ""),
        (Label.NEGATIVE, Origin.FEEDBACK, ""),
    ]
    assert store.ledger_groups(LedgerQuery(by=("outcome",))) == grouped([ledger_row()], LedgerQuery(by=("outcome",)))
    assert store.secret("tenants") == b"s" * 32


def test_an_older_database_can_do_all_that_a_new_one_can(old_file: Path, open_local) -> None:
    store = open_local()
    made = entry("k5", question="How do I return a parcel?")
    store.put(made, [exemplar(made, NORTH, text=made.question)])
    assert all(each.id > 4 for each in store.exemplars(made.id))  # no id is used again
    store.record_hit(made.id, serving("m1", made.id))
    assert store.merge(made.id, "ent_returns").hits == 4
    store.close()
    again = open_local()
    assert again.get_exact(SCOPE, "k5").id == "ent_returns"
    assert again.serving("m1").entry_id == "ent_returns"
    assert again.written_since("hmac-1", 1_800_000_000.0) == 1


def test_a_migrated_database_has_the_schema_of_a_new_one(old_file: Path, tmp_path: Path, open_local) -> None:
    assert "servings" not in {name for name, *_ in schema_of(old_file)}
    open_local().close()
    open_local(tmp_path / "new").close()
    assert schema_of(old_file) == schema_of(tmp_path / "new" / "cache.sqlite3")


def test_an_older_database_that_cannot_be_migrated_is_left_as_it_was(old_file: Path, monkeypatch) -> None:
    broken = {**MIGRATIONS, "m003_aliases_servings_and_observations": ("CREATE TABLE a (b)", "not SQL")}
    monkeypatch.setattr("semcache.stores.local.schema.MIGRATIONS", broken)
    before = schema_of(old_file)
    with pytest.raises(Exception, match="syntax error"):
        LocalStore(old_file.parent, space=SPACE, dims=DIMS)
    assert schema_of(old_file) == before


# every older schema, filled


OLDER = list(MIGRATIONS)[:-1]
_NOT_COPIED = {"_sqlite_migrations", "changes", "totals", "sqlite_sequence"}  # what triggers and SQLite itself keep


def columns_of(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Of each table, in the order in which they were made: no row is written before what it refers to."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
    return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for (name,) in tables.fetchall()}


def older_file(file: Path, newest: str, patched: pytest.MonkeyPatch) -> None:
    """An empty one, as a semcache left it that knew migrations up to this one."""
    known = dict(islice(MIGRATIONS.items(), OLDER.index(newest) + 1))
    connection = sqlite3.connect(file, isolation_level=None)
    with patched.context() as patch:
        patch.setattr("semcache.stores.local.schema.MIGRATIONS", known)
        prepare(connection, file)
    connection.close()


def copy_rows(source_file: Path, target_file: Path) -> set[str]:
    """Every row into the older schema, without what that has no place for; which tables and columns it has."""
    source, target = sqlite3.connect(source_file), sqlite3.connect(target_file)
    kept = columns_of(target)
    for table in kept.keys() - _NOT_COPIED:
        target.execute(f"DELETE FROM {table}")
    for table, columns in kept.items():
        if table not in _NOT_COPIED:
            rows = source.execute(f"SELECT {', '.join(columns)} FROM {table}")
            places = ", ".join("?" * len(columns))
            target.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)
    target.commit()
    source.close()
    target.close()
    return set(kept) | {f"{table}.{column}" for table, columns in kept.items() for column in columns}


@pytest.fixture(params=OLDER)
def filled(request, tmp_path: Path, open_local, monkeypatch) -> tuple[LocalStore, Path, set[str]]:
    """A store, the directory of one of an older schema that has its rows, and which tables and columns these were."""
    reference = live_in(open_local(tmp_path / "reference"))
    (tmp_path / "older").mkdir()
    file = tmp_path / "older" / "cache.sqlite3"
    older_file(file, request.param, monkeypatch)
    return reference, file.parent, copy_rows(tmp_path / "reference" / "cache.sqlite3", file)


def test_a_filled_database_of_every_older_schema_keeps_everything(filled, open_local) -> None:
    reference, older, kept = filled
    migrated = told(open_local(older), kept)
    assert migrated == told(reference, kept)
    assert migrated["entries"]
    assert all(migrated["similar"])


def test_a_filled_database_of_every_older_schema_can_do_all_that_a_new_one_can(filled, open_local) -> None:
    _, older, _ = filled
    store = open_local(older)
    known = {each.id for _, made in store.scan() for each in made}
    made = put(store, "k9", EAST, tags=("returns",))
    assert not known & {each.id for each in store.exemplars(made.id)}
    forget_batches(store)
    live_in(store)  # over what was there
    assert store.merge(made.id, "ent_returns") is not None
    store.close()
    again = open_local(older, limits=Limits(max_entries=2))
    assert again.evict() == 1  # so it is known how much there is
    again.delete(Selection())
    assert again.stats().entries == again.stats().exemplars == 0
    again.close()
    assert problems_in(older / "cache.sqlite3") == []
