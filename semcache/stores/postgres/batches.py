"""Batches in PostgreSQL: lean rows of requests apart from their texts, results compressed line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from semcache.batching.batch_life import BatchEnded, BatchState
from semcache.batching.message_batch import Counts
from semcache.batching.spelling import spell, state_name
from semcache.batching.states import Accepted
from semcache.stores.batch_spelling import (
    DISPATCH_COLUMNS,
    ENDED_SQL,
    ITEM_COLUMNS,
    RECORD_COLUMNS,
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
from semcache.stores.postgres.batch_rows import find_seq, insert_items, seq_of, write_change
from semcache.stores.postgres.charge import Charge
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.database import PATIENT_SECONDS, Database
from semcache.stores.postgres.now import Now


class PostgresBatches:
    """Keeps to `semcache.stores.batch_store.BatchStore`."""

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._charge = Charge(database, now)

    def take_charge(self) -> bool:
        return self._charge.take()

    def keeps_charge(self) -> bool:
        return self._charge.is_held

    def leave_charge(self) -> None:
        self._charge.leave()

    # arrival

    def begin(self, record: BatchRecord) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO semcache.batches (id, credential, accepted_at, base_url, terms, asked, sealed, state, "
                "total) VALUES (%s, %s, %s, %s, %s, %s, %s, NULL, 0)",
                record_values(record),
            )

    def add(self, batch_id: str, first_place: int, items: Sequence[NewItem]) -> None:
        accepted = spell(Accepted())["state"]
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            seq = seq_of(connection, batch_id)
            insert_items(
                connection,
                [
                    (seq, place, item.custom_id, accepted, item.params)
                    for place, item in enumerate(items, start=first_place)
                ],
            )

    def accept(self, batch_id: str, state: BatchState, *, total: int) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE semcache.batches SET state = %s, total = %s WHERE id = %s", (spelled(state), total, batch_id)
            )

    def discard_arriving(self, *, before: float) -> int:
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            query = "DELETE FROM semcache.batches WHERE state IS NULL AND accepted_at < %s"
            return connection.execute(query, (before,)).rowcount

    # batches

    def batch(self, batch_id: str) -> BatchRecord | None:
        return next(iter(self._records("id = %s", batch_id)), None)

    def unended(self) -> list[BatchRecord]:
        return self._records("counts IS NULL")

    def newest(self, *, limit: int) -> list[BatchRecord]:
        return self._records("true", order="seq DESC", limit=limit)

    def ended_before(self, accepted_before: float) -> list[BatchRecord]:
        found = self._records("counts IS NOT NULL AND accepted_at < %s", accepted_before)
        return [each for each in found if isinstance(each.state, BatchEnded)]

    def listing(
        self, credential: str, *, limit: int, after_id: str | None = None, before_id: str | None = None
    ) -> BatchListing:
        with self._database.reading() as connection:
            after, before = find_seq(connection, after_id), find_seq(connection, before_id)
        where, values = joined([("credential = %s", [credential]), ("seq < %s", [after]), ("seq > %s", [before])])
        order = "seq DESC" if before is None else "seq ASC"
        found = self._records(where, *values, order=order, limit=limit + 1)
        return listing_of(found, limit, is_up=before is not None)

    def move(self, batch_id: str, state: BatchState, *, instead_of: BatchState) -> bool:
        values = (spelled(state), batch_id, spelled(instead_of))
        with self._database.writing() as connection:
            query = "UPDATE semcache.batches SET state = %s WHERE id = %s AND state = %s"
            return connection.execute(query, values).rowcount > 0

    def end(self, batch_id: str, state: BatchState, counts: Counts) -> None:
        with self._working() as connection:
            seq = seq_of(connection, batch_id)
            values = (spelled(state), spelled_counts(counts), seq)
            connection.execute(
                "UPDATE semcache.batches SET state = %s, counts = %s, sealed = NULL WHERE seq = %s", values
            )
            connection.execute("DELETE FROM semcache.batch_bodies WHERE batch = %s", (seq,))

    def archive(self, batch_id: str, state: BatchState) -> None:
        with self._working() as connection:
            seq = seq_of(connection, batch_id)
            connection.execute("UPDATE semcache.batches SET state = %s WHERE seq = %s", (spelled(state), seq))
            connection.execute("DELETE FROM semcache.batch_results WHERE batch = %s", (seq,))
            connection.execute("DELETE FROM semcache.batch_items WHERE batch = %s", (seq,))

    def delete(self, batch_id: str) -> None:
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            connection.execute("DELETE FROM semcache.batches WHERE id = %s", (batch_id,))

    # requests

    def counts(self, batch_id: str) -> Counts:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            found = connection.execute(
                "SELECT state, count(*) FROM semcache.batch_items WHERE batch = %s GROUP BY state",
                (seq_of(connection, batch_id),),
            ).fetchall()
        return read_counts(dict(found))

    def items(self, batch_id: str, states: Sequence[type], *, after: int = -1, limit: int) -> list[Item]:
        names = [state_name(each) for each in states]
        return self._items(batch_id, "batch = %s AND place > %s AND state = ANY(%s)", [after, names], limit)

    def items_at(self, batch_id: str, places: Sequence[int]) -> list[Item]:
        return self._items(batch_id, "batch = %s AND place = ANY(%s)", [list(places)], len(places))

    def ready(self, batch_id: str, state: type, *, limit: int) -> list[Item]:
        where = (
            "batch = %s AND state = %s AND (behind IS NULL OR EXISTS (SELECT 1 FROM semcache.batch_items o "
            f"WHERE o.batch = i.batch AND o.place = i.behind AND o.state IN {ENDED_SQL}))"
        )
        return self._items(batch_id, where, [state_name(state)], limit)

    def bodies(self, batch_id: str, places: Sequence[int]) -> dict[int, Body]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            rows = connection.execute(
                "SELECT place, params, shaped FROM semcache.batch_bodies WHERE batch = %s AND place = ANY(%s)",
                (seq_of(connection, batch_id), list(places)),
                binary=True,
            ).fetchall()
        return read_bodies(rows)

    def twin(self, batch_id: str, twin_key: str) -> int | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT min(place) FROM semcache.batch_items WHERE batch = %s AND twin_key = %s",
                (seq_of(connection, batch_id), twin_key),
            ).fetchone()
        return None if row is None else row[0]

    def apply(self, batch_id: str, change: Change) -> None:
        with self._working() as connection:
            write_change(connection, seq_of(connection, batch_id), change)

    def dispatches(self, batch_id: str) -> list[Dispatch]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            rows = connection.execute(
                f"SELECT {DISPATCH_COLUMNS} FROM semcache.batch_dispatches "
                "WHERE batch = %s AND NOT is_over ORDER BY seq",
                (seq_of(connection, batch_id),),
                binary=True,
            ).fetchall()
        return [read_dispatch(row) for row in rows]

    def upstream_ids(self) -> frozenset[str]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            rows = connection.execute(
                "SELECT upstream_id FROM semcache.batch_dispatches WHERE upstream_id IS NOT NULL"
            ).fetchall()
        return frozenset(upstream_id for (upstream_id,) in rows)

    def results(self, batch_id: str, *, after: int = -1, limit: int) -> list[tuple[int, bytes]]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            rows = connection.execute(
                "SELECT place, line FROM semcache.batch_results WHERE batch = %s AND place > %s "
                "ORDER BY place LIMIT %s",
                (seq_of(connection, batch_id), after, limit),
                binary=True,
            ).fetchall()
        return read_results(rows)

    @contextmanager
    def _working(self) -> Iterator[Connection]:
        """A transaction of the office: nothing that it writes is committed where another is in charge by now."""
        with self._database.writing(seconds=PATIENT_SECONDS) as connection:
            self._charge.uphold(connection)
            yield connection

    def _records(
        self, where: str, *values: object, order: str = "seq ASC", limit: int | None = None
    ) -> list[BatchRecord]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            rows = connection.execute(
                f"SELECT {RECORD_COLUMNS} FROM semcache.batches WHERE state IS NOT NULL AND {where} ORDER BY {order} "
                "LIMIT %s",
                (*values, limit),
                binary=True,
            ).fetchall()
        return [read_record(row) for row in rows]

    def _items(self, batch_id: str, where: str, values: Sequence[object], limit: int) -> list[Item]:
        with self._database.reading(seconds=PATIENT_SECONDS) as connection:
            rows = connection.execute(
                f"SELECT {ITEM_COLUMNS} FROM semcache.batch_items i WHERE {where} ORDER BY place LIMIT %s",
                (seq_of(connection, batch_id), *values, limit),
            ).fetchall()
        return [read_item(row) for row in rows]
