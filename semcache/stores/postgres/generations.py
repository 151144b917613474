"""How often the answers of a namespace have been invalidated: what was asked for before then is not stored after.

An invalidation changes the row before it removes anything; a put locks the row against that until it has committed. So
either the put comes first, and its entry is removed, or it sees the new generation.
"""

from __future__ import annotations

from semcache.entry import Scope
from semcache.errors import Overtaken
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.leases import give_back
from semcache.stores.store import Guard, Selection

_ALL = ""  # no namespace: those of every one


def generation(connection: Connection, scope: Scope) -> int:
    """Of a scope: those of its namespace, and those that meant all."""
    row = connection.execute(
        "SELECT coalesce(sum(generation), 0)::bigint FROM semcache.generations WHERE namespace = ANY(%s)",
        (_rows_of(scope),),
    ).fetchone()
    assert row is not None
    return int(row[0])


def uphold(connection: Connection, scope: Scope, guard: Guard) -> None:
    """Give the guard's lease back, in this transaction. Raises `Overtaken` where what it guards does not hold."""
    if guard.generation is not None and _locked_generation(connection, scope) != guard.generation:
        raise Overtaken("put: answers of this namespace were removed after this one was asked for")
    if guard.lease is not None:
        give_back(connection, guard.lease)


def advance(connection: Connection, selection: Selection) -> None:
    """Whatever of the selection is being answered now is not to be stored."""
    for namespace in _meant(connection, selection):
        connection.execute(
            "INSERT INTO semcache.generations AS g (namespace, generation) VALUES (%s, 1) "
            "ON CONFLICT (namespace) DO UPDATE SET generation = g.generation + 1",
            (namespace,),
        )


def _locked_generation(connection: Connection, scope: Scope) -> int:
    names = _rows_of(scope)
    found = _lock(connection, names)
    if len(found) < len(names):  # a row that is not there cannot be locked
        connection.execute(
            "INSERT INTO semcache.generations (namespace, generation) SELECT unnest(%s::text[]), 0 "
            "ON CONFLICT DO NOTHING",
            (names,),
        )
        found = _lock(connection, names)
    return sum(found)


def _lock(connection: Connection, names: list[str]) -> list[int]:
    rows = connection.execute(
        "SELECT generation FROM semcache.generations WHERE namespace = ANY(%s) ORDER BY namespace FOR SHARE", (names,)
    )
    return [number for (number,) in rows]


def _rows_of(scope: Scope) -> list[str]:
    return sorted({_ALL, scope.namespace})


def _meant(connection: Connection, selection: Selection) -> list[str]:
    if selection.namespace is not None:
        return [selection.namespace]
    if selection.entry_ids is not None:
        rows = connection.execute(
            "SELECT DISTINCT namespace FROM semcache.entries WHERE id = ANY(%s) ORDER BY namespace",
            (list(selection.entry_ids),),
        )
        return [namespace for (namespace,) in rows]
    return [_ALL]
