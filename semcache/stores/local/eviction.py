"""Keeping the file within its limits: expired entries first, then the least valuable; never FAQ."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from semcache.stores.limits import Limits, making_room
from semcache.stores.local.selecting import remove


def evict(connection: sqlite3.Connection, limits: Limits, *, now: float, spared: int = 0) -> int:
    """Remove what the limits leave no room for, except the `spared` entry; the number removed."""
    entries, held_bytes = connection.execute("SELECT entries, bytes FROM totals").fetchone()
    surplus, surplus_bytes = limits.surplus(entries=entries, held_bytes=held_bytes)
    if surplus == surplus_bytes == 0:
        return 0
    chosen = making_room(
        _least_valuable_first(connection, now), surplus=surplus, surplus_bytes=surplus_bytes, spared=spared
    )
    return remove(connection, chosen)


def _least_valuable_first(connection: sqlite3.Connection, now: float) -> Iterator[tuple[int, int]]:
    yield from connection.execute(
        "SELECT seq, bytes FROM entries WHERE kind = 'learned' AND expires_at <= ? ORDER BY expires_at, seq", (now,)
    )
    yield from connection.execute(
        "SELECT seq, bytes FROM entries WHERE kind = 'learned' AND expires_at > ? ORDER BY worth, seq", (now,)
    )
