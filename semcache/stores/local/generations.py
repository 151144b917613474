"""How often the answers of a namespace have been invalidated: what was asked for before then is not stored after."""

from __future__ import annotations

import json
import sqlite3

from semcache.entry import Scope
from semcache.errors import Overtaken
from semcache.stores.local.leases import give_back
from semcache.stores.store import Guard, Selection

_ALL = ""  # no namespace: those of every one


def generation(connection: sqlite3.Connection, scope: Scope) -> int:
    """Of a scope: those of its namespace, and those that meant all."""
    row = connection.execute(
        "SELECT ifnull(sum(generation), 0) FROM generations WHERE namespace IN (?, ?)", (scope.namespace, _ALL)
    )
    return int(row.fetchone()[0])


def uphold(connection: sqlite3.Connection, scope: Scope, guard: Guard) -> None:
    """Give the guard's lease back, in this transaction. Raises `Overtaken` where what it guards does not hold."""
    if guard.generation is not None and generation(connection, scope) != guard.generation:
        raise Overtaken("put: answers of this namespace were removed after this one was asked for")
    if guard.lease is not None:
        give_back(connection, guard.lease)


def advance(connection: sqlite3.Connection, selection: Selection) -> None:
    """Whatever of the selection is being answered now is not to be stored."""
    for namespace in _meant(connection, selection):
        connection.execute(
            "INSERT INTO generations (namespace, generation) VALUES (?, 1) "
            "ON CONFLICT (namespace) DO UPDATE SET generation = generation + 1",
            (namespace,),
        )


def _meant(connection: sqlite3.Connection, selection: Selection) -> list[str]:
    if selection.namespace is not None:
        return [selection.namespace]
    if selection.entry_ids is not None:
        rows = connection.execute(
            "SELECT DISTINCT namespace FROM entries WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(selection.entry_ids),),
        )
        return [namespace for (namespace,) in rows.fetchall()]
    return [_ALL]
