"""An HNSW index over the vectors, for scopes of more than about 50,000 questions; and its upkeep.

One for each partition, since an index over very many scopes with the same questions finds too few of one scope's
neighbours. Removed rows stay in such an index until a VACUUM repairs it around them, which takes long; rebuilding it
first is quicker, and does not keep anybody from reading or writing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.preparing import Space, check_pgvector, pgvector_version
from semcache.stores.postgres.schema import PARTITIONS

OLDEST_PGVECTOR = (0, 8, 4)  # before, VACUUM could fail where rows came and went meanwhile (pgvector#993)


@dataclass(frozen=True)
class Upkeep:
    """One thing that was done."""

    what: str
    of: str


def check_indexable(connection: Connection) -> None:
    """Raises `StoreError` where this pgvector is too old for an index."""
    check_pgvector(pgvector_version(connection), OLDEST_PGVECTOR, "semcache_vector_index=hnsw")


def missing_indexes(connection: Connection, space: Space) -> int:
    """How many partitions are searched without their index."""
    return PARTITIONS - sum(_sound_indexes(connection, space).values())


def kept_up(connection: Connection, space: Space, *, is_indexed: bool) -> Iterator[Upkeep]:
    """Build or rebuild the indexes, or remove those that nothing uses, then clear away what was deleted.

    Outside of any transaction; takes a second for 5,000 vectors, and may be broken off and called again.
    """
    known = _sound_indexes(connection, space)
    for number in range(PARTITIONS):
        name = _name(number, space)
        if known.get(name) is False or (known.get(name) and not is_indexed):  # a build that was broken off
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS semcache.{name}")
            yield Upkeep("removed", name)
        if is_indexed and known.get(name):
            connection.execute(f"REINDEX INDEX CONCURRENTLY semcache.{name}")
            yield Upkeep("rebuilt", name)
        elif is_indexed:
            connection.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON semcache.vectors_{number} USING hnsw "
                f"((emb::halfvec({space.dims})) halfvec_ip_ops) WHERE space = {space.id}"
            )
            yield Upkeep("built", name)
    for table in ("vectors", "exemplars", "entries", "bodies", "uses", "servings", "totals"):
        connection.execute(f"VACUUM (ANALYZE) semcache.{table}")
        yield Upkeep("vacuumed", table)


def _sound_indexes(connection: Connection, space: Space) -> dict[str, bool]:
    """Those that exist by name, and whether they can be used."""
    names = [_name(number, space) for number in range(PARTITIONS)]
    rows = connection.execute(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'semcache' AND c.relname = ANY(%s)",
        (names,),
    )
    return dict(rows.fetchall())


def _name(number: int, space: Space) -> str:
    return f"vectors_{number}_hnsw_{space.id}"
