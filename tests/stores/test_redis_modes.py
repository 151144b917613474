"""What kind of Redis there is, and what is said of it: too old for vectors, with a policy that loses them, or away."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis_servers import RedisServer, own_keys, redis8_command
from store_samples import DIMS, OTHER_SCOPE, SCOPE, SPACE, embedding, entry, exemplar, ledger_row, put, serving

from semcache.entry import Label
from semcache.errors import Overtaken, SettingsError, StoreError, StoreUnavailable
from semcache.stores.leases import Lease
from semcache.stores.ledger_book import LedgerQuery
from semcache.stores.opening import open_store
from semcache.stores.redis.address import Address, read_address
from semcache.stores.redis.link import Server
from semcache.stores.redis.store import RedisStore
from semcache.stores.redis.verdict import objections
from semcache.stores.store import Guard, Selection

EAST = embedding(1)
OpenRedis = Callable[..., RedisStore]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that a test may stop, fill and kill."""
    server = RedisServer(tmp_path / "own", redis8_command())
    yield server
    server.kill()


# without vector sets


def test_an_old_redis_answers_exact_repeats_and_no_similar_question(open_redis: OpenRedis, old_redis_url: str) -> None:
    store = open_redis(old_redis_url)
    made = put(store, "k1", EAST, tags=("t",))
    assert store.get_exact(SCOPE, "k1") == made == store.get(made.id)
    assert store.nearest(SCOPE, EAST) == []
    assert not store.look_up([], [SCOPE]).searchable
    assert not store.server.has_vectors


def test_an_old_redis_keeps_all_that_needs_no_vectors(open_redis: OpenRedis, old_redis_url: str) -> None:
    store = open_redis(old_redis_url)
    made, other = put(store, "k1", EAST), put(store, "k2", EAST, answer="Other.")
    store.add_exemplar(exemplar(made, EAST, text="alias", key="k3"))
    assert store.get_exact(SCOPE, "k3") == made
    assert [each.text for each in store.exemplars(made.id)] == ["k1 0", "alias"]
    store.record_hit(made.id, serving("m1", made.id))
    assert store.merge(other.id, made.id).hits == 1
    assert store.serving("m1") == serving("m1", made.id)
    assert store.remove_exemplars([store.exemplars(made.id)[0].id]) == 1
    assert store.delete(Selection(text="ALIAS")) == 1
    assert store.stats().entries == 0
    store.book([ledger_row()])
    assert [each.requests for each in store.ledger_groups(LedgerQuery())] == [1]


def test_an_old_redis_guards_answers_by_generation_and_lease(open_redis: OpenRedis, old_redis_url: str) -> None:
    store = open_redis(old_redis_url)
    before = store.generation(SCOPE)
    store.delete(Selection(namespace=SCOPE.namespace))
    with pytest.raises(Overtaken):
        store.put(entry(), guard=Guard(generation=before))
    lease = store.leases.acquire("flight", "one", seconds=10)
    assert isinstance(lease, Lease)
    store.put(entry(), guard=Guard(lease=lease))
    with pytest.raises(Overtaken):
        store.put(entry(), guard=Guard(lease=lease))


def test_an_old_redis_expires_by_its_own_clock(open_redis: OpenRedis, old_redis_url: str) -> None:
    store = open_redis(old_redis_url)
    put(store, "old", EAST, expires_at=time.time() - 1)
    put(store, "new", EAST, expires_at=time.time() + 60)
    store.add_exemplar(exemplar(store.get_exact(SCOPE, "new"), EAST, label=Label.POSITIVE, key="alias"))
    assert store.get_exact(SCOPE, "old") is None
    assert store.get_exact(SCOPE, "alias") is not None
    assert store.expire() == 1


def test_what_an_old_redis_cannot_do_is_said_once_at_the_start(
    open_redis: OpenRedis, old_redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_redis(old_redis_url)
    with caplog.at_level(logging.INFO, "semcache.stores.redis"):
        put(store, "k1")
        put(store, "k2")
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert "no vector sets" in caplog.text
    assert "Redis 8" in caplog.text


# what is wrong with a server


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_a_policy_that_may_drop_a_whole_scope_is_objected_to(policy: str) -> None:
    (said,) = objections(Server("Redis 8.0.2", is_cluster=False, has_vectors=True, policy=policy))
    assert policy in said
    assert "volatile-ttl" in said


@pytest.mark.parametrize("policy", ["noeviction", "volatile-ttl", "volatile-lru", ""])
def test_other_policies_are_fine(policy: str) -> None:
    assert list(objections(Server("Redis 8.0.2", is_cluster=False, has_vectors=True, policy=policy))) == []


def test_a_full_redis_takes_no_writes_and_goes_on_answering(open_redis: OpenRedis, own_server: RedisServer) -> None:
    store = open_redis(own_server.start().url)
    made = put(store, "k1", EAST)
    with own_server.client() as client:
        client.config_set("maxmemory", 1)
    for number in range(8):  # more failures than would open the circuit
        with pytest.raises(StoreUnavailable, match="full"):
            put(store, f"full{number}", EAST, question="a secret question")
    assert store.get_exact(SCOPE, "k1") == made
    assert [each.entry for each in store.nearest(SCOPE, EAST)] == [made]
    assert store.delete(Selection(entry_ids=(made.id,))) == 1
    with own_server.client() as client:
        client.config_set("maxmemory", 0)
    put(store, "k2", EAST)
    assert store.stats().entries == 1


# away


def test_a_store_opens_while_redis_is_away_and_works_once_it_is_there(
    open_redis: OpenRedis, own_server: RedisServer
) -> None:
    store = open_redis(own_server.url)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.get_exact(SCOPE, "k1")
    own_server.start()
    made = put(store, "k1", EAST)
    assert store.get_exact(SCOPE, "k1") == made


def test_a_store_goes_on_by_itself_after_redis_was_killed(open_redis: OpenRedis, own_server: RedisServer) -> None:
    own_server.options = ("--appendonly", "yes", "--appendfsync", "always")
    store = open_redis(own_server.start().url)
    made = put(store, "k1", EAST)
    own_server.kill()
    for _ in range(9):
        with pytest.raises(StoreUnavailable):
            store.get_exact(SCOPE, "k1")
    assert store.health.circuit == "open"
    with pytest.raises(StoreUnavailable, match="left alone"):
        store.get_exact(SCOPE, "k1")
    own_server.start()
    assert _sooner_or_later(lambda: store.get_exact(SCOPE, "k1")) == made
    assert [each.entry for each in store.nearest(SCOPE, EAST)] == [made]
    assert store.health.circuit == "closed"


@pytest.mark.slow
def test_a_redis_that_hangs_is_not_waited_for(open_redis: OpenRedis, own_server: RedisServer) -> None:
    store = open_redis(own_server.start().url)
    made = put(store, "k1", EAST)
    own_server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match="in time"):
            store.get_exact(SCOPE, "k1")
    finally:
        own_server.process.send_signal(signal.SIGCONT)
    assert store.get_exact(SCOPE, "k1") == made


def test_hits_that_could_not_be_written_are_written_later(open_redis: OpenRedis, own_server: RedisServer) -> None:
    own_server.options = ("--appendonly", "yes", "--appendfsync", "always")
    store = open_redis(own_server.start().url, hits_delay_seconds=600.0)
    made = put(store, "k1")
    store.record_hit(made.id, serving("m1", made.id))
    own_server.kill()
    with pytest.raises(StoreUnavailable):
        store.flush()
    own_server.start()
    _sooner_or_later(store.flush)
    assert (store.get(made.id).hits, store.serving("m1")) == (1, serving("m1", made.id))


def test_a_closed_store_says_so(open_redis: OpenRedis, redis_url: str) -> None:
    store = open_redis(redis_url)
    put(store, "k1")
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.get_exact(SCOPE, "k1")


def _sooner_or_later(act: Callable[[], object], *, seconds: float = 30.0) -> object:
    end = time.monotonic() + seconds
    while True:
        try:
            return act()
        except StoreUnavailable:
            assert time.monotonic() < end
            time.sleep(0.05)


# addresses and secrets


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://there", Address((("there", 6379),))),
        ("redis://there:7000/3", Address((("there", 7000),), database=3)),
        ("rediss://me:p%40ss@there/", Address((("there", 6379),), username="me", password="p@ss", is_tls=True)),
        ("redis://:pass@a:1,b:2,c", Address((("a", 1), ("b", 2), ("c", 6379)), password="pass")),
        ("redis://[::1]:7000", Address((("::1", 7000),))),
        (
            "redis://a/?semcache_cluster=true&semcache_prefix=shop-1",
            Address((("a", 6379),), is_cluster=True, prefix="shop-1"),
        ),
        ("redis://a/?semcache_memory_mb=2", Address((("a", 6379),), memory_bytes=2 * 1024 * 1024)),
        ("redis://a/?semcache_memory_mb=0", Address((("a", 6379),), memory_bytes=0)),
    ],
)
def test_a_url_says_where_redis_is(url: str, address: Address) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("redis://me:hunter2@there:port", "port"),
        ("redis://me:hunter2@there:99999", "port"),
        ("redis://me:hunter2@there/none", "database"),
        ("redis://me:hunter2@there/?semcache_cluster=maybe", "semcache_cluster"),
        ("redis://me:hunter2@there/?semcache_prefix={x}", "semcache_prefix"),
        ("redis://me:hunter2@there/?semcache_memory_mb=-1", "semcache_memory_mb is a whole number from 0 to 1000000"),
        ("redis://me:hunter2@there/?semcache_memory_mb=1000001", "semcache_memory_mb"),
        ("redis://me:hunter2@there/?semcache_memory_mb=", "semcache_memory_mb"),
        (
            "redis://me:hunter2@there/?semcache_memory=1",
            "there are semcache_cluster, semcache_memory_mb, semcache_prefix",
        ),
        ("redis://me:hunter2@there/?decode_responses=1", "decode_responses"),
        ("redis://me:hunter2@there/?semcache_cluster", "cannot be read"),
        ("redis://me:hunter2@[there", "cannot be read"),
    ],
)
def test_a_wrong_url_is_refused_by_its_part_and_without_its_password(url: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=part) as caught:
        open_store(url, data_dir=tmp_path, space=SPACE, dims=DIMS)
    assert "hunter2" not in str(caught.value)


def test_neither_password_nor_prompt_is_in_what_goes_wrong(
    open_redis: OpenRedis, own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_server.options, own_server.password = ("--requirepass", "right"), "right"
    own_server.start()
    url = f"redis://:hunter2@127.0.0.1:{own_server.port}"
    store = open_redis(url)
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailable, match="credentials") as caught:
        put(store, "k1", question="a secret question")
    told = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r} {caplog.text} {store!r}"
    assert "hunter2" not in str(caught.value) + caplog.text + repr(store)
    assert caught.value.__suppress_context__
    assert "secret" not in told
    right = open_redis(f"redis://:right@127.0.0.1:{own_server.port}")
    assert put(right, "k1").key == "k1"


def test_two_prefixes_on_one_redis_are_two_stores(open_redis: OpenRedis, redis8: str) -> None:
    one, other = open_redis(own_keys(redis8)), open_redis(own_keys(redis8))
    put(one, "k1", EAST, scope=OTHER_SCOPE)
    assert one.secret("tenants") != other.secret("tenants")
    assert other.delete(Selection()) == 0
    assert one.stats().entries == 1


def test_an_exemplar_of_another_model_is_known_and_not_found(open_redis: OpenRedis, redis_url: str) -> None:
    old, new = open_redis(redis_url, space="old"), open_redis(redis_url, space="new")
    made = put(old, "k1", EAST)
    assert (old.foreign_exemplars(), new.foreign_exemplars()) == (0, 1)
    assert new.nearest(SCOPE, EAST) == []
    assert not new.look_up([], [SCOPE]).searchable
    ((scanned, exemplars),) = new.scan()
    assert not exemplars[0].embedding.vector.any()
    new.put(scanned, [exemplar(made, EAST, text=exemplars[0].text)])
    assert (old.foreign_exemplars(), new.foreign_exemplars()) == (1, 0)
    assert [each.exemplar.text for each in new.nearest(SCOPE, EAST)] == ["k1 0"]


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; sys.modules['redis'] = None; from semcache.stores.opening import open_store;"
        "open_store('redis://there', data_dir=pathlib.Path(sys.argv[1]), space='s', dims=2)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "SettingsError" in done.stderr
    assert "semcache[redis]" in done.stderr


def test_an_error_of_redis_is_a_store_error() -> None:
    assert issubclass(StoreUnavailable, StoreError)
