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


# First the life of the database, the snapshot and the moment of this look, and which of the `known` exemplars exist;
# then what has come into a scope since the snapshot `seen`.
# - What begins another life: a crash or a promotion empties the mark, as every unlogged table; a copy of the files was
#   taken of a server that had stopped, and starts at another time; a dump makes the index last, under another number.
# - Rows of transactions that are yet to come were written on another server, and brought here by a dump: they are read
#   when the scope is loaded, and are no news.
# - Sorting is as good as forbidden: what is ordered by an index's columns is read by that index, and not all of a table
#   by another, which costs the same while there is one row. Of news, the primary key would read all of a scope.
_LOOKED = """mark uuid, index_number oid, started_at float8, snapshot text, moment float8, there bigint[],
  new_id bigint, new_ends_at float8, new_vector halfvec"""
_LOOKING = """SELECT
    (SELECT i.mark FROM semcache.incarnations i), to_regclass('semcache.vectors_by_transaction')::oid,
    extract(epoch FROM pg_postmaster_start_time())::float8, pg_current_snapshot()::text,
    coalesce(given, extract(epoch FROM statement_timestamp())::float8),
    ARRAY(SELECT m.id FROM unnest(known) AS m (id)
      WHERE (SELECT true FROM semcache.exemplars x WHERE x.id = m.id ORDER BY x.id LIMIT 1))
  INTO mark, index_number, started_at, snapshot, moment, there;
  RETURN NEXT;
  RETURN QUERY SELECT
    NULL::uuid, NULL::oid, NULL::float8, NULL::text, NULL::float8, NULL::bigint[], v.exemplar, v.expires_at, v.emb{more}
  FROM semcache.vectors v WHERE v.scope = of_scope AND v.space + 0 = of_space
  AND v.xact >= pg_snapshot_xmin(seen) AND v.xact < pg_snapshot_xmax(pg_current_snapshot())
  AND NOT pg_visible_in_snapshot(v.xact, seen) ORDER BY v.xact LIMIT most;"""
_ASKED = "of_scope uuid, of_space int, seen pg_snapshot, most int, given float8, known bigint[]"

LOOK = f"""CREATE FUNCTION semcache.look({_ASKED}) RETURNS TABLE (
  {_LOOKED}
) LANGUAGE plpgsql STABLE {_PLANNED} SET enable_sort = off AS $$
BEGIN
  {_LOOKING.format(more="")}
END $$"""

# The same, and behind it the `missing` exemplars that exist, with their entries.
_READ = """id text, namespace text, digest text, key text, kind text, question bytea, message bytea,
  requested_model text, served_model text, cost_usd float8, created_at float8, ends_at float8, tags text[],
  credential text, hits bigint, last_hit_at float8, words bytea, vector bytea, windows bytea, label smallint,
  origin text, labelled_at float8, number bigint, alias text, in_space int"""
_READ_NAMES = ", ".join(column.split()[0] for column in _READ.split(","))

LOOK_AND_READ = f"""CREATE FUNCTION semcache.look_and_read({_ASKED}, missing bigint[]) RETURNS TABLE (
  {_LOOKED},
  {_READ}
) LANGUAGE plpgsql STABLE {_PLANNED} SET enable_sort = off AS $$
BEGIN
  {_LOOKING.format(more=f", {_READ_NAMES}")}
  RETURN QUERY SELECT
    NULL::uuid, NULL::oid, NULL::float8, NULL::text, NULL::float8, NULL::bigint[], new_id, new_ends_at, new_vector,
    e.id, e.namespace, e.digest, e.key, e.kind, b.question, b.message, e.requested_model, e.served_model, e.cost_usd,
    e.created_at, e.expires_at, e.tags, e.credential, u.hits, u.last_hit_at, x.text, x.vector, x.windows, x.label,
    x.origin, x.created_at, x.id, x.key, x.space
  FROM unnest(missing) AS m (id),
    LATERAL (SELECT * FROM semcache.exemplars x WHERE x.id = m.id ORDER BY x.id LIMIT 1) x,
    LATERAL (SELECT * FROM semcache.entries e WHERE e.seq = x.entry ORDER BY e.seq LIMIT 1) e,
    LATERAL (SELECT * FROM semcache.bodies b WHERE b.entry = e.seq LIMIT 1) b,
    LATERAL (SELECT * FROM semcache.uses u WHERE u.entry = e.seq LIMIT 1) u;
END $$"""
