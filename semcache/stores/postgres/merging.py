"""Making one entry of two in PostgreSQL."""

from __future__ import annotations

from semcache.entry import Entry
from semcache.stores.postgres import entries
from semcache.stores.postgres.connections import Connection
from semcache.stores.stored import encoded
from semcache.stores.worth import combined, worth_of


def merge(connection: Connection, duplicate_id: str, into_id: str, *, now: str) -> Entry | None:
    """None, and nothing changes, where they are not two live entries of one scope."""
    locked = entries.lock_live(connection, [duplicate_id, into_id], now=now)
    if len(locked) < 2:
        return None
    gone = entries.find_numbered(connection, duplicate_id, now=now)
    kept = entries.find_numbered(connection, into_id, now=now)
    if gone is None or kept is None or gone[1].scope != kept[1].scope:
        return None
    seq, into_seq = gone[0], kept[0]
    _copy_exemplars(connection, gone[1], seq, into_seq)
    connection.execute("UPDATE semcache.servings SET entry = %s WHERE entry = %s", (into_seq, seq))
    _add_hits(connection, seq, into_seq)
    connection.execute("DELETE FROM semcache.entries WHERE seq = %s", (seq,))
    merged = entries.find_numbered(connection, into_id, now=now)
    return None if merged is None else merged[1]


def _copy_exemplars(connection: Connection, duplicate: Entry, seq: int, into_seq: int) -> None:
    """As new rows: an exemplar's id stands for one entry for ever. Those of other spaces have their vectors, too."""
    connection.execute(
        "WITH old AS MATERIALIZED (SELECT x.*, v.emb FROM semcache.exemplars x JOIN semcache.vectors v "
        "ON v.scope = x.scope AND v.space = x.space AND v.exemplar = x.id "
        "WHERE x.entry = %(seq)s AND x.label = 1 ORDER BY x.id), "
        "numbered AS MATERIALIZED (SELECT old.*, "
        "nextval(pg_get_serial_sequence('semcache.exemplars', 'id')) AS new_id FROM old), "
        "x AS (INSERT INTO semcache.exemplars (id, entry, scope, space, label, origin, created_at, key, text, folded, "
        "vector, windows) OVERRIDING SYSTEM VALUE SELECT new_id, %(into)s, scope, space, label, origin, created_at, "
        "CASE WHEN key = '' AND text = %(question)s THEN %(key)s ELSE key END, text, folded, vector, windows "
        "FROM numbered RETURNING id) "
        "INSERT INTO semcache.vectors (scope, space, exemplar, expires_at, emb) "
        "SELECT n.scope, n.space, n.new_id, e.expires_at, n.emb FROM numbered n JOIN x ON x.id = n.new_id "
        "JOIN semcache.entries e ON e.seq = %(into)s",
        {"seq": seq, "into": into_seq, "question": encoded(duplicate.question), "key": duplicate.key},
    )


def _add_hits(connection: Connection, seq: int, into_seq: int) -> None:
    rows = connection.execute(
        "SELECT u.entry, u.hits, u.last_hit_at, u.heat, e.cost_usd, e.bytes FROM semcache.uses u "
        "JOIN semcache.entries e ON e.seq = u.entry WHERE u.entry = ANY(%s)",
        ([seq, into_seq],),
    ).fetchall()
    uses = {entry: rest for entry, *rest in rows}
    hits, last_hit_at, heat, _, _ = uses[seq]
    _, last_here, heat_here, cost_usd, held_bytes = uses[into_seq]
    times = [each for each in (last_hit_at, last_here) if each is not None]
    warmer = combined(heat_here, heat)
    connection.execute(
        "UPDATE semcache.uses SET hits = hits + %s, last_hit_at = %s, heat = %s, worth = %s WHERE entry = %s",
        (hits, max(times, default=None), warmer, worth_of(warmer, cost_usd=cost_usd, held_bytes=held_bytes), into_seq),
    )
