"""Exemplars read back with their entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semcache.entry import Entry
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.rows import ENTRY_COLUMNS, ENTRY_WIDTH, EXEMPLAR_COLUMNS, entry_from
from semcache.stores.recollection import Pair
from semcache.stores.stored_rows import Row, exemplar_from

PAIR_COLUMNS = f"{ENTRY_COLUMNS}, {EXEMPLAR_COLUMNS}"
PAIR_WIDTH = ENTRY_WIDTH + len(EXEMPLAR_COLUMNS.split(", "))
PAIRS = (  # of those exemplars that are `missing`
    "semcache.exemplars x JOIN semcache.entries e ON e.seq = x.entry JOIN semcache.bodies b ON b.entry = e.seq "
    "JOIN semcache.uses u ON u.entry = e.seq WHERE x.id = ANY(%(missing)s)"
)


def fetch(connection: Connection, exemplar_ids: Sequence[int], space: Space) -> dict[int, Pair]:
    """Those of these exemplars that exist, each with its entry, expired or not."""
    query = f"SELECT {PAIR_COLUMNS} FROM {PAIRS}"
    return pairs_of(connection.execute(query, {"missing": list(exemplar_ids)}, binary=True), space)


def pairs_of(rows: Iterable[Row], space: Space) -> dict[int, Pair]:
    """From `PAIR_COLUMNS`: by exemplar, those of one entry with the same one."""
    found: dict[int, Pair] = {}
    entries: dict[str, Entry] = {}
    for row in rows:
        entry = entries.get(row[0]) or entries.setdefault(row[0], entry_from(row[:ENTRY_WIDTH]))
        exemplar = exemplar_from(row[ENTRY_WIDTH:], entry.id, space_id=space.id, dims=space.dims)
        found[exemplar.id] = (entry, exemplar)
    return found
