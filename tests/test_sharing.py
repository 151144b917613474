"""What several processes learn together: every process's share counts, and none overwrites another's."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from fakes import Clock, trusting_scorer
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.audit_schedule import AuditPlan, AuditSchedule
from semcache.errors import StoreUnavailable
from semcache.journal import Journalled, operation
from semcache.learning.keeping import BeliefBook
from semcache.sharing import SharedDocument
from semcache.stores.local.store import LocalStore
from semcache.stores.memory import MemoryStore
from semcache.stores.store import Store

SHOP = "shop"
PLAN = AuditPlan(1.0, True, True, False)


class Tally(Journalled):
    """The smallest thing that learns."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    @operation
    def count(self, name: str) -> int:
        self.counts[name] = self.counts.get(name, 0) + 1
        return self.counts[name]

    @operation
    def count_both(self, one: str, other: str) -> None:
        self.count(one)
        self.count(other)

    def spelt(self) -> bytes:
        return json.dumps(self.counts).encode()

    def read(self, content: bytes) -> None:
        self.counts = dict(json.loads(content))


class Shared(MemoryStore):
    is_down = False

    def __init__(self) -> None:
        super().__init__()
        self.is_shared = True

    def swap_document(self, name: str, content: bytes, *, version: int) -> bool:
        if self.is_down:
            raise StoreUnavailable("gone")
        return super().swap_document(name, content, version=version)


class Process:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.tally = Tally()
        self.document = SharedDocument(store, "tally", self.tally.share(), spell=self.tally.spelt, read=self.tally.read)

    def sync(self) -> None:
        self.document.sync(self.store.document_versions("tally").get("tally", 0))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "both", "sync"])), max_size=40))
def test_whatever_the_order_nothing_is_lost_and_nothing_counts_twice(steps: list[tuple[int, str]]) -> None:
    store = Shared()
    processes, truth = [Process(store) for _ in range(3)], {"a": 0, "b": 0}
    for place, step in steps:
        if step == "sync":
            processes[place].sync()
        elif step == "both":
            processes[place].tally.count_both("a", "b")
            truth = {name: count + 1 for name, count in truth.items()}
        else:
            processes[place].tally.count(step)
            truth[step] += 1
    for _ in range(2):
        for process in processes:
            process.sync()
    for process in processes:
        assert process.tally.counts == {name: count for name, count in truth.items() if count}


def test_a_thing_that_is_not_shared_notes_nothing() -> None:
    tally = Tally()
    assert tally.count("a") == 1
    assert tally.journal is None


def test_a_store_that_is_gone_for_a_while_loses_nothing() -> None:
    store = Shared()
    one, other = Process(store), Process(store)
    one.tally.count("a")
    store.is_down = True
    with pytest.raises(StoreUnavailable):
        one.sync()
    one.tally.count("a")
    store.is_down = False
    other.tally.count("a")
    for process in (other, one, other):
        process.sync()
    assert one.tally.counts == other.tally.counts == {"a": 3}


def test_a_document_that_nobody_can_read_is_learned_anew() -> None:
    store = Shared()
    store.save_document("tally", b"not JSON")
    process = Process(store)
    process.tally.count("a")
    process.sync()
    assert store.load_document("tally") == b'{"a": 1}'


def test_processes_that_sync_all_at_once_lose_nothing(tmp_path: Path, clock: Clock) -> None:
    stores = [LocalStore(tmp_path, space="s", dims=4, clock=clock, is_shared=True) for _ in range(4)]
    processes = [Process(store) for store in stores]

    def work(process: Process) -> None:
        for _ in range(20):
            process.tally.count("a")
            process.sync()

    threads = [threading.Thread(target=work, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in [*processes, *processes]:
        process.sync()
    assert [process.tally.counts for process in processes] == [{"a": 80}] * 4
    for store in stores:
        store.close()


def test_two_threads_that_sync_hand_out_once() -> None:
    """A report brings up to date what upkeep may be handing out at this moment."""

    class Slow(Shared):
        report: threading.Thread | None = None

        def swap_document(self, name: str, content: bytes, *, version: int) -> bool:
            done = super().swap_document(name, content, version=version)
            if self.report is None:
                self.report = threading.Thread(target=process.sync)
                self.report.start()
                self.report.join(0.5)  # it would be through by now, if it did not wait
            return done

    store = Slow()
    process = Process(store)
    process.tally.count("a")
    process.sync()
    assert store.report is not None
    store.report.join()
    assert (store.load_document("tally"), process.tally.counts) == (b'{"a": 1}', {"a": 1})


def book_over(store: Store) -> BeliefBook:
    return BeliefBook(store, trusting_scorer(0.8), error_budget=0.01, schedule=AuditSchedule())


@pytest.fixture
def books() -> list[BeliefBook]:
    store = Shared()
    return [book_over(store), book_over(store)]


def test_audits_of_two_replicas_make_one_certificate(books: list[BeliefBook]) -> None:
    for place, book in enumerate(books):
        for number in range(30):
            book.of(SHOP).settle_audit(PLAN, 0.99, wrong=place == 0 and number == 0, at_seconds=float(number))
    for book in [*books, *books]:
        book.save()
    totals = [book.of(SHOP).record.total for book in books]
    assert [(total.audited, total.wrong) for total in totals] == [(60, 1), (60, 1)]


def test_one_replica_s_alarm_is_heard_by_the_other(books: list[BeliefBook]) -> None:
    one, other = books
    other.of(SHOP)
    while not one.of(SHOP).alarm.is_alarmed:
        one.of(SHOP).settle_audit(PLAN, 0.99, wrong=True, at_seconds=1.0)
    one.save()
    other.save()
    assert other.of(SHOP).alarm.caution is one.of(SHOP).alarm.caution
    assert other.of(SHOP).now().caution is one.of(SHOP).now().caution


def test_the_risk_that_two_replicas_spend_comes_from_one_budget(books: list[BeliefBook]) -> None:
    one, other = books
    for book in books:
        for _ in range(50):
            book.of(SHOP).book_other()
    for book in [one, other, one]:
        book.save()
    assert one.of(SHOP).budget.requests == other.of(SHOP).budget.requests == 100


def test_a_replica_that_starts_later_knows_what_the_others_know(books: list[BeliefBook]) -> None:
    one, other = books
    one.of(SHOP).settle_audit(PLAN, 0.99, wrong=False, at_seconds=1.0)
    one.save()
    assert other.of(SHOP).record.total.audited == 1


def test_nothing_is_written_where_nothing_was_done(books: list[BeliefBook]) -> None:
    store = Shared()
    one, other = book_over(store), book_over(store)
    one.of(SHOP).book_other()
    one.save()
    before = store.document_versions("")
    other.of(SHOP)
    other.save()
    one.save()
    assert store.document_versions("") == before
