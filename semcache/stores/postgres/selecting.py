"""Listing, removing and counting entries by what a `Selection` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from semcache.entry import Entry, Kind
from semcache.stores.conditions import joined, plain_terms
from semcache.stores.paging import Order, Place
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.rows import ENTRIES, ENTRY_COLUMNS, ENTRY_WIDTH, entry_from
from semcache.stores.store import Page, Selection, StoreStats
from semcache.stores.stored import encoded
from semcache.stores.stored_rows import page_of

SCAN_CHUNK = 200
_RANKS = {Order.NEWEST: "e.created_at", Order.HITS: "u.hits"}
_WITH_USES = " JOIN semcache.uses u ON u.entry = e.seq"


def page(connection: Connection, selection: Selection, place: Place, *, now: str) -> Page:
    """Live entries in the order that was asked for."""
    where, values = _condition(selection)
    rank = _RANKS[place.order]
    if place.after is not None:
        where, values = f"{where} AND ({rank}, e.seq) < (%s, %s)", [*values, place.after.rank, place.after.number]
    order = f"ORDER BY {rank} DESC, e.seq DESC"
    source = "semcache.entries e" + (_WITH_USES if place.order is Order.HITS else "")
    rows = connection.execute(
        f"WITH chosen AS MATERIALIZED (SELECT e.seq FROM {source} WHERE {where} AND e.expires_at > {now} "
        f"{order} LIMIT %s) SELECT {ENTRY_COLUMNS}, e.seq, {rank} FROM {ENTRIES} "
        f"JOIN chosen c ON c.seq = e.seq {order}",
        (*values, place.limit + 1),
        binary=True,
    ).fetchall()
    return page_of(rows, place.limit, width=ENTRY_WIDTH, read=entry_from)


def count(connection: Connection, selection: Selection, *, now: str) -> int:
    """How many live entries are selected."""
    where, values = _condition(selection)
    query = f"SELECT count(*) FROM semcache.entries e WHERE {where} AND e.expires_at > {now}"
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])


def remove_selected(connection: Connection, selection: Selection, *, now: str) -> int:
    """Remove the selected entries, expired ones too, and from others what they still hold of a selected text.

    The number of live ones removed.
    """
    where, values = _condition(selection)
    rows = connection.execute(
        f"SELECT e.seq, e.expires_at > {now} FROM semcache.entries e WHERE {where} ORDER BY e.seq FOR UPDATE", values
    ).fetchall()
    remove(connection, [seq for seq, _ in rows])
    if selection.text is not None:
        where, values = _condition(replace(selection, text=None))
        for table, column in (("exemplars", "text"), ("servings", "question")):
            connection.execute(
                f"DELETE FROM semcache.{table} t WHERE {_mentions('t', column)} "
                f"AND t.entry IN (SELECT e.seq FROM semcache.entries e WHERE {where})",
                (encoded(selection.text.casefold()), *values),
            )
    return sum(is_live for _, is_live in rows)


def remove_expired(connection: Connection, *, limit: int, now: str) -> int:
    """Remove entries past their TTL, the longest expired first; the number removed. Every replica may be at it."""
    rows = connection.execute(
        f"SELECT seq FROM semcache.entries WHERE expires_at <= {now} ORDER BY expires_at, seq LIMIT %s "
        "FOR UPDATE SKIP LOCKED",
        (max(0, limit),),
    ).fetchall()
    return remove(connection, [seq for (seq,) in rows])


def remove(connection: Connection, seqs: Sequence[int]) -> int:
    """Remove entries by number: bodies, exemplars and servings go with them."""
    if not seqs:
        return 0
    return connection.execute("DELETE FROM semcache.entries WHERE seq = ANY(%s)", (list(seqs),)).rowcount


def live_after(connection: Connection, seq: int, *, now: str) -> list[tuple[int, Entry]]:
    """The next few live entries in the order they were first stored, each with its number."""
    rows = connection.execute(
        f"SELECT {ENTRY_COLUMNS}, e.seq FROM {ENTRIES} WHERE e.seq > %s AND e.expires_at > {now} "
        "ORDER BY e.seq LIMIT %s",
        (seq, SCAN_CHUNK),
        binary=True,
    )
    return [(row[ENTRY_WIDTH], entry_from(row[:ENTRY_WIDTH])) for row in rows]


def stats(connection: Connection, *, now: str) -> StoreStats:
    """Of live entries."""
    row = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE e.kind = %s), count(DISTINCT e.scope), "
        "coalesce(sum(e.bytes), 0)::bigint, coalesce(sum(u.hits), 0)::bigint, "
        "(SELECT count(*) FROM semcache.exemplars x JOIN semcache.entries o ON o.seq = x.entry "
        f"WHERE o.expires_at > {now}) "
        f"FROM semcache.entries e JOIN semcache.uses u ON u.entry = e.seq WHERE e.expires_at > {now}",
        (Kind.FAQ.value,),
    ).fetchone()
    assert row is not None
    entries, faq, scopes, held_bytes, hits, exemplars = row
    return StoreStats(entries, faq, exemplars, scopes, held_bytes, hits)


def _condition(selection: Selection) -> tuple[str, list[object]]:
    """A WHERE condition over `entries e`, and what it binds."""
    terms = [
        *plain_terms(selection, mark="%s"),
        ("e.tags @> %s::text[]", [None if selection.tag is None else [selection.tag]]),
        ("e.id = ANY(%s)", [None if selection.entry_ids is None else list(selection.entry_ids)]),
    ]
    if selection.text is not None:
        question = f"SELECT 1 FROM semcache.bodies b WHERE b.entry = e.seq AND {_mentions('b', 'question')}"
        answered = (
            f"SELECT 1 FROM semcache.exemplars x WHERE x.entry = e.seq AND x.label = 1 AND {_mentions('x', 'text')}"
        )
        terms.append((f"(EXISTS ({question}) OR EXISTS ({answered}))", [encoded(selection.text.casefold())] * 2))
    return joined(terms)


def _mentions(table: str, column: str) -> str:
    return f"position(%s::bytea IN coalesce({table}.folded, {table}.{column})) > 0"
