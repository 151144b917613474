"""Hits that are written: counters, and what entries are worth."""

from __future__ import annotations

from semcache.stores.hit_buffer import Counts
from semcache.stores.postgres.connections import Connection
from semcache.stores.worth import combined, heat_of


def write_hits(connection: Connection, counts: Counts) -> None:
    """Add to the entries' counters, and to what they are worth; entries that are gone are passed over."""
    if not counts:
        return
    rows = connection.execute(
        "SELECT e.id, e.seq FROM semcache.entries e WHERE e.id = ANY(%s) ORDER BY e.seq FOR NO KEY UPDATE",
        (list(counts),),
    ).fetchall()
    seqs = {seq: entry_id for entry_id, seq in rows}
    heats = connection.execute("SELECT entry, heat FROM semcache.uses WHERE entry = ANY(%s)", (list(seqs),)).fetchall()
    changes = []
    for seq, heat in heats:
        hits, last_hit_at = counts[seqs[seq]]
        warmer = combined(heat, heat_of(hits, at=last_hit_at))
        changes.append((seq, hits, last_hit_at, warmer, warmer - heat))
    if changes:
        connection.execute(
            "UPDATE semcache.uses u SET hits = u.hits + c.hits, last_hit_at = greatest(u.last_hit_at, c.at), "
            "heat = c.heat, worth = u.worth + c.warmth FROM "
            "unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::float8[], %s::float8[]) "
            "AS c (entry, hits, at, heat, warmth) WHERE u.entry = c.entry",
            [list(column) for column in zip(*changes, strict=True)],
        )
