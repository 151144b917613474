"""What the doctor wants to know about a server."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.indexing import missing_indexes
from semcache.stores.postgres.preparing import Space, pgvector_version
from semcache.stores.postgres.schema import MIGRATIONS

_ROUNDS = 7


@dataclass(frozen=True)
class Facts:
    """About one server, and the database on it."""

    server: str
    pgvector: str
    schema: str  # the newest migration that was applied
    round_trip_ms: float
    clock_ahead_seconds: float  # of ours
    is_synchronous: bool  # a commit is on its disk before it is acknowledged
    missing_indexes: int


def examined(connection: Connection, space: Space, *, is_indexed: bool) -> Facts:
    trips, ahead = [], []
    for _ in range(_ROUNDS):
        began, began_at = time.perf_counter(), time.time()
        (there,) = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone() or (0.0,)
        seconds = time.perf_counter() - began
        trips.append(seconds * 1000)
        ahead.append(there - (began_at + seconds / 2))
    version, commit = connection.execute(
        "SELECT current_setting('server_version'), current_setting('synchronous_commit')"
    ).fetchone() or ("", "")
    return Facts(
        version,
        ".".join(map(str, pgvector_version(connection) or ())),
        list(MIGRATIONS)[-1],
        statistics.median(trips),
        statistics.median(ahead),
        commit != "off",
        missing_indexes(connection, space) if is_indexed else 0,
    )
