"""All stores of batches keep to one protocol, and what is kept in a file is there when it is opened again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semcache.batching.batch_life import Archived, BatchEnded, Canceling, InProgress, Terms
from semcache.batching.message_batch import Counts
from semcache.batching.splitting import Prefix
from semcache.batching.states import Accepted, Duplicate, Likeness, Sent, Source, Submitting, Succeeded, Waiting
from semcache.errors import StoreError
from semcache.stores.batch_store import BatchRecord, Change, Dispatch, NewItem, Shaped, counted
from semcache.stores.local.batches import LocalBatches
from semcache.stores.local.database import Database
from semcache.stores.memory_batches import MemoryBatches
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.redis.store import RedisStore

RECORD = BatchRecord("msgbatch_1", "anna", 100.0, "http://here", Terms(10.0, 20.0), b"{}", b"sealed")


@pytest.fixture
def open_local(tmp_path):
    opened = []

    def open_it():
        database = Database(tmp_path / "cache.sqlite3")
        opened.append(database)
        return LocalBatches(database)

    yield open_it
    for database in opened:
        database.close()


@pytest.fixture
def open_redis(redis_url):
    opened = []

    def open_it():
        opened.append(RedisStore(redis_url, space="s", dims=2))
        return opened[-1].batches

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def open_postgres(postgres_url):
    opened = []

    def open_it():
        opened.append(PostgresStore(read_address(postgres_url), space="small-model:1", dims=8))
        return opened[-1].batches

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture(params=["memory", "local", "postgres", "redis"])
def store(request):
    return MemoryBatches() if request.param == "memory" else request.getfixturevalue(f"open_{request.param}")()


@pytest.fixture(params=["local", "postgres", "redis"])
def open_kept(request):
    """Opens what outlives the process, as often as asked."""
    return request.getfixturevalue(f"open_{request.param}")


def arrive(store, batch_id="msgbatch_1", *, count=4, credential="anna", at=100.0):
    store.begin(BatchRecord(batch_id, credential, at, "http://here", Terms(10.0, 20.0), b"{}", b"sealed"))
    store.add(batch_id, 0, [NewItem(f"id-{n}", b'{"n":%d}' % n) for n in range(count)])
    store.accept(batch_id, InProgress(), total=count)


def test_a_batch_exists_once_it_has_been_accepted(store):
    store.begin(RECORD)
    store.add(RECORD.id, 0, [NewItem("a", b"{}")])
    assert store.batch(RECORD.id) is None
    assert store.unended() == []
    store.accept(RECORD.id, InProgress(), total=1)
    found = store.batch(RECORD.id)
    assert (found.state, found.total, found.terms, found.sealed) == (InProgress(), 1, Terms(10.0, 20.0), b"sealed")
    assert [each.id for each in store.unended()] == [RECORD.id]


def test_the_newest_batches_are_listed_whoevers_they_are_and_however_they_stand(store):
    for number, credential in enumerate(("anna", "ben", "anna")):
        arrive(store, f"msgbatch_{number}", credential=credential)
    store.begin(replace(RECORD, id="msgbatch_9"))
    store.end("msgbatch_2", BatchEnded(200.0), Counts(succeeded=4))
    assert [(each.id, each.counts) for each in store.newest(limit=2)] == [
        ("msgbatch_2", Counts(succeeded=4)),
        ("msgbatch_1", None),
    ]


def test_what_never_arrived_as_a_whole_is_discarded(store):
    store.begin(RECORD)
    arrive(store, "msgbatch_2")
    assert store.discard_arriving(before=50.0) == 0
    assert store.discard_arriving(before=1000.0) == 1
    assert store.batch("msgbatch_2") is not None


def test_a_change_is_seen_as_a_whole(store):
    arrive(store)
    shaped = Shaped(b'{"params":null}', Prefix("head", "marked"), 77, "twin")
    dispatch = Dispatch("semc_1", (2, 0), 5.0)
    states = {0: Submitting("semc_1", 1), 1: Duplicate(0, Likeness.EXACT), 2: Submitting("semc_1", 0)}
    store.apply("msgbatch_1", Change(states, {1: 0}, {0: shaped}, {}, dispatch))
    assert store.dispatches("msgbatch_1") == [dispatch]
    assert store.twin("msgbatch_1", "twin") == 0
    assert store.twin("msgbatch_1", "other") is None
    [first, *_] = store.items_at("msgbatch_1", [2, 0])
    assert (first.place, first.prefix, first.size_bytes) == (0, Prefix("head", "marked"), 77)
    assert store.bodies("msgbatch_1", [0, 1])[0].shaped == b'{"params":null}'
    assert store.bodies("msgbatch_1", [1])[1].params == b'{"n":1}'
    assert [item.place for item in store.items("msgbatch_1", [Submitting, Accepted], limit=9)] == [0, 2, 3]
    assert [item.place for item in store.items("msgbatch_1", [Submitting], after=0, limit=1)] == [2]


def test_who_waits_for_another_is_ready_when_that_one_has_ended(store):
    arrive(store)
    store.apply("msgbatch_1", Change({0: Waiting()}, {1: 0, 2: 0}))
    store.apply("msgbatch_1", Change({2: Duplicate(0, Likeness.EXACT)}))
    assert [item.place for item in store.ready("msgbatch_1", Accepted, limit=9)] == [3]
    assert store.ready("msgbatch_1", Duplicate, limit=9) == []
    store.apply("msgbatch_1", Change({0: Succeeded(Source.UPSTREAM)}, results={0: b"line\n"}))
    assert [item.place for item in store.ready("msgbatch_1", Accepted, limit=9)] == [1, 3]
    assert [item.place for item in store.ready("msgbatch_1", Duplicate, limit=9)] == [2]
    assert store.counts("msgbatch_1") == Counts(processing=3, succeeded=1)


def test_dispatches_are_known_until_they_are_over(store):
    arrive(store)
    sent = Dispatch("semc_1", (0, 1), 5.0, "msgbatch_upstream")
    store.apply("msgbatch_1", Change({0: Sent("semc_1", 0, "msgbatch_upstream")}, dispatch=sent))
    assert store.upstream_ids() == {"msgbatch_upstream"}
    over = Dispatch("semc_1", (0, 1), 5.0, "msgbatch_upstream", is_over=True)
    store.apply("msgbatch_1", Change(dispatch=over))
    assert store.dispatches("msgbatch_1") == []
    assert store.upstream_ids() == {"msgbatch_upstream"}


def test_results_are_read_in_pages_in_the_order_of_the_requests(store):
    arrive(store)
    store.apply("msgbatch_1", Change(results={2: b"two\n", 0: b"zero\n", 3: b"three\n"}))
    assert store.results("msgbatch_1", limit=2) == [(0, b"zero\n"), (2, b"two\n")]
    assert store.results("msgbatch_1", after=2, limit=2) == [(3, b"three\n")]


def test_an_ended_batch_keeps_its_results_and_forgets_prompts_and_credential(store):
    arrive(store)
    store.apply("msgbatch_1", Change({0: Succeeded(Source.CACHE)}, results={0: b"zero\n"}))
    store.end("msgbatch_1", BatchEnded(150.0), Counts(succeeded=4))
    found = store.batch("msgbatch_1")
    assert (found.state, found.counts, found.sealed) == (BatchEnded(150.0), Counts(succeeded=4), None)
    assert store.bodies("msgbatch_1", [0]) == {}
    assert store.results("msgbatch_1", limit=9) == [(0, b"zero\n")]
    assert store.unended() == []
    assert [each.id for each in store.ended_before(101.0)] == ["msgbatch_1"]
    store.archive("msgbatch_1", Archived(150.0, 200.0))
    assert store.results("msgbatch_1", limit=9) == []
    assert store.ended_before(101.0) == []


def test_a_state_changes_only_from_what_it_was(store):
    arrive(store)
    assert store.move("msgbatch_1", Canceling(5.0), instead_of=InProgress())
    assert not store.move("msgbatch_1", Canceling(6.0), instead_of=InProgress())
    assert store.batch("msgbatch_1").state == Canceling(5.0)


def test_a_listing_is_paged_both_ways_and_holds_one_credentials_batches(store):
    for n in range(5):
        arrive(store, f"b{n}", at=100.0 + n)
        arrive(store, f"other{n}", credential="ben", at=100.0 + n)
    assert [each.id for each in store.listing("anna", limit=2).records] == ["b4", "b3"]
    middle = store.listing("anna", limit=2, after_id="b3")
    assert ([each.id for each in middle.records], middle.has_more) == (["b2", "b1"], True)
    last = store.listing("anna", limit=2, after_id="b1")
    assert ([each.id for each in last.records], last.has_more) == (["b0"], False)
    before = store.listing("anna", limit=2, before_id="b0")
    assert ([each.id for each in before.records], before.has_more) == (["b2", "b1"], True)


def test_a_deleted_batch_is_gone_with_all_that_belongs_to_it(store):
    arrive(store)
    store.apply("msgbatch_1", Change(results={0: b"zero\n"}, dispatch=Dispatch("semc_1", (0,), 5.0, "up")))
    store.delete("msgbatch_1")
    assert store.batch("msgbatch_1") is None
    assert store.upstream_ids() == frozenset()
    with pytest.raises(StoreError, match="deleted"):
        store.counts("msgbatch_1")


def test_a_batch_that_goes_while_the_newest_are_counted_is_passed_over(store):
    for number in (1, 2):
        arrive(store, f"msgbatch_{number}", at=100.0 + number)
    counting = counted(store, store.newest(limit=10))
    assert next(counting)[0].id == "msgbatch_2"
    store.delete("msgbatch_1")
    assert list(counting) == []


def test_one_office_is_in_charge(store):
    assert not store.keeps_charge()
    assert store.take_charge()
    assert store.keeps_charge()
    assert not store.take_charge()
    store.leave_charge()
    assert not store.keeps_charge()
    assert store.take_charge()
    store.leave_charge()


def test_two_openers_of_one_store_cannot_both_be_in_charge(open_kept):
    one, other = open_kept(), open_kept()
    assert one.take_charge()
    assert not other.take_charge()
    one.leave_charge()
    assert other.take_charge()
    other.leave_charge()


def test_everything_is_there_when_the_store_is_opened_again(open_kept):
    arrive(open_kept())
    again = open_kept()
    assert [item.custom_id for item in again.items("msgbatch_1", [Accepted], limit=9)] == [f"id-{n}" for n in range(4)]


def test_no_file_holds_a_credential_after_the_end(tmp_path):
    database = Database(tmp_path / "cache.sqlite3")
    store = LocalBatches(database)
    store.begin(BatchRecord("msgbatch_1", "anna", 100.0, "", Terms(), b"{}", b"a sealed credential"))
    store.accept("msgbatch_1", InProgress(), total=0)
    store.end("msgbatch_1", BatchEnded(1.0), Counts())
    database.close()
    assert not [path for path in tmp_path.iterdir() if b"a sealed credential" in path.read_bytes()]
