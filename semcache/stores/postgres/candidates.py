"""Exemplars read back with their entries, and proof that those which are remembered are still there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semcache.entry import Entry
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.rows import ENTRY_COLUMNS, ENTRY_WIDTH, EXEMPLAR_COLUMNS, entry_from
from semcache.stores.recollection import Pair
from semcache.stores.stored_rows import Row, exemplar_from

_ID = EXEMPLAR_COLUMNS.split(", ").index("x.id")

_WHOLE = (
    f"SELECT {ENTRY_COLUMNS}, {EXEMPLAR_COLUMNS} FROM semcache.exemplars x JOIN semcache.entries e "
    "ON e.seq = x.entry JOIN semcache.bodies b ON b.entry = e.seq JOIN semcache.uses u ON u.entry = e.seq "
    "WHERE x.id = ANY(%(missing)s)"
)
THERE = "SELECT id FROM semcache.exemplars WHERE id = ANY(%(asked)s)"  # those of `asked` that exist
_NULLS = ["NULL"] * (ENTRY_WIDTH + len(EXEMPLAR_COLUMNS.split(", ")))
_BARE = f"SELECT {', '.join([*_NULLS[: ENTRY_WIDTH + _ID], 't.id', *_NULLS[ENTRY_WIDTH + _ID + 1 :]])} FROM ({THERE}) t"


def fetch(connection: Connection, exemplar_ids: Sequence[int], space: Space) -> dict[int, Pair]:
    """Those of these exemplars that exist, each with its entry, expired or not."""
    return _pairs(connection.execute(_WHOLE, {"missing": list(exemplar_ids)}, binary=True), space)


def still_there(
    connection: Connection, known: Sequence[int], *, missing: Sequence[int], space: Space
) -> tuple[set[int], dict[int, Pair]]:
    """Which of the known exemplars exist, and as `fetch` the missing ones. One round trip."""
    values = {"asked": list(known), "missing": list(missing)}
    if not missing:
        rows = connection.execute(THERE, values, binary=True)
        return {exemplar_id for (exemplar_id,) in rows}, {}
    both = connection.execute(f"{_WHOLE} UNION ALL {_BARE}", values, binary=True).fetchall()
    there = {row[ENTRY_WIDTH + _ID] for row in both if row[0] is None}
    return there, _pairs((row for row in both if row[0] is not None), space)


def _pairs(rows: Iterable[Row], space: Space) -> dict[int, Pair]:
    found: dict[int, Pair] = {}
    entries: dict[str, Entry] = {}
    for row in rows:
        entry = entries.get(row[0]) or entries.setdefault(row[0], entry_from(row[:ENTRY_WIDTH]))
        exemplar = exemplar_from(row[ENTRY_WIDTH:], entry.id, space_id=space.id, dims=space.dims)
        found[exemplar.id] = (entry, exemplar)
    return found
