"""Other stores against the brute-force one, over any sequence of operations."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import postgres_server
import pytest
from fakes import Clock
from held_in_memory import HeldInMemory
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from store_samples import OTHER_SCOPE, SCOPE, SPACE, embedding, entry, exemplar, observation, serving

from semcache.entry import Embedding, Kind, Label
from semcache.stores.limits import Limits
from semcache.stores.local.store import LocalStore
from semcache.stores.local.tuning import Tuning
from semcache.stores.memory import MemoryStore
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.store import Selection, Store

DIMS = 3
START = 1_800_000_000.0
LIMITS = Limits(max_entries=12, max_bytes=6000)

# Few directions, so that ties and duplicates are common; a few odd ones between them.
directions = st.tuples(*[st.sampled_from([-1.0, 0.0, 1.0, 0.3])] * DIMS).map(lambda parts: embedding(*parts, dims=DIMS))
scopes = st.sampled_from([SCOPE, OTHER_SCOPE])
keys = st.sampled_from([f"k{number}" for number in range(8)])
selections = st.one_of(
    st.builds(lambda key: Selection(tag=key), keys),
    st.builds(lambda kind: Selection(kind=kind), st.sampled_from(Kind)),
    st.builds(lambda age: Selection(created_before=START + age), st.integers(0, 100)),
    st.builds(lambda key, kind: Selection(text=key.upper(), kind=kind), keys, st.none() | st.sampled_from(Kind)),
)
numbers = st.integers(1, 40)
credentials = st.sampled_from(["a", "b"])
kinds, namespaces = st.sampled_from(["label", "audit"]), st.sampled_from(["shop", "hotel"])


class SideBySide(RuleBasedStateMachine):
    """Does everything to both stores and compares what they return."""

    tuning = Tuning()
    limits = LIMITS

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = Clock(START)
        self.oracle = MemoryStore(clock=self.clock, limits=self.limits, dims=DIMS)
        self.local = self.opened()
        self.made = 0

    def opened(self) -> Store:
        return LocalStore(
            self.directory, space=SPACE, dims=DIMS, clock=self.clock, limits=self.limits, tuning=self.tuning
        )

    def both(self, method: str, *args: Any, **options: Any) -> Any:
        expected, actual = (getattr(store, method)(*args, **options) for store in (self.oracle, self.local))
        assert actual == expected
        return expected

    @initialize()
    def start(self) -> None:
        vectors = [embedding(1, dims=DIMS)]
        self.put(scope=SCOPE, key="k0", vectors=vectors, kind=Kind.FAQ, seconds=None, answer="short")

    @rule(
        scope=scopes,
        key=keys,
        vectors=st.lists(directions, max_size=4),
        kind=st.sampled_from(Kind),
        seconds=st.none() | st.integers(0, 30),
        answer=st.sampled_from(["short", "long " * 100]),
        credential=credentials,
    )
    def put(self, *, scope, key, vectors, kind, seconds, answer, credential="a") -> None:
        self.made += 1
        made = entry(
            key,
            id=f"ent_{self.made}",
            scope=scope,
            kind=kind,
            answer=answer,
            tags=(key,),
            cost_usd=self.made % 5 / 100,
            created_at=self.clock.now,
            expires_at=None if seconds is None else self.clock.now + seconds,
            credential=credential,
        )
        texts = [made.question, f"{key} {self.made}", f"{key} again", "anything"]
        self.both(
            "put", made, [exemplar(made, vector, text=text) for vector, text in zip(vectors, texts, strict=False)]
        )

    @rule(number=numbers, vector=directions, label=st.sampled_from(Label), key=keys | st.just(""))
    def add_exemplar(self, number, vector, label, key) -> None:
        made = exemplar(entry(id=f"ent_{number}"), vector, label=label, key=key, text=f"alias {key}")
        added = [store.add_exemplar(made) for store in self.stores]
        assert (added[0] is None) == (added[1] is None)

    @rule(duplicate=numbers, into=numbers)
    def merge(self, duplicate, into) -> None:
        self.both("merge", f"ent_{duplicate}", f"ent_{into}")

    @rule(scope=scopes, newest=st.booleans())
    def merge_neighbours(self, scope, newest) -> None:
        """Two that can be merged, most likely."""
        live = [each for each, _ in self.oracle.scan() if each.scope == scope]
        if len(live) > 1:
            first, second = (live[-1], live[-2]) if newest else (live[0], live[1])
            self.both("merge", first.id, second.id)

    @rule(ids=st.lists(st.integers(1, 60), max_size=3))
    def remove_exemplars(self, ids) -> None:
        self.both("remove_exemplars", ids)

    @rule(number=numbers, turn=st.integers(0, 2), key=keys, is_hit=st.booleans())
    def serve(self, number, turn, key, is_hit) -> None:
        self.serve_one(number, turn, key, is_hit=is_hit)

    def serve_one(self, number: int, turn: int, key: str, *, is_hit: bool) -> None:
        entry_id = f"ent_{1 + number % self.made}"
        given = serving(f"{entry_id}-{turn}", entry_id, question=f"Is it {key}?", at=self.clock.now)
        if is_hit:
            self.both("record_hit", entry_id, given)
        else:
            self.both("record_serving", given)

    @rule(age=st.integers(0, 30))
    def prune_servings(self, age) -> None:
        self.both("prune_servings", self.clock.now - age)

    @rule(kind=kinds, namespace=namespaces, number=numbers)
    def observe(self, kind, namespace, number) -> None:
        row = observation(kind, namespace=namespace, at=self.clock.now - number % 3, body={"number": number})
        self.both("observe", [row, replace(row, entry_id="another")])

    @rule(kind=kinds, namespace=st.none() | namespaces, since=st.none() | st.integers(0, 60), limit=st.integers(0, 9))
    def read_observations(self, kind, namespace, since, limit) -> None:
        since = None if since is None else START + since
        self.both("observations", kind, namespace=namespace, since=since, limit=limit)
        self.both("count_observations", kind, namespace=namespace or "shop")

    @rule(kind=kinds, namespace=namespaces, keep=st.integers(0, 5))
    def prune_observations(self, kind, namespace, keep) -> None:
        self.both("prune_observations", kind, namespace=namespace, keep=keep)

    @rule(name=keys, content=st.binary(max_size=3))
    def save_document(self, name, content) -> None:
        self.both("save_document", name, content)
        self.both("load_document", name)
        self.both("documents", name[:1])

    @rule(number=numbers, times=st.integers(1, 3))
    def hit(self, number, times) -> None:
        for _ in range(times):
            self.both("record_hit", f"ent_{number}")
        self.both("flush")

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds) -> None:
        self.clock.advance(seconds)

    @rule(selection=selections, dry_run=st.booleans())
    def delete(self, selection, dry_run) -> None:
        self.both("delete", selection, dry_run=dry_run)

    @rule(limit=st.integers(0, 3))
    def expire(self, limit) -> None:
        self.both("expire", limit=limit)

    @rule()
    def evict(self) -> None:
        self.both("evict")

    @rule()
    def reopen(self) -> None:
        self.local.close()
        self.local = self.opened()

    @rule(scope=scopes, key=keys)
    def look_up(self, scope, key) -> None:
        self.both("get_exact", scope, key)
        places = [(OTHER_SCOPE, key), (scope, "nowhere"), (SCOPE, key), (scope, key)]
        self.both("look_up", places, [SCOPE, OTHER_SCOPE])

    @rule(scope=scopes, query=directions, k=st.integers(1, 12))
    def search(self, scope, query, k) -> None:
        assert near(self.local, scope, query, k) == near(self.oracle, scope, query, k)

    @invariant()
    def hold_the_same(self) -> None:
        self.both("stats")
        assert self.both("page", Selection()) is not None
        self.both("look_up", [], [SCOPE, OTHER_SCOPE])
        for credential in ("a", "b"):
            self.both("written_since", credential, self.clock.now - 20)
        for number in range(1, self.made + 1):
            self.both("serving", f"ent_{number}-0")
        assert everything(self.oracle) == everything(self.local)

    @property
    def stores(self) -> tuple[Store, Store]:
        return self.oracle, self.local

    def teardown(self) -> None:
        self.local.close()
        shutil.rmtree(self.directory)


class SideBySideIndexed(SideBySide):
    """With a FAISS index behind every search."""

    tuning = Tuning(direct_exemplars=0, dead_share=0.2)


class AskingAFollower:
    """With the searches asked of a second store, which follows what the first one writes."""

    def __init__(self) -> None:
        super().__init__()
        self.follower = self.opened()

    @rule(scope=scopes, query=directions, k=st.integers(1, 12))
    def search(self, scope, query, k) -> None:
        assert near(self.follower, scope, query, k) == near(self.oracle, scope, query, k)

    def teardown(self) -> None:
        self.follower.close()
        super().teardown()


class SideBySideFollowing(AskingAFollower, SideBySide):
    """On the same directory, by its change log."""

    tuning = Tuning(direct_exemplars=0, remembered_bytes=4000)


class SideBySideBuffered(SideBySide):
    """With servings left in the buffer for as long as nothing needs them written."""

    tuning = Tuning(hits_delay_seconds=60)
    limits = Limits()
    hit = serve = None  # hits that are not written show: the oracle has no buffer

    @rule(number=numbers, turn=st.integers(0, 1), key=keys)
    def serve_without_hit(self, number, turn, key) -> None:
        self.serve_one(number, turn, key, is_hit=False)

    @invariant()
    def hold_the_same(self) -> None:
        for number in range(1, self.made + 1):
            for turn in range(2):
                self.both("serving", f"ent_{number}-{turn}")


class SideBySidePostgres(SideBySide):
    """With PostgreSQL in the place of the local store."""

    databases: postgres_server.Databases

    def __init__(self) -> None:
        self.url = self.databases.take()
        super().__init__()

    kind: type[PostgresStore] = PostgresStore

    def opened(self) -> PostgresStore:
        return self.kind(
            read_address(self.url), space=f"{SPACE}:{DIMS}", dims=DIMS, clock=self.clock, limits=self.limits
        )

    def teardown(self) -> None:
        super().teardown()
        self.databases.give_back(self.url)


class SideBySidePostgresFollowing(SideBySideFollowing, SideBySidePostgres):
    """With the searches asked of a second replica, which holds the vectors in memory."""

    kind: type[PostgresStore] = HeldInMemory


@pytest.mark.slow
def test_a_replica_that_searches_in_memory_does_what_brute_force_does(postgres_databases) -> None:
    SideBySidePostgresFollowing.databases = postgres_databases
    run_state_machine_as_test(SideBySidePostgresFollowing, settings=settings(EFFORT, max_examples=8))


@pytest.mark.slow
def test_postgres_does_what_brute_force_does(postgres_databases: postgres_server.Databases) -> None:
    SideBySidePostgres.databases = postgres_databases
    run_state_machine_as_test(SideBySidePostgres, settings=settings(EFFORT, max_examples=8))


def near(store: Store, scope, query: Embedding, k: int) -> list[tuple[Any, ...]]:
    """Candidates, compared to the last bit; hit counters of remembered entries may lag."""
    return [
        (replace(each.entry, hits=0, last_hit_at=None), each.exemplar.text, each.exemplar.label, each.similarity)
        for each in store.nearest(scope, query, k=k)
    ]


def everything(store: Store) -> list[tuple[Any, ...]]:
    """Exemplars go by the order of their ids; hits that wait to be written are written first."""
    store.flush()
    stored = list(store.scan())
    order = {number: place for place, number in enumerate(sorted(x.id for _, exemplars in stored for x in exemplars))}
    return [(each, [(order[x.id], x.text, x.label, x.key) for x in exemplars]) for each, exemplars in stored]


EFFORT = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
for machine in (SideBySide, SideBySideIndexed, SideBySideFollowing, SideBySideBuffered):
    machine.TestCase.settings = EFFORT
TestSideBySide = pytest.mark.slow(SideBySide.TestCase)
TestSideBySideIndexed = pytest.mark.slow(SideBySideIndexed.TestCase)
TestSideBySideFollowing = pytest.mark.slow(SideBySideFollowing.TestCase)
TestSideBySideBuffered = pytest.mark.slow(SideBySideBuffered.TestCase)


@pytest.mark.parametrize("count", [31, 700])
def test_random_vectors_rank_as_brute_force_ranks_them(open_local, clock: Clock, count: int) -> None:
    random = np.random.default_rng(7)
    local = open_local(dims=24, tuning=Tuning(direct_exemplars=31))
    oracle = MemoryStore(clock=clock, dims=24)
    rows = random.standard_normal((count, 24)).astype(np.float32)
    rows[count // 2 :] = rows[: count - count // 2]  # every vector twice
    made = entry()
    for store in (local, oracle):
        store.put(made, [exemplar(made, Embedding(row, row[None]), text=str(n)) for n, row in enumerate(rows)])
    for query in random.standard_normal((50, 24)).astype(np.float32):
        asked = Embedding(query, query[None])
        assert near(local, SCOPE, asked, 16) == near(oracle, SCOPE, asked, 16)
