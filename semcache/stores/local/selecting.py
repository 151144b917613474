"""Listing, removing and counting entries by what a `Selection` says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace

from semcache.entry import Entry, Kind
from semcache.stores.conditions import joined, plain_terms
from semcache.stores.local.rows import ENTRIES, ENTRY_COLUMNS, ENTRY_WIDTH, entry_from
from semcache.stores.paging import Order, Place
from semcache.stores.store import Page, Selection, StoreStats
from semcache.stores.stored import encoded
from semcache.stores.stored_rows import page_of

SCAN_CHUNK = 200
_RANKS = {Order.NEWEST: "e.created_at", Order.HITS: "e.hits"}


def page(connection: sqlite3.Connection, selection: Selection, place: Place, *, now: float) -> Page:
    """Live entries in the order that was asked for."""
    where, values = _condition(selection)
    rank = _RANKS[place.order]
    if place.after is not None:
        where, values = f"{where} AND ({rank}, e.seq) < (?, ?)", [*values, place.after.rank, place.after.number]
    # Chosen among the lean rows: the newest in the order of an index (the + keeps SQLite from choosing that of the
    # expiry), the most used by one pass over them, for an index would have to be kept up with every hit.
    order = f"ORDER BY {rank} DESC, e.seq DESC"
    rows = connection.execute(
        f"SELECT {ENTRY_COLUMNS}, e.seq, {rank} FROM {ENTRIES} WHERE e.seq IN (SELECT e.seq FROM entries e "
        f"WHERE {where} AND +e.expires_at > ? {order} LIMIT ?) {order}",
        (*values, now, place.limit + 1),
    ).fetchall()
    return page_of(rows, place.limit, width=ENTRY_WIDTH, read=entry_from)


def count(connection: sqlite3.Connection, selection: Selection, *, now: float) -> int:
    """How many live entries are selected."""
    where, values = _condition(selection)
    row = connection.execute(f"SELECT count(*) FROM entries e WHERE {where} AND +e.expires_at > ?", (*values, now))
    return int(row.fetchone()[0])


def remove_selected(connection: sqlite3.Connection, selection: Selection) -> None:
    """Remove the selected entries, expired ones too, and from others what they still hold of a selected text."""
    where, values = _condition(selection)
    remove(connection, [seq for (seq,) in connection.execute(f"SELECT e.seq FROM entries e WHERE {where}", values)])
    if selection.text is not None:
        where, values = _condition(replace(selection, text=None))
        for table, column in (("exemplars", "text"), ("servings", "question")):
            connection.execute(
                f"DELETE FROM {table} WHERE instr(casefolded({column}), ?) > 0 "
                f"AND entry IN (SELECT e.seq FROM entries e WHERE {where})",
                (encoded(selection.text.casefold()), *values),
            )


def remove_expired(connection: sqlite3.Connection, *, limit: int, now: float) -> int:
    """Remove entries past their TTL, the longest expired first; the number removed."""
    rows = connection.execute(
        "SELECT seq FROM entries WHERE expires_at <= ? ORDER BY expires_at, seq LIMIT ?", (now, max(0, limit))
    ).fetchall()
    return remove(connection, [seq for (seq,) in rows])


def remove(connection: sqlite3.Connection, seqs: Sequence[int]) -> int:
    """Remove entries by number: bodies, tags, exemplars and servings go with them."""
    connection.executemany("DELETE FROM entries WHERE seq = ?", [(seq,) for seq in seqs])
    return len(seqs)


def live_after(connection: sqlite3.Connection, seq: int, *, now: float) -> Iterator[tuple[int, Entry]]:
    """The next few live entries in the order they were first stored, each with its number."""
    rows = connection.execute(
        f"SELECT {ENTRY_COLUMNS}, e.seq FROM {ENTRIES} WHERE e.seq > ? AND +e.expires_at > ? ORDER BY e.seq LIMIT ?",
        (seq, now, SCAN_CHUNK),
    )
    for row in rows.fetchall():
        yield row[ENTRY_WIDTH], entry_from(row[:ENTRY_WIDTH])


def stats(connection: sqlite3.Connection, *, now: float) -> StoreStats:
    """Of live entries."""
    entries, faq, scopes, held_bytes, hits = connection.execute(
        "SELECT count(*), ifnull(sum(kind = ?), 0), count(DISTINCT scope), ifnull(sum(bytes), 0), ifnull(sum(hits), 0) "
        "FROM entries WHERE expires_at > ?",
        (Kind.FAQ.value, now),
    ).fetchone()
    (exemplars,) = connection.execute(
        "SELECT (SELECT count(*) FROM exemplars) - (SELECT count(*) FROM entries e JOIN exemplars x "
        "ON x.entry = e.seq WHERE e.expires_at <= ?)",
        (now,),
    ).fetchone()
    return StoreStats(entries, faq, exemplars, scopes, held_bytes, hits)


def _condition(selection: Selection) -> tuple[str, list[object]]:
    """A WHERE condition over `entries e`, and what it binds."""
    ids = None if selection.entry_ids is None else json.dumps(selection.entry_ids)
    terms = [
        *plain_terms(selection, mark="?"),
        ("e.seq IN (SELECT entry FROM entry_tags WHERE tag = ?)", [selection.tag]),
        ("e.id IN (SELECT value FROM json_each(?))", [ids]),
    ]
    if selection.text is not None:
        question = "instr(casefolded((SELECT question FROM bodies WHERE entry = e.seq)), ?) > 0"
        answered = "SELECT 1 FROM exemplars WHERE entry = e.seq AND label = 1 AND instr(casefolded(text), ?) > 0"
        terms.append((f"({question} OR EXISTS ({answered}))", [encoded(selection.text.casefold())] * 2))
    return joined(terms)
