"""A database made ready: the versions it must have, the extension, the newest schema, the embedding space."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import errors

from semcache.errors import StoreError, StoreTooNew
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.database import THOROUGH_SECONDS, transaction
from semcache.stores.postgres.schema import MIGRATIONS

OLDEST_SERVER = 15
OLDEST_PGVECTOR = (0, 8, 0)  # halfvec came with 0.7, searching on past what a filter rejects with 0.8
MOST_DIMS = 3900  # a halfvec must fit a page of 8 kB
_ONE_AT_A_TIME = 0x73656D63616368  # of the migrations: any number that is ours


@dataclass(frozen=True)
class Space:
    """The embedding space of this store: its number in the database, and its dimensions."""

    id: int
    dims: int


def prepare(connection: Connection, *, fingerprint: str, dims: int) -> Space:
    """Bring the database to the newest schema. Raises `StoreTooNew` before it changes anything, `StoreError`."""
    check_server(connection)
    if dims > MOST_DIMS:
        raise StoreError(f"embedder: its {dims} dims are more than the {MOST_DIMS} that PostgreSQL can search")
    if _applied(connection) == MIGRATIONS.keys():
        space = _known_space(connection, fingerprint)
        if space is not None:
            return _checked(space, dims)
    with transaction(connection, seconds=THOROUGH_SECONDS):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
        _make_extension(connection)
        _migrate(connection)
        connection.execute(
            "INSERT INTO semcache.spaces (fingerprint, dims) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (fingerprint, dims),
        )
        made = _known_space(connection, fingerprint)
    assert made is not None
    return _checked(made, dims)


def check_server(connection: Connection) -> None:
    """Raises `StoreError` for a server that is too old, or keeps no Unicode."""
    info = connection.info
    if info.server_version < OLDEST_SERVER * 10000:
        found = info.server_version // 10000
        raise StoreError(
            f"store: PostgreSQL {OLDEST_SERVER} or newer is needed, and this is {found}; upgrade the server"
        )
    encoding = info.parameter_status("server_encoding")
    if encoding not in (None, "UTF8"):
        raise StoreError(f"store: the database is encoded in {encoding}; create it with ENCODING 'UTF8'")


def pgvector_version(connection: Connection) -> tuple[int, ...] | None:
    """Of the extension in this database; None: it has none."""
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    return None if row is None else tuple(int(part) for part in row[0].split(".") if part.isdecimal())


def check_pgvector(version: tuple[int, ...] | None, oldest: tuple[int, ...], needed_for: str) -> None:
    """Raises `StoreError`."""
    if version is not None and version < oldest:
        raise StoreError(
            f"store: {needed_for} needs pgvector {_dotted(oldest)} or newer, and this database has {_dotted(version)}; "
            "upgrade it on the server, then run: ALTER EXTENSION vector UPDATE"
        )


def _make_extension(connection: Connection) -> None:
    version = pgvector_version(connection)
    if version is None:
        try:
            connection.execute("CREATE EXTENSION vector")
        except errors.InsufficientPrivilege:
            raise StoreError(
                "store: this database lacks the extension pgvector, and this user may not add it; run as an "
                "administrator of the database: CREATE EXTENSION vector"
            ) from None
        except (errors.FeatureNotSupported, errors.UndefinedFile):
            raise StoreError(
                "store: this server has no pgvector; install the package for it (Debian: postgresql-NN-pgvector)"
            ) from None
        version = pgvector_version(connection)
    check_pgvector(version, OLDEST_PGVECTOR, "the search")


def _applied(connection: Connection) -> set[str]:
    """The names of the migrations that were applied. Raises `StoreTooNew`."""
    (table,) = connection.execute("SELECT to_regclass('semcache.migrations')").fetchone() or (None,)
    if table is None:
        return set()
    applied = {name for (name,) in connection.execute("SELECT name FROM semcache.migrations")}
    if unknown := sorted(applied - MIGRATIONS.keys()):
        raise StoreTooNew(
            f"store: the database was written by a newer semcache (its schema has {unknown[-1]}); upgrade semcache, or "
            "point SEMCACHE_STORE at another database"
        )
    return applied


def _migrate(connection: Connection) -> None:
    try:
        if connection.execute("SELECT to_regnamespace('semcache')").fetchone() == (None,):  # IF NOT EXISTS asks more
            connection.execute("CREATE SCHEMA semcache")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS semcache.migrations (name text PRIMARY KEY, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
    except errors.InsufficientPrivilege:
        raise StoreError(
            "store: this user may not make the schema semcache; run as an administrator of the database: "
            "CREATE SCHEMA semcache AUTHORIZATION this_user"
        ) from None
    applied = _applied(connection)
    for name, statements in MIGRATIONS.items():
        if name not in applied:
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO semcache.migrations (name) VALUES (%s)", (name,))


def _known_space(connection: Connection, fingerprint: str) -> Space | None:
    row = connection.execute("SELECT id, dims FROM semcache.spaces WHERE fingerprint = %s", (fingerprint,)).fetchone()
    return None if row is None else Space(*row)


def _checked(space: Space, dims: int) -> Space:
    if space.dims != dims:
        raise StoreError(f"embedder: its fingerprint was stored with {space.dims} dims, and now has {dims}")
    return space


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
