"""Batches in SQLite: lean rows of requests apart from their texts, results compressed line by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import IO

from semcache.batching.batch_life import BatchEnded, BatchState
from semcache.batching.message_batch import Counts
from semcache.batching.spelling import spell, state_name
from semcache.batching.states import Accepted
from semcache.stores.batch_spelling import (
    DISPATCH_COLUMNS,
    ENDED_SQL,
    ITEM_COLUMNS,
    RECORD_COLUMNS,
    deflated,
    listing_of,
    read_bodies,
    read_counts,
    read_dispatch,
    read_item,
    read_record,
    read_results,
    record_values,
    spelled,
    spelled_counts,
)
from semcache.stores.batch_store import BatchListing, BatchRecord, Body, Change, Dispatch, Item, NewItem
from semcache.stores.conditions import joined
from semcache.stores.local.batch_rows import find_seq, marks, seq_of, write_change
from semcache.stores.local.charge import release, seize
from semcache.stores.local.database import Database

_PLACES_AT_ONCE = 500


class LocalBatches:
    """Keeps to `semcache.stores.batch_store.BatchStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._charge: IO[bytes] | None = None
        self._charge_lock = Lock()

    def take_charge(self) -> bool:
        with self._charge_lock:
            if self._charge is not None:
                return False
            self._charge = seize(_lock_path(self._database.path))
            return self._charge is not None

    def keeps_charge(self) -> bool:
        with self._charge_lock:
            return self._charge is not None

    # arrival

    def begin(self, record: BatchRecord) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO batches (id, credential, accepted_at, base_url, terms, asked, sealed, state, total) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, NULL, 0)",
                record_values(record),
            )

    def add(self, batch_id: str, first_place: int, items: Sequence[NewItem]) -> None:
        numbered = list(enumerate(items, start=first_place))
        accepted = spell(Accepted())["state"]
        with self._database.writing() as connection:
            seq = seq_of(connection, batch_id)
            connection.executemany(
                "INSERT INTO batch_items (batch, place, custom_id, state, detail) VALUES (?, ?, ?, ?, '{}')",
                [(seq, place, item.custom_id, accepted) for place, item in numbered],
            )
            connection.executemany(
                "INSERT INTO batch_bodies (batch, place, params) VALUES (?, ?, ?)",
                [(seq, place, deflated(item.params)) for place, item in numbered],
            )

    def accept(self, batch_id: str, state: BatchState, *, total: int) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE batches SET state = ?, total = ? WHERE id = ?", (spelled(state), total, batch_id)
            )

    def discard_arriving(self, *, before: float) -> int:
        with self._database.writing() as connection:
            return connection.execute("DELETE FROM batches WHERE state IS NULL AND accepted_at < ?", (before,)).rowcount

    # batches

    def batch(self, batch_id: str) -> BatchRecord | None:
        return next(iter(self._records("id = ?", batch_id)), None)

    def unended(self) -> list[BatchRecord]:
        return self._records("counts IS NULL")

    def newest(self, *, limit: int) -> list[BatchRecord]:
        return self._records("1", order="seq DESC", limit=limit)

    def ended_before(self, accepted_before: float) -> list[BatchRecord]:
        found = self._records("counts IS NOT NULL AND accepted_at < ?", accepted_before)
        return [each for each in found if isinstance(each.state, BatchEnded)]

    def listing(
        self, credential: str, *, limit: int, after_id: str | None = None, before_id: str | None = None
    ) -> BatchListing:
        with self._database.reading() as connection:
            after, before = find_seq(connection, after_id), find_seq(connection, before_id)
        where, values = joined([("credential = ?", [credential]), ("seq < ?", [after]), ("seq > ?", [before])])
        order = "seq DESC" if before is None else "seq ASC"
        found = self._records(where, *values, order=order, limit=limit + 1)
        return listing_of(found, limit, is_up=before is not None)

    def move(self, batch_id: str, state: BatchState, *, instead_of: BatchState) -> bool:
        values = (spelled(state), batch_id, spelled(instead_of))
        with self._database.writing() as connection:
            return connection.execute("UPDATE batches SET state = ? WHERE id = ? AND state = ?", values).rowcount > 0

    def end(self, batch_id: str, state: BatchState, counts: Counts) -> None:
        with self._database.writing() as connection:
            seq = seq_of(connection, batch_id)
            values = (spelled(state), spelled_counts(counts), seq)
            connection.execute("UPDATE batches SET state = ?, counts = ?, sealed = NULL WHERE seq = ?", values)
            connection.execute("DELETE FROM batch_bodies WHERE batch = ?", (seq,))

    def archive(self, batch_id: str, state: BatchState) -> None:
        with self._database.writing() as connection:
            seq = seq_of(connection, batch_id)
            connection.execute("UPDATE batches SET state = ? WHERE seq = ?", (spelled(state), seq))
            connection.execute("DELETE FROM batch_results WHERE batch = ?", (seq,))
            connection.execute("DELETE FROM batch_items WHERE batch = ?", (seq,))

    def delete(self, batch_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM batches WHERE id = ?", (batch_id,))

    # requests

    def counts(self, batch_id: str) -> Counts:
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT state, count(*) FROM batch_items WHERE batch = ? GROUP BY state",
                (seq_of(connection, batch_id),),
            ).fetchall()
        return read_counts(dict(found))

    def items(self, batch_id: str, states: Sequence[type], *, after: int = -1, limit: int) -> list[Item]:
        names = [state_name(each) for each in states]
        where = f"batch = ? AND place > ? AND state IN ({marks(names)})"
        return self._items(batch_id, where, [after, *names], limit)

    def items_at(self, batch_id: str, places: Sequence[int]) -> list[Item]:
        found: list[Item] = []
        ordered = sorted(places)
        for start in range(0, len(ordered), _PLACES_AT_ONCE):
            some = ordered[start : start + _PLACES_AT_ONCE]
            found += self._items(batch_id, f"batch = ? AND place IN ({marks(some)})", some, len(some))
        return found

    def ready(self, batch_id: str, state: type, *, limit: int) -> list[Item]:
        where = (
            "batch = ? AND state = ? AND (behind IS NULL OR EXISTS (SELECT 1 FROM batch_items o "
            f"WHERE o.batch = i.batch AND o.place = i.behind AND o.state IN {ENDED_SQL}))"
        )
        return self._items(batch_id, where, [state_name(state)], limit)

    def bodies(self, batch_id: str, places: Sequence[int]) -> dict[int, Body]:
        found: dict[int, Body] = {}
        with self._database.reading() as connection:
            seq = seq_of(connection, batch_id)
            for start in range(0, len(places), _PLACES_AT_ONCE):
                some = list(places[start : start + _PLACES_AT_ONCE])
                rows = connection.execute(
                    f"SELECT place, params, shaped FROM batch_bodies WHERE batch = ? AND place IN ({marks(some)})",
                    [seq, *some],
                )
                found |= read_bodies(rows)
        return found

    def twin(self, batch_id: str, twin_key: str) -> int | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT min(place) FROM batch_items WHERE batch = ? AND twin_key = ?",
                (seq_of(connection, batch_id), twin_key),
            ).fetchone()
        place: int | None = row[0]
        return place

    def apply(self, batch_id: str, change: Change) -> None:
        with self._database.writing() as connection:
            write_change(connection, seq_of(connection, batch_id), change)

    def dispatches(self, batch_id: str) -> list[Dispatch]:
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {DISPATCH_COLUMNS} FROM batch_dispatches WHERE batch = ? AND is_over = 0 ORDER BY rowid",
                (seq_of(connection, batch_id),),
            ).fetchall()
        return [read_dispatch(row) for row in rows]

    def upstream_ids(self) -> frozenset[str]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT upstream_id FROM batch_dispatches WHERE upstream_id IS NOT NULL")
            return frozenset(upstream_id for (upstream_id,) in rows)

    def results(self, batch_id: str, *, after: int = -1, limit: int) -> list[tuple[int, bytes]]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT place, line FROM batch_results WHERE batch = ? AND place > ? ORDER BY place LIMIT ?",
                (seq_of(connection, batch_id), after, limit),
            ).fetchall()
        return read_results(rows)

    def leave_charge(self) -> None:
        with self._charge_lock:
            charge, self._charge = self._charge, None
        if charge is not None:
            release(charge)

    def _records(self, where: str, *values: object, order: str = "seq ASC", limit: int = -1) -> list[BatchRecord]:
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {RECORD_COLUMNS} FROM batches WHERE state IS NOT NULL AND {where} ORDER BY {order} LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [read_record(row) for row in rows]

    def _items(self, batch_id: str, where: str, values: Sequence[object], limit: int) -> list[Item]:
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {ITEM_COLUMNS} FROM batch_items i WHERE {where} ORDER BY place LIMIT ?",
                (seq_of(connection, batch_id), *values, limit),
            ).fetchall()
        return [read_item(row) for row in rows]


def _lock_path(path: Path) -> Path:
    return path.with_name("batches.lock")
