"""Exemplars read back with their entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semcache.entry import Entry
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.rows import ENTRY_COLUMNS, ENTRY_WIDTH, EXEMPLAR_COLUMNS, entry_from
from semcache.stores.recollection import Pair
from semcache.stores.stored_rows import Row, exemplar_from

_PAIRS = (
    f"SELECT {ENTRY_COLUMNS}, {EXEMPLAR_COLUMNS} FROM semcache.exemplars x JOIN semcache.entries e ON e.seq = x.entry "
    "JOIN semcache.bodies b ON b.entry = e.seq JOIN semcache.uses u ON u.entry = e.seq WHERE x.id = ANY(%s)"
)


def fetch(connection: Connection, exemplar_ids: Sequence[int], space: Space) -> dict[int, Pair]:
    """Those of these exemplars that exist, each with its entry, expired or not."""
    return pairs_of(connection.execute(_PAIRS, (list(exemplar_ids),), binary=True), space)


def pairs_of(rows: Iterable[Row], space: Space) -> dict[int, Pair]:
    """From the columns of entries and exemplars: by exemplar, those of one entry with the same one."""
    found: dict[int, Pair] = {}
    entries: dict[str, Entry] = {}
    for row in rows:
        entry = entries.get(row[0]) or entries.setdefault(row[0], entry_from(row[:ENTRY_WIDTH]))
        exemplar = exemplar_from(row[ENTRY_WIDTH:], entry.id, space_id=space.id, dims=space.dims)
        found[exemplar.id] = (entry, exemplar)
    return found
