"""The tables, and the migrations that make them: each is applied once, its name kept in the database.

They live in a schema of their own, so a database may serve others too. Texts are bytes: they may hold what PostgreSQL's
TEXT refuses. Numbers order entries as they were first stored; every key that is searched begins with the scope.
"""

from __future__ import annotations

from semcache.stores.postgres.functions import LOOK, LOOK_AND_READ, LOOK_UP

PARTITIONS = 16  # of the vectors, by scope: an index over fewer scopes finds more of a scope's neighbours

_PARTED = tuple(
    statement
    for number in range(PARTITIONS)
    for statement in (
        f"CREATE TABLE semcache.vectors_{number} PARTITION OF semcache.vectors "
        f"FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})",
        f"ALTER TABLE semcache.vectors_{number} ALTER COLUMN emb SET STORAGE PLAIN",
    )
)

_ENTRIES = (
    "CREATE TABLE semcache.spaces (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "fingerprint text NOT NULL UNIQUE, dims int NOT NULL)",
    # Lean rows apart from the bodies, and apart from what changes with every hit.
    """CREATE TABLE semcache.entries (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL,
        scope bytea NOT NULL, namespace text COLLATE "C" NOT NULL, digest text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL,
        requested_model text COLLATE "C" NOT NULL, served_model text COLLATE "C" NOT NULL, cost_usd float8 NOT NULL,
        created_at float8 NOT NULL, expires_at float8 NOT NULL, tags text[] COLLATE "C" NOT NULL,
        credential text COLLATE "C" NOT NULL, bytes bigint NOT NULL,
        CONSTRAINT entries_by_id UNIQUE (id), CONSTRAINT entries_by_key UNIQUE (scope, key)
    )""",
    "CREATE INDEX entries_by_age ON semcache.entries (created_at, seq)",
    "CREATE INDEX entries_by_namespace ON semcache.entries (namespace, created_at, seq)",
    "CREATE INDEX entries_by_expiry ON semcache.entries (expires_at, seq)",
    "CREATE INDEX entries_by_credential ON semcache.entries (credential, created_at)",
    "CREATE INDEX entries_by_tag ON semcache.entries USING gin (tags)",
    """CREATE TABLE semcache.uses (
        entry bigint PRIMARY KEY REFERENCES semcache.entries (seq) ON DELETE CASCADE,
        hits bigint NOT NULL, last_hit_at float8, heat float8 NOT NULL, worth float8 NOT NULL, is_learned bool NOT NULL
    )""",
    "CREATE INDEX uses_by_worth ON semcache.uses (worth, entry) WHERE is_learned",
    """CREATE TABLE semcache.bodies (
        entry bigint PRIMARY KEY REFERENCES semcache.entries (seq) ON DELETE CASCADE,
        question bytea NOT NULL, folded bytea, message bytea NOT NULL
    )""",
    "ALTER TABLE semcache.bodies ALTER COLUMN message SET STORAGE EXTERNAL",  # it is compressed already
    """CREATE TABLE semcache.exemplars (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        entry bigint NOT NULL REFERENCES semcache.entries (seq) ON DELETE CASCADE,
        scope bytea NOT NULL, space int NOT NULL REFERENCES semcache.spaces (id), label smallint NOT NULL,
        origin text NOT NULL, created_at float8 NOT NULL, key text COLLATE "C" NOT NULL,
        text bytea NOT NULL, folded bytea, vector bytea NOT NULL, windows bytea,
        CONSTRAINT exemplars_by_scope UNIQUE (scope, space, id)
    )""",
    "ALTER TABLE semcache.exemplars ALTER COLUMN vector SET STORAGE EXTERNAL",  # does not compress
    "ALTER TABLE semcache.exemplars ALTER COLUMN windows SET STORAGE EXTERNAL",
    "CREATE INDEX exemplars_by_entry ON semcache.exemplars (entry)",
    "CREATE INDEX exemplars_by_space ON semcache.exemplars (space)",
    "CREATE INDEX exemplars_by_key ON semcache.exemplars (scope, key, id) WHERE key <> '' AND label = 1",
    # What a search reads, and nothing else: rows of one scope, small enough to stay in the page.
    """CREATE TABLE semcache.vectors (
        scope bytea NOT NULL, space int NOT NULL, exemplar bigint NOT NULL, expires_at float8 NOT NULL,
        emb halfvec NOT NULL,
        PRIMARY KEY (scope, space, exemplar),
        FOREIGN KEY (scope, space, exemplar) REFERENCES semcache.exemplars (scope, space, id) ON DELETE CASCADE
    ) PARTITION BY HASH (scope)""",
    *_PARTED,
)

# Every change of how much there is adds a row, so that no two puts wait for one another; upkeep adds rows up.
_TOTALS = (
    "CREATE TABLE semcache.totals (entries bigint NOT NULL, bytes bigint NOT NULL)",
    """CREATE FUNCTION semcache.entries_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO semcache.totals SELECT count(*), sum(bytes) FROM added HAVING count(*) > 0; RETURN NULL;
    END $$""",
    """CREATE FUNCTION semcache.entries_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO semcache.totals SELECT -count(*), -sum(bytes) FROM removed HAVING count(*) > 0; RETURN NULL;
    END $$""",
    """CREATE FUNCTION semcache.entries_resized() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO semcache.totals SELECT 0, a.bytes - r.bytes
        FROM (SELECT sum(bytes) AS bytes FROM added) a, (SELECT sum(bytes) AS bytes FROM removed) r
        WHERE a.bytes <> r.bytes;
        RETURN NULL;
    END $$""",
    "CREATE TRIGGER entries_added AFTER INSERT ON semcache.entries REFERENCING NEW TABLE AS added "
    "FOR EACH STATEMENT EXECUTE FUNCTION semcache.entries_added()",
    "CREATE TRIGGER entries_removed AFTER DELETE ON semcache.entries REFERENCING OLD TABLE AS removed "
    "FOR EACH STATEMENT EXECUTE FUNCTION semcache.entries_removed()",
    "CREATE TRIGGER entries_resized AFTER UPDATE ON semcache.entries REFERENCING OLD TABLE AS removed "
    "NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION semcache.entries_resized()",
    "INSERT INTO semcache.totals SELECT count(*), sum(bytes) FROM semcache.entries HAVING count(*) > 0",
)

_AGREEMENT = (
    # Leases are not worth a write to the log: a crash or a failover loses them, at worst an answer is asked for twice.
    """CREATE UNLOGGED TABLE semcache.leases (
        key text COLLATE "C" PRIMARY KEY, owner text COLLATE "C" NOT NULL, fence bigint NOT NULL, until float8 NOT NULL
    )""",
    'CREATE TABLE semcache.generations (namespace text COLLATE "C" PRIMARY KEY, generation bigint NOT NULL)',
    "INSERT INTO semcache.generations VALUES ('', 0)",
)

_BOOKS = (
    "CREATE TABLE semcache.secrets (name text PRIMARY KEY, value bytea NOT NULL)",
    """CREATE TABLE semcache.ledger (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at float8 NOT NULL,
        namespace text COLLATE "C" NOT NULL, label text COLLATE "C" NOT NULL, outcome text COLLATE "C" NOT NULL,
        reason text NOT NULL, requested_model text COLLATE "C" NOT NULL, served_model text COLLATE "C" NOT NULL,
        baseline_pico_usd numeric NOT NULL, cost_pico_usd numeric NOT NULL, input_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL, latency_ms float8 NOT NULL, strategies text NOT NULL, route text NOT NULL,
        cache_read_tokens bigint NOT NULL, cache_write_tokens bigint NOT NULL, tags jsonb NOT NULL,
        parts jsonb NOT NULL, bill text NOT NULL, requests bigint NOT NULL
    )""",
    "CREATE INDEX ledger_by_time ON semcache.ledger (at)",
    # The id came from upstream: what is not valid Unicode must not stop the writing of hits.
    """CREATE TABLE semcache.servings (
        id bytea PRIMARY KEY, entry bigint NOT NULL REFERENCES semcache.entries (seq) ON DELETE CASCADE,
        at float8 NOT NULL, kind text NOT NULL, question bytea NOT NULL, folded bytea
    )""",
    "CREATE INDEX servings_by_entry ON semcache.servings (entry, at)",
    "CREATE INDEX servings_by_time ON semcache.servings (at)",
    """CREATE TABLE semcache.observations (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, namespace text COLLATE "C" NOT NULL,
        kind text COLLATE "C" NOT NULL, at float8 NOT NULL, entry_id text NOT NULL, body bytea NOT NULL
    )""",
    "CREATE INDEX observations_by_time ON semcache.observations (kind, at, seq)",
    "CREATE INDEX observations_by_namespace ON semcache.observations (kind, namespace, at, seq)",
    """CREATE TABLE semcache.documents (
        name text COLLATE "C" PRIMARY KEY, content bytea NOT NULL, version bigint NOT NULL
    )""",
)

# Texts and results apart from the lean rows: following a batch of 100,000 requests reads no prompt.
_BATCHES = (
    """CREATE TABLE semcache.batches (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
        credential text COLLATE "C" NOT NULL, accepted_at float8 NOT NULL, base_url text NOT NULL, terms text NOT NULL,
        asked bytea NOT NULL, sealed bytea, state text, total int NOT NULL, counts text
    )""",
    "CREATE INDEX batches_by_credential ON semcache.batches (credential, seq)",
    "CREATE INDEX batches_unended ON semcache.batches (seq) WHERE counts IS NULL",
    """CREATE TABLE semcache.batch_items (
        batch bigint NOT NULL REFERENCES semcache.batches (seq) ON DELETE CASCADE, place int NOT NULL,
        custom_id text NOT NULL, state text COLLATE "C" NOT NULL, detail text NOT NULL, behind int, twin_key text,
        head text NOT NULL DEFAULT '', marked text NOT NULL DEFAULT '', size_bytes bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (batch, place)
    )""",
    "CREATE INDEX batch_items_by_state ON semcache.batch_items (batch, state, place)",
    "CREATE INDEX batch_items_by_twin ON semcache.batch_items (batch, twin_key, place) WHERE twin_key IS NOT NULL",
    """CREATE TABLE semcache.batch_bodies (
        batch bigint NOT NULL REFERENCES semcache.batches (seq) ON DELETE CASCADE, place int NOT NULL,
        params bytea NOT NULL, shaped bytea, PRIMARY KEY (batch, place)
    )""",
    """CREATE TABLE semcache.batch_results (
        batch bigint NOT NULL REFERENCES semcache.batches (seq) ON DELETE CASCADE, place int NOT NULL,
        line bytea NOT NULL, PRIMARY KEY (batch, place)
    )""",
    """CREATE TABLE semcache.batch_dispatches (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, marker text COLLATE "C" NOT NULL UNIQUE,
        batch bigint NOT NULL REFERENCES semcache.batches (seq) ON DELETE CASCADE,
        places bytea NOT NULL, tried_at float8 NOT NULL, upstream_id text, is_over bool NOT NULL
    )""",
    "CREATE INDEX batch_dispatches_by_batch ON semcache.batch_dispatches (batch)",
)

# Vectors behind columns of fixed widths, whose places in a row need not be looked for: a search reads every row of its
# scope, and takes a quarter less time. So scopes are UUIDs: bytes of a known number.
_FIXED_WIDTHS = (
    "CREATE TEMP TABLE kept_vectors ON COMMIT DROP AS SELECT * FROM semcache.vectors",
    "DROP TABLE semcache.vectors",
    *(
        f"ALTER TABLE semcache.{table} ALTER COLUMN scope TYPE uuid USING encode(scope, 'hex')::uuid"
        for table in ("entries", "exemplars")
    ),
    """CREATE TABLE semcache.vectors (
        expires_at float8 NOT NULL, exemplar bigint NOT NULL, scope uuid NOT NULL, space int NOT NULL,
        emb halfvec NOT NULL,
        PRIMARY KEY (scope, space, exemplar),
        FOREIGN KEY (scope, space, exemplar) REFERENCES semcache.exemplars (scope, space, id) ON DELETE CASCADE
    ) PARTITION BY HASH (scope)""",
    *_PARTED,
    "INSERT INTO semcache.vectors (expires_at, exemplar, scope, space, emb) "
    "SELECT expires_at, exemplar, encode(scope, 'hex')::uuid, space, emb FROM kept_vectors",
)

# Which transaction wrote a vector: whoever holds a scope's vectors in memory can ask for what is new. Those that were
# here before count as older than all others, for nobody holds vectors before this.
_TRANSACTIONS = (
    "ALTER TABLE semcache.vectors ADD COLUMN xact xid8 NOT NULL DEFAULT '0'",
    "ALTER TABLE semcache.vectors ALTER COLUMN xact SET DEFAULT pg_current_xact_id()",
    # Without the space: it would begin as the primary key does, and a planner that knows nothing yet takes either.
    "CREATE INDEX vectors_by_transaction ON semcache.vectors (scope, xact)",
    # Unlogged, so a crash or a promotion empties it: transactions of which nothing was kept give their numbers again.
    """CREATE UNLOGGED TABLE semcache.incarnations (
        is_only bool PRIMARY KEY DEFAULT true CHECK (is_only), mark uuid NOT NULL DEFAULT gen_random_uuid()
    )""",
)

MIGRATIONS = {
    "p001_entries_and_exemplars": _ENTRIES,
    "p002_totals": _TOTALS,
    "p003_leases_and_generations": _AGREEMENT,
    "p004_books": _BOOKS,
    "p005_batches": _BATCHES,
    "p006_fixed_widths": _FIXED_WIDTHS,
    "p007_transactions": _TRANSACTIONS,
    "p008_functions": (LOOK_UP, LOOK, LOOK_AND_READ),
}
