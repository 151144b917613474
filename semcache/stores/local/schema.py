"""The tables, and the migrations that make them: each is applied once, its name kept in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from semcache.errors import StoreTooNew, StoreUnavailable

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

LOG_LENGTH = 100_000  # changes kept; whoever fell further behind reads its scope anew

_TABLES = (
    "CREATE TABLE spaces (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, dims INTEGER NOT NULL) STRICT",
    # Lean rows apart from the bodies: counting hits, listing and evicting never touch a message.
    """CREATE TABLE entries (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        scope BLOB NOT NULL, namespace TEXT NOT NULL, digest TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,
        requested_model TEXT NOT NULL, served_model TEXT NOT NULL, cost_usd REAL NOT NULL,
        created_at REAL NOT NULL, expires_at REAL NOT NULL, tags TEXT NOT NULL, credential TEXT NOT NULL,
        bytes INTEGER NOT NULL, hits INTEGER NOT NULL, last_hit_at REAL, heat REAL NOT NULL, worth REAL NOT NULL
    ) STRICT""",
    "CREATE UNIQUE INDEX entries_by_key ON entries (scope, key)",
    "CREATE INDEX entries_by_age ON entries (created_at, seq)",
    "CREATE INDEX entries_by_namespace ON entries (namespace, created_at, seq)",
    "CREATE INDEX entries_by_kind ON entries (namespace, kind, created_at, seq)",
    "CREATE INDEX entries_by_expiry ON entries (expires_at)",
    "CREATE INDEX entries_by_worth ON entries (worth, seq) WHERE kind = 'learned'",
    """CREATE TABLE bodies (
        entry INTEGER PRIMARY KEY REFERENCES entries (seq) ON DELETE CASCADE,
        question BLOB NOT NULL, message BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE entry_tags (
        tag TEXT NOT NULL, entry INTEGER NOT NULL REFERENCES entries (seq) ON DELETE CASCADE, PRIMARY KEY (tag, entry)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX entry_tags_by_entry ON entry_tags (entry)",
    """CREATE TABLE exemplars (
        id INTEGER PRIMARY KEY AUTOINCREMENT, entry INTEGER NOT NULL REFERENCES entries (seq) ON DELETE CASCADE,
        scope BLOB NOT NULL, space INTEGER NOT NULL REFERENCES spaces (id),
        label INTEGER NOT NULL, origin TEXT NOT NULL, created_at REAL NOT NULL,
        text BLOB NOT NULL, vector BLOB NOT NULL, windows BLOB
    ) STRICT""",
    "CREATE INDEX exemplars_by_scope ON exemplars (scope, space)",
    "CREATE INDEX exemplars_by_entry ON exemplars (entry)",
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
    """CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY, at REAL NOT NULL, namespace TEXT NOT NULL, label TEXT NOT NULL,
        outcome TEXT NOT NULL, reason TEXT NOT NULL, requested_model TEXT NOT NULL, served_model TEXT NOT NULL,
        baseline_pico_usd INTEGER NOT NULL, cost_pico_usd INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, latency_ms REAL NOT NULL
    ) STRICT""",
    "CREATE INDEX ledger_by_time ON ledger (at)",
)

# What no code path may forget is done by triggers: the change log that projections follow, and the totals.
_BOOKKEEPING = (
    """CREATE TABLE changes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, scope BLOB NOT NULL, exemplar INTEGER NOT NULL, added INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX changes_by_scope ON changes (scope, seq)",
    """CREATE TRIGGER exemplar_added AFTER INSERT ON exemplars BEGIN
        INSERT INTO changes (scope, exemplar, added) VALUES (NEW.scope, NEW.id, 1);
    END""",
    """CREATE TRIGGER exemplar_removed AFTER DELETE ON exemplars BEGIN
        INSERT INTO changes (scope, exemplar, added) VALUES (OLD.scope, OLD.id, 0);
    END""",
    f"""CREATE TRIGGER changes_pruned AFTER INSERT ON changes WHEN NEW.seq % 1024 = 0 BEGIN
        DELETE FROM changes WHERE seq <= NEW.seq - {LOG_LENGTH};
    END""",
    "CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT",
    "INSERT INTO totals SELECT count(*), ifnull(sum(bytes), 0) FROM entries",
    """CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
        UPDATE totals SET entries = entries + 1, bytes = bytes + NEW.bytes;
    END""",
    """CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
        UPDATE totals SET entries = entries - 1, bytes = bytes - OLD.bytes;
    END""",
    """CREATE TRIGGER entry_resized AFTER UPDATE OF bytes ON entries BEGIN
        UPDATE totals SET bytes = bytes + NEW.bytes - OLD.bytes;
    END""",
)

_LEARNING = (
    "ALTER TABLE exemplars ADD COLUMN key TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX exemplars_by_key ON exemplars (scope, key) WHERE key != '' AND label = 1",
    "CREATE INDEX entries_by_credential ON entries (credential, created_at, expires_at)",
    # The id is a BLOB: it came from upstream, and what is not valid Unicode must not stop the writing of hits.
    """CREATE TABLE servings (
        id BLOB PRIMARY KEY, entry INTEGER NOT NULL REFERENCES entries (seq) ON DELETE CASCADE,
        at REAL NOT NULL, kind TEXT NOT NULL, question BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX servings_by_entry ON servings (entry)",
    "CREATE INDEX servings_by_time ON servings (at)",
    """CREATE TABLE observations (
        seq INTEGER PRIMARY KEY, namespace TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL,
        entry_id TEXT NOT NULL, body BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX observations_by_time ON observations (kind, at)",
    "CREATE INDEX observations_by_namespace ON observations (kind, namespace, at)",
    "CREATE TABLE documents (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT",
)

_ROUTES = (
    "ALTER TABLE ledger ADD COLUMN strategies TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE ledger ADD COLUMN route TEXT NOT NULL DEFAULT ''",
)

# Texts and results apart from the lean rows: following a batch of 100,000 requests reads no prompt.
_BATCHES = (
    """CREATE TABLE batches (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, credential TEXT NOT NULL,
        accepted_at REAL NOT NULL, base_url TEXT NOT NULL, terms TEXT NOT NULL, asked BLOB NOT NULL, sealed BLOB,
        state TEXT, total INTEGER NOT NULL, counts TEXT
    ) STRICT""",
    "CREATE INDEX batches_by_credential ON batches (credential, seq)",
    "CREATE INDEX batches_unended ON batches (seq) WHERE counts IS NULL",
    """CREATE TABLE batch_items (
        batch INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE, place INTEGER NOT NULL,
        custom_id TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL, behind INTEGER, twin_key TEXT,
        head TEXT NOT NULL DEFAULT '', marked TEXT NOT NULL DEFAULT '', size_bytes INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (batch, place)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX batch_items_by_state ON batch_items (batch, state, place)",
    "CREATE INDEX batch_items_by_twin ON batch_items (batch, twin_key, place) WHERE twin_key IS NOT NULL",
    """CREATE TABLE batch_bodies (
        batch INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE, place INTEGER NOT NULL,
        params BLOB NOT NULL, shaped BLOB, PRIMARY KEY (batch, place)
    ) STRICT""",
    """CREATE TABLE batch_results (
        batch INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE, place INTEGER NOT NULL,
        line BLOB NOT NULL, PRIMARY KEY (batch, place)
    ) STRICT""",
    """CREATE TABLE batch_dispatches (
        marker TEXT PRIMARY KEY, batch INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE,
        places BLOB NOT NULL, tried_at REAL NOT NULL, upstream_id TEXT, is_over INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX batch_dispatches_by_batch ON batch_dispatches (batch)",
)

# A bill as of before adds nothing up: its rows keep what they cost, and are attributed to nobody.
_BILL = (
    *(
        f"ALTER TABLE ledger ADD COLUMN {column}"
        for column in (
            "cache_read_tokens INTEGER NOT NULL DEFAULT 0",
            "cache_write_tokens INTEGER NOT NULL DEFAULT 0",
            "tags TEXT NOT NULL DEFAULT '[]'",
            "parts TEXT NOT NULL DEFAULT '{}'",
            "bill TEXT NOT NULL DEFAULT '[]'",
            "requests INTEGER NOT NULL DEFAULT 1",
        )
    ),
)

# What several processes on one store agree on.
_AGREEMENT = (
    """CREATE TABLE leases (
        key TEXT PRIMARY KEY, owner TEXT NOT NULL, fence INTEGER NOT NULL, until REAL NOT NULL
    ) STRICT""",
    "CREATE TABLE generations (namespace TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT",
    "ALTER TABLE documents ADD COLUMN version INTEGER NOT NULL DEFAULT 1",
)

MIGRATIONS = {
    "m001_entries_and_exemplars": _TABLES,
    "m002_change_log_and_totals": _BOOKKEEPING,
    "m003_aliases_servings_and_observations": _LEARNING,
    "m004_routes": _ROUTES,
    "m005_batches": _BATCHES,
    "m006_bill": _BILL,
    "m007_leases_generations_and_versions": _AGREEMENT,
}


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a file to the newest schema. Raises `StoreTooNew` before it changes anything."""
    from sqlite_utils import Database

    database = Database(connection, recursive_triggers=False)
    migrations = _migrations()
    if unknown := sorted({each.name for each in migrations.applied(database)} - MIGRATIONS.keys()):
        raise StoreTooNew(
            f"{path}: written by a newer semcache (its schema has {unknown[-1]}); upgrade semcache, or point "
            "SEMCACHE_DATA_DIR at another directory"
        )
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreUnavailable(f"{path}: SQLite cannot keep a write-ahead log here; use a local disk")
    if migrations.pending(database):
        connection.execute("BEGIN IMMEDIATE")  # two processes may open a new store at once
        migrations.apply(database)
        connection.execute("COMMIT")


def _migrations() -> Migrations:
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("semcache")
    for name, statements in MIGRATIONS.items():
        migrations(name=name)(_running(statements))
    return migrations


def _running(statements: tuple[str, ...]) -> Callable[[Database], None]:
    def migrate(database: Database) -> None:
        for statement in statements:
            database.execute(statement)

    return migrate
