"""Functions in the database for the path of a request: PostgreSQL keeps the plans of what they ask.

Nothing may be prepared in a session, since PgBouncer hands every transaction to another; so a statement that is sent is
planned each time anew, which takes several times as long as to carry it out. A server process plans the statements of
a PL/pgSQL function once, whoever calls it.

A kept plan may have been made when the tables were empty, or statistics were of another day. So every function says
what plans there may be (`_PLANNED`), and its conditions leave a single index to them. It is STABLE: all of its
statements see what was committed when the statement that calls it began.

Replicas of several versions call them at the same time. Once released, a function keeps its arguments, its columns and
its meaning for ever: a change is a function of a new name (`look_up_2`), made by a migration; the old one is dropped by
a migration of a later release, when no replica calls it any more.
"""

from __future__ import annotations

# Nested loops over indexes, planned once for all arguments, and never compiled. The path is that of all who are behind
# a pooler: under another the plan would be made anew.
_PLANNED = (
    "SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off "
    "SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off"
)

# The first row says which of `searched` hold a live exemplar of a space, and the generation of every namespace of
# `dated`; the others are live entries, each with the number of its place: the one of the key, or else the one whose
# newest positive exemplar has it. `given` is the time; NULL: the server's.
# - `+ 0` keeps away indexes by time and number, in which a row may be the last that is looked at.
# - The rows compared begin with the scope, and so only the index that begins with scope and space is of use.
# - An expiry is asked for row by row: a join could begin with all that live.
# - The limits keep the planner from reading whole tables.
LOOK_UP = f"""CREATE FUNCTION semcache.look_up(
  scopes uuid[], keys text[], searched uuid[], dated text[], of_space int, given float8
) RETURNS TABLE (
  place int, searchable int[], generations bigint[],
  id text, namespace text, digest text, key text, kind text, question bytea, message bytea, requested_model text,
  served_model text, cost_usd float8, created_at float8, expires_at float8, tags text[], credential text,
  hits bigint, last_hit_at float8
) LANGUAGE plpgsql STABLE {_PLANNED} AS $$
DECLARE
  moment float8 := coalesce(given, extract(epoch FROM statement_timestamp())::float8);
BEGIN
  place := 0;
  searchable := ARRAY(
    SELECT s.place::int FROM unnest(searched) WITH ORDINALITY AS s (scope, place) WHERE (
      SELECT true FROM semcache.exemplars x
      WHERE x.scope = s.scope AND (x.scope, x.space, x.id) >= (s.scope, of_space, 0)
      AND (x.scope, x.space, x.id) <= (s.scope, of_space, 9223372036854775807)
      AND (SELECT e.expires_at FROM semcache.entries e WHERE e.seq = x.entry) > moment LIMIT 1
    ) ORDER BY s.place
  );
  generations := ARRAY(
    SELECT (SELECT coalesce(sum(g.generation), 0)::bigint FROM semcache.generations g
            WHERE g.namespace IN ('', d.namespace))
    FROM unnest(dated) WITH ORDINALITY AS d (namespace, place) ORDER BY d.place
  );
  RETURN NEXT;
  RETURN QUERY SELECT p.place::int, NULL::int[], NULL::bigint[], f.*
  FROM unnest(scopes, keys) WITH ORDINALITY AS p (scope, key, place), LATERAL (
    SELECT e.id, e.namespace, e.digest, e.key, e.kind, b.question, b.message, e.requested_model, e.served_model,
      e.cost_usd, e.created_at, e.expires_at, e.tags, e.credential, u.hits, u.last_hit_at
    FROM semcache.entries e JOIN semcache.bodies b ON b.entry = e.seq JOIN semcache.uses u ON u.entry = e.seq
    WHERE e.seq = coalesce(
      (SELECT k.seq FROM semcache.entries k WHERE k.scope = p.scope AND k.key = p.key AND k.expires_at + 0 > moment),
      (SELECT x.entry FROM semcache.exemplars x
       WHERE x.scope = p.scope AND x.key = p.key AND x.key <> '' AND x.label = 1
       AND (SELECT a.expires_at FROM semcache.entries a WHERE a.seq = x.entry) > moment
       ORDER BY x.id + 0 DESC LIMIT 1)
    ) LIMIT 1
  ) f;
END $$"""
