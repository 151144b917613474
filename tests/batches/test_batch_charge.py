"""Of all replicas one is in charge of the batches; it can lose that, and then writes nothing more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from semcache.batching.batch_life import InProgress, Terms
from semcache.batching.states import Accepted, Waiting
from semcache.errors import StoreUnavailable
from semcache.stores.batch_store import BatchRecord, Change, NewItem
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.batches import PostgresBatches
from semcache.stores.postgres.charge import Charge
from semcache.stores.postgres.now import Now
from semcache.stores.postgres.store import PostgresStore

OpenBatches = Callable[..., PostgresBatches]


@pytest.fixture
def open_batches(postgres_url: str) -> Iterator[OpenBatches]:
    """The batches of as many replicas, with a charge that ends after so many seconds unless it is renewed."""
    opened: list[PostgresStore] = []

    def open_it(seconds: float = 30.0) -> PostgresBatches:
        store = PostgresStore(read_address(postgres_url), space="small-model:1", dims=8)
        opened.append(store)
        store.batches._charge = Charge(store._database, Now(), seconds=seconds)
        return store.batches

    yield open_it
    for store in opened:
        store.close()


def arrive(batches: PostgresBatches) -> None:
    batches.begin(BatchRecord("b1", "anna", 100.0, "", Terms(), b"{}"))
    batches.add("b1", 0, [NewItem("a", b"{}")])
    batches.accept("b1", InProgress(), total=1)


def lose(postgres_url: str) -> None:
    """As if the holder had been cut off, and another had taken over."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE semcache.leases SET owner = 'another', fence = fence + 1")


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_whoever_has_lost_it_writes_nothing_more(open_batches: OpenBatches, postgres_url: str) -> None:
    batches = open_batches()
    arrive(batches)
    assert batches.take_charge()
    lose(postgres_url)
    with pytest.raises(StoreUnavailable, match="another replica is in charge"):
        batches.apply("b1", Change(states={0: Waiting(0)}))
    assert not batches.keeps_charge()
    assert [item.state for item in batches.items_at("b1", [0])] == [Accepted()]
    assert not batches.take_charge()


def test_a_holder_that_is_renewed_keeps_it_and_a_dead_one_is_followed(open_batches: OpenBatches) -> None:
    holder, other = open_batches(seconds=0.6), open_batches(seconds=0.6)
    assert holder.take_charge()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert not other.take_charge() or not holder.keeps_charge()
        time.sleep(0.1)
    holder._charge._left.set()  # its process is gone: nobody renews it
    until(other.take_charge)
    assert other.keeps_charge()
    until(lambda: not holder.keeps_charge())


def test_a_holder_learns_that_it_has_lost_it(open_batches: OpenBatches, postgres_url: str) -> None:
    batches = open_batches(seconds=0.6)
    assert batches.take_charge()
    lose(postgres_url)
    until(lambda: not batches.keeps_charge())
