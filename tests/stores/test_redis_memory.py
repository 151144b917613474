"""Vectors held in memory of what is in Redis: journals not kept, lost writes, evicted messages, emptied servers."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable
from typing import Any

import pytest
import redis
from held_in_memory import RedisHeldInMemory, crowd, held
from redis_servers import RedisCluster, RedisServer
from store_samples import OTHER_SCOPE, SCOPE, embedding, found, put, random_embeddings
from test_postgres_faults import until
from test_redis_kills import eventually

from semcache.entry import Scope
from semcache.errors import StoreUnavailable
from semcache.stores.redis.link import Call
from semcache.stores.redis.scripts import Script
from semcache.stores.redis.source import PAGE, RedisSource
from semcache.stores.redis.spelling import scope_name
from semcache.stores.redis.store import RedisStore
from semcache.stores.store import Selection

OpenRedis = Callable[..., RedisStore]
EAST, NORTH = embedding(1), embedding(0, 1)
# What a release that keeps no journal does not have in its scripts.
OF_JOURNALS = ("':j:' .. space, element)", "':j:' .. exemplar.space, revision", "'jrev', new end", "'brev', new end")


def former(open_redis: OpenRedis, url: str) -> RedisStore:
    """A replica of a release that keeps no journal."""
    store = open_redis(f"{url}&semcache_memory_mb=0")
    ours = store._scopes.call

    def call(name: str, scope: str, *words: Any) -> Call:
        script, slot, given = ours(name, scope, *words)
        lines = script.source.decode().splitlines()
        kept = [line for line in lines if not any(part in line for part in OF_JOURNALS)]
        assert len(kept) == len(lines) - len(OF_JOURNALS)
        source = "\n".join(kept).encode()
        return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest()), slot, given

    store._scopes.call = call  # type: ignore[method-assign]
    return store


def source_of(store: RedisStore) -> RedisSource:
    source = store._neighbours._source
    assert isinstance(source, RedisSource)
    return source


def look_again(store: RedisStore) -> None:
    """At scopes that could not be followed, without waiting for it."""
    source_of(store)._resting.clear()


def key_of(store: RedisStore, part: str, scope: Scope = SCOPE) -> str:
    return f"{{{store._link.prefix}:s:{scope_name(scope)}}}:{part}"


def test_a_search_in_memory_is_one_script_and_compares_nothing_in_the_server(
    open_redis: OpenRedis, durable: RedisServer
) -> None:
    store = open_redis(durable.url, kind=RedisHeldInMemory)
    crowd(store, 300)
    asked = random_embeddings(30, seed=3)
    expected = [found(store, each) for each in asked]
    with durable.client() as client:
        client.config_resetstat()
        assert [found(store, each) for each in asked] == expected
        told = client.info("commandstats")
    assert told["cmdstat_evalsha"]["calls"] == len(asked)
    assert "cmdstat_vsim" not in told


# releases that keep no journal


def test_what_a_release_without_journals_stores_and_removes_is_noticed(open_redis: OpenRedis, redis_url: str) -> None:
    reader, old = open_redis(redis_url, kind=RedisHeldInMemory), former(open_redis, redis_url)
    put(reader, "k1", NORTH)
    assert found(reader, EAST) == ["k1 0"]
    put(old, "k2", EAST)
    assert found(reader, EAST) == ["k2 0", "k1 0"]
    look_again(reader)
    assert found(reader, EAST) == ["k2 0", "k1 0"]
    assert held(reader) == 2
    put(old, "k2", embedding(0, 0, 1), answer="Another.")  # as many as before
    assert found(reader, EAST) == ["k1 0", "k2 0"]
    look_again(reader)
    old.delete(Selection(text="order k1"))
    assert found(reader, EAST) == ["k2 0"]
    look_again(reader)
    put(reader, "k3", EAST)  # which the journal knows; yet it lacks what came before
    assert found(reader, EAST) == ["k3 0", "k2 0"]


def test_a_scope_filled_by_a_release_without_journals_is_followed(open_redis: OpenRedis, redis_url: str) -> None:
    reader, old = open_redis(redis_url), former(open_redis, redis_url)
    for number, each in enumerate(random_embeddings(200, seed=2)):
        put(old, f"k{number}", each)
    crowd(old, 100)
    put(old, "nothing", embedding(0))
    before = [found(reader, each) for each in random_embeddings(9)]
    until(lambda: held(reader) == 301)
    assert [found(reader, each) for each in random_embeddings(9)] == before
    made = put(reader, "new", EAST)
    assert found(reader, EAST)[0] == "new 0"
    reader.delete(Selection(entry_ids=(made.id,)))
    assert found(reader, EAST) == found(old, EAST)
    assert held(reader) == 302


def test_a_scope_that_was_idle_for_a_month_is_not_taken_for_a_new_one(open_redis: OpenRedis, redis_url: str) -> None:
    reader, old = open_redis(redis_url, kind=RedisHeldInMemory), former(open_redis, redis_url)
    put(old, "k1", EAST)
    reader._link.send("DEL", key_of(reader, "meta"))  # as its TTL does
    put(reader, "k2", NORTH)
    assert found(reader, EAST) == ["k1 0", "k2 0"]
    assert held(reader) == 2


def test_what_is_written_beside_while_a_journal_is_made_up_for_is_not_lost(
    open_redis: OpenRedis, redis_url: str
) -> None:
    reader, old = open_redis(redis_url, kind=RedisHeldInMemory), former(open_redis, redis_url)
    for number, each in enumerate(random_embeddings(600, seed=2)):
        put(old, f"k{number}", each)
    source = source_of(reader)
    builder, cursor = source._run("build", SCOPE, "", "")
    assert builder
    assert source._run("build", SCOPE, "", "") == [b"", b""]  # one at a time
    put(reader, "new", EAST)
    made = put(old, "old", EAST)
    old.delete(Selection(text="order k1?"))  # as many as before
    while builder:
        builder, cursor = source._run("build", SCOPE, builder, cursor)
    assert source._run("begin", SCOPE) == []
    assert found(reader, EAST, k=2) == ["new 0", "old 0"]
    assert held(reader) == 601
    old.delete(Selection(entry_ids=(made.id,)))
    assert found(reader, EAST, k=1) == ["new 0"]


def test_what_a_dead_replica_began_to_make_up_for_another_ends(open_redis: OpenRedis, redis_url: str) -> None:
    reader, old = open_redis(redis_url, kind=RedisHeldInMemory), former(open_redis, redis_url)
    for number, each in enumerate(random_embeddings(200, seed=2)):
        put(old, f"k{number}", each)
    source_of(reader)._run("build", SCOPE, "", "")
    assert len(found(reader, EAST)) == 16
    assert held(reader) == 0
    begun = reader._link.send("HGET", key_of(reader, "meta"), "builder")
    reader._link.send("HSET", key_of(reader, "meta"), "builder", b"1:" + begun.partition(b":")[2])  # long ago
    look_again(reader)
    assert len(found(reader, EAST)) == 16
    assert held(reader) == 200


def test_the_journals_of_two_models_are_made_up_for_one_by_one(open_redis: OpenRedis, redis_url: str) -> None:
    old, old_other = former(open_redis, redis_url), former(open_redis, redis_url)
    other = {"space": "another", "kind": RedisHeldInMemory}
    old_other._scopes.space = open_redis(redis_url, **other)._scopes.space
    put(old, "k1", EAST)
    put(old_other, "k2", NORTH)
    reader, reader_of_other = open_redis(redis_url, kind=RedisHeldInMemory), open_redis(redis_url, **other)
    assert found(reader, EAST) == ["k1 0"]
    assert found(reader_of_other, EAST) == ["k2 0"]
    assert found(reader, EAST) == ["k1 0"]
    assert (held(reader), held(reader_of_other)) == (1, 1)
    put(old_other, "k2", EAST, answer="Another.")  # as many as before
    put(reader, "k3", EAST)
    for each in range(2):  # the second time from memory again
        look_again(reader)
        assert (found(reader, EAST), held(reader)) == (["k1 0", "k3 0"], 2 * each)
    assert found(reader_of_other, EAST) == ["k2 0"]


# reading a scope


def test_a_scope_is_read_whole_though_rows_go_while_it_is(open_redis: OpenRedis, redis_url: str) -> None:
    store = open_redis(redis_url)
    crowd(store, 2 * PAGE + 50)  # all of them of one revision
    (made,) = store.page(Selection()).entries
    ids = {each.id for each in store.exemplars(made.id)}
    source = source_of(store)
    outset = source.begin(SCOPE)
    assert outset is not None
    pages = source.pages(SCOPE)
    read = [int(each) for each in next(pages).rows.ids]
    assert len(read) == PAGE
    gone = {*read[-3:], *read[:2]}
    store.remove_exemplars(sorted(gone))
    rest = {int(each) for page in pages for each in page.rows.ids}
    assert {*read, *rest} >= ids - gone
    assert len(rest) <= PAGE + 50 + PAGE


def test_an_evicted_message_takes_its_questions_along(open_redis: OpenRedis, redis_url: str) -> None:
    reader = open_redis(redis_url, kind=RedisHeldInMemory)
    put(reader, "k1", EAST)
    put(reader, "k2", NORTH)
    assert found(reader, EAST) == ["k1 0", "k2 0"]
    reader._link.send("DEL", key_of(reader, "e:k1"))  # as Redis does where memory is full
    assert found(reader, EAST) == ["k2 0"]
    put(reader, "k1", embedding(0, 0, 1), answer="Another.")
    assert found(reader, EAST) == ["k2 0", "k1 0"]
    fresh = open_redis(redis_url, kind=RedisHeldInMemory)
    assert found(fresh, EAST) == ["k2 0", "k1 0"]
    assert reader._link.send("ZCARD", key_of(reader, f"j:{reader._scopes.space.id}")) == 2


def test_when_most_of_a_scope_is_purged_it_is_let_go_of_at_once(open_redis: OpenRedis, redis_url: str) -> None:
    reader, writer = open_redis(redis_url), open_redis(redis_url)
    crowd(writer, 1500)
    crowd(writer, 60, key="rest", seed=1)
    found(reader, EAST)
    until(lambda: held(reader) == 1560)
    writer.delete(Selection(text="order crowd"))
    assert found(reader, EAST) == found(writer, EAST)
    assert held(reader) == 0


def test_a_redis_without_vectors_holds_none_in_memory(open_redis: OpenRedis, old_redis_url: str) -> None:
    store = open_redis(old_redis_url, kind=RedisHeldInMemory)
    put(store, "k1", EAST)
    assert store.nearest(SCOPE, EAST) == []
    assert (store.index_bytes, held(store)) == (0, 0)


# other lives of a server's data


@pytest.mark.parametrize("kind", [RedisStore, RedisHeldInMemory])
def test_nothing_of_an_emptied_server_is_found_again(open_redis: OpenRedis, durable: RedisServer, kind) -> None:
    reader, writer = open_redis(durable.url, kind=kind), open_redis(durable.url)
    put(writer, "k1", EAST, answer="The first life's.")
    put(writer, "k2", NORTH)
    assert found(reader, EAST) == ["k1 0", "k2 0"]
    with durable.client() as client:
        client.flushall()
    assert found(reader, EAST) == []
    put(writer, "other", EAST, scope=OTHER_SCOPE)
    put(writer, "k1", NORTH, answer="The second life's.")
    (near,) = reader.nearest(SCOPE, EAST)
    assert near.entry.message.body["content"][0]["text"] == "The second life's."
    (near,) = reader.nearest(OTHER_SCOPE, EAST)
    assert (near.entry.scope, near.entry.key) == (OTHER_SCOPE, "other")


def test_ids_of_exemplars_are_never_given_twice(open_redis: OpenRedis, durable: RedisServer) -> None:
    store = open_redis(durable.url)
    before = [each.id for each in store.exemplars(put(store, "k1", EAST, NORTH).id)]
    with durable.client() as client:
        client.flushall()
    after = [each.id for each in store.exemplars(put(store, "k1", EAST, NORTH).id)]
    assert before == sorted(before)
    assert min(after) > max(before)


def promote(client: redis.Redis, meta: str) -> None:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    client.execute_command("REPLICAOF", "NO", "ONE")


def set_clock_back(client: redis.Redis, meta: str) -> None:
    client.hset(meta, mapping={"rev": 7, "jrev": 7})


@pytest.mark.parametrize("act", [promote, set_clock_back])
def test_where_revisions_may_come_again_all_is_read_anew(open_redis: OpenRedis, durable: RedisServer, act) -> None:
    reader, writer = open_redis(durable.url), open_redis(durable.url)
    crowd(writer, 200)
    found(reader, EAST)
    until(lambda: held(reader) == 200)
    with durable.client() as client:
        made = put(writer, "k1", EAST)
        act(client, key_of(reader, "meta"))
        journal = key_of(reader, f"j:{reader._scopes.space.id}")
        client.zadd(journal, {f"{writer.exemplars(made.id)[0].id}:k1": 7})  # a revision that was seen
    assert found(reader, EAST)[0] == "k1 0"
    until(lambda: held(reader) == 201)
    writer.delete(Selection(entry_ids=(made.id,)))
    assert found(reader, EAST) == found(writer, EAST)


def test_a_killed_server_is_a_miss_and_what_is_held_is_right_when_it_is_back(
    open_redis: OpenRedis, durable: RedisServer
) -> None:
    reader, writer = open_redis(durable.url, kind=RedisHeldInMemory), open_redis(durable.url)
    put(writer, "k1", NORTH)
    assert found(reader, EAST) == ["k1 0"]
    durable.kill()
    with pytest.raises(StoreUnavailable):
        reader.nearest(SCOPE, EAST)
    durable.start()
    eventually(lambda: put(writer, "k2", EAST))
    assert eventually(lambda: found(reader, EAST)) == ["k2 0", "k1 0"]
    assert held(reader) == 0  # revisions may have been lost
    assert found(reader, EAST) == ["k2 0", "k1 0"]
    assert held(reader) == 2


def test_a_full_server_is_still_searched_in_memory(open_redis: OpenRedis, durable: RedisServer) -> None:
    reader, writer = open_redis(durable.url, kind=RedisHeldInMemory), open_redis(durable.url)
    crowd(writer, 150)
    found(reader, EAST)
    made = put(writer, "k1", EAST)
    with durable.client() as client:
        client.config_set("maxmemory", 1)
        assert found(reader, EAST)[0] == "k1 0"
        writer.delete(Selection(entry_ids=(made.id,)))
        assert "k1 0" not in found(reader, EAST)
        client.config_set("maxmemory", 0)
    assert held(reader) == 151


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_a_failover_of_the_cluster_has_lost_is_not_found_in_memory(
    open_redis: OpenRedis, cluster: RedisCluster
) -> None:
    reader, writer = open_redis(cluster.url, kind=RedisHeldInMemory), open_redis(cluster.url)
    put(writer, "k1", NORTH)
    assert found(reader, EAST) == ["k1 0"]
    master, replica = nodes_of(cluster, reader)
    until(lambda: offset(master) == offset(replica))
    replica.process.send_signal(signal.SIGSTOP)
    with master.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "replica")  # what comes now never gets there
    put(writer, "lost", EAST)
    assert found(reader, EAST) == ["lost 0", "k1 0"]
    master.kill()
    replica.process.send_signal(signal.SIGCONT)
    eventually(lambda: put(writer, "new", embedding(1, 1)), seconds=120)
    other = open_redis(cluster.url, kind=RedisHeldInMemory)
    assert found(other, EAST) == ["new 0", "k1 0"]
    assert found(reader, EAST) == ["new 0", "k1 0"]


def nodes_of(cluster: RedisCluster, store: RedisStore) -> tuple[RedisServer, RedisServer]:
    """The master of the scope's slot, and its replica."""
    with cluster.nodes[0].client() as client:
        slot = client.execute_command("CLUSTER", "KEYSLOT", key_of(store, "meta"))
        slots = client.execute_command("CLUSTER", "SLOTS")
    (port,) = [master[1] for first, last, master, *_ in slots if first <= slot <= last]
    (master,) = [node for node in cluster.nodes if node.port == port]
    (replica,) = [node for node in cluster.nodes if replication(node).get("master_port") == port]
    return master, replica


def replication(node: RedisServer) -> dict[str, Any]:
    with node.client() as client:
        return dict(client.info("replication"))


def offset(node: RedisServer) -> int:
    told = replication(node)
    return int(told["master_repl_offset"] if told["role"] == "master" else told["slave_repl_offset"])
