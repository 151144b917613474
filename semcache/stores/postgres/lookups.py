"""What a request asks for before it is embedded: the exact answer, and where to search. A function's one round trip."""

from __future__ import annotations

from collections.abc import Sequence

from semcache.entry import Entry, Scope
from semcache.stores.looked_up import ExactPlace, LookedUp
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.preparing import Space
from semcache.stores.postgres.rows import entry_from, scope_ids

_LOOK_UP = "SELECT * FROM semcache.look_up(%s, %s, %s, %s, %s, %s)"
_HEAD_WIDTH = 3


def look_up(  # noqa: PLR0913 - what a look is made of
    connection: Connection,
    places: Sequence[ExactPlace],
    scopes: Sequence[Scope],
    *,
    space: Space,
    given: float | None,
    dated: bool,
) -> LookedUp:
    """All of it as of one moment, so no merging comes in between. `given`: the time, unless it is the server's."""
    found: list[Entry | None] = [None] * len(places)
    asked = (
        scope_ids([scope for scope, _ in places]),
        [key for _, key in places],
        scope_ids(scopes),
        [scope.namespace for scope, _ in places] if dated else [],
        space.id,
        given,
    )
    (_, numbers, generations, *_), *rows = connection.execute(_LOOK_UP, asked, binary=True).fetchall()
    for row in rows:
        found[row[0] - 1] = entry_from(row[_HEAD_WIDTH:])
    return LookedUp(found, [scopes[number - 1] for number in numbers], generations)
