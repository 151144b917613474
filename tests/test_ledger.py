"""The ledger writes in the background: every row once, in the order of booking, none lost when it closes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from fakes import Clock, message, request
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import until

from semcache.entry import Bypass
from semcache.errors import StoreError
from semcache.exchange import Answer, Call, Exchange
from semcache.ledger import LOST, MOST_BUFFERED, ROWS_BUFFERED, Ledger
from semcache.request import Caller, Request
from semcache.stores.ledger_book import LedgerQuery, LedgerRow
from semcache.stores.memory import MemoryStore

DOLLAR = Decimal(1)


class Books(MemoryStore):
    """A store that can be made to wait, or to fail."""

    def __init__(self) -> None:
        super().__init__(clock=Clock())
        self.may_write = threading.Event()
        self.may_write.set()
        self.fails = False

    def book(self, rows: Sequence[LedgerRow]) -> None:
        assert self.may_write.wait(30)
        if self.fails:
            raise StoreError("the disk is full")
        super().book(rows)

    def outcomes(self) -> list[str]:
        return [row.outcome for _, row in self.ledger_rows(LedgerQuery(), limit=100_000)]


Open = Callable[..., tuple[Ledger, Books]]


@pytest.fixture
def opened() -> Iterator[Open]:
    ledgers: list[Ledger] = []

    def opening(**options: Any) -> tuple[Ledger, Books]:
        store = Books()
        ledgers.append(Ledger(store, lambda model, usage: DOLLAR, clock=Clock(), **options))
        return ledgers[-1], store

    yield opening
    for ledger in ledgers:
        ledger.close()


def book(ledger: Ledger, outcome: str, *, times: int = 1) -> None:
    for _ in range(times):
        ledger.book_overhead(outcome, "default", "claude-haiku-5-5", message())


def answered(ledger: Ledger) -> None:
    """One request through the ledger's step."""

    def forward(asked: Request) -> Exchange:
        yield Call(asked, Bypass("off"))
        return Answer(message(), Bypass("off"))

    exchange = ledger.step(request(), forward)
    next(exchange)
    with pytest.raises(StopIteration):
        exchange.send(message())


def until_taken(ledger: Ledger) -> None:
    """A full portion, which the writer has taken, and cannot write yet."""
    book(ledger, "first", times=ROWS_BUFFERED)
    until(lambda: ledger.waiting == 0)


def writing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "semcache-ledger"]


def test_rows_reach_the_store_though_nobody_flushes_and_nothing_follows(opened: Open) -> None:
    ledger, store = opened()
    answered(ledger)
    until(lambda: store.outcomes() == ["bypass"])
    assert ledger.waiting == 0


def test_no_request_waits_for_the_store(opened: Open) -> None:
    ledger, store = opened()
    store.may_write.clear()
    for _ in range(3 * ROWS_BUFFERED):
        answered(ledger)
    store.may_write.set()
    ledger.flush()
    assert store.outcomes() == ["bypass"] * 3 * ROWS_BUFFERED


def test_where_the_store_cannot_keep_up_whoever_asks_writes(opened: Open) -> None:
    ledger, store = opened()
    store.may_write.clear()
    until_taken(ledger)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(book, ledger, "more", times=MOST_BUFFERED + 10)
        until(lambda: ledger.waiting == MOST_BUFFERED)
        store.may_write.set()
        asking.result(timeout=30)
    ledger.flush()
    assert store.outcomes() == ["first"] * ROWS_BUFFERED + ["more"] * (MOST_BUFFERED + 10)


def test_a_flush_waits_for_what_the_background_is_writing(opened: Open) -> None:
    ledger, store = opened()
    store.may_write.clear()
    until_taken(ledger)
    with ThreadPoolExecutor(1) as pool:
        flushing = pool.submit(ledger.flush)
        store.may_write.set()
        flushing.result(timeout=30)
        assert store.outcomes() == ["first"] * ROWS_BUFFERED


@given(books=st.lists(st.lists(st.sampled_from("bf"), max_size=40), min_size=1, max_size=4), fill=st.integers(0, 150))
@settings(max_examples=25, deadline=None)
def test_rows_booked_are_rows_written_once_and_in_order(books: list[list[str]], fill: int) -> None:
    store = Books()
    shown: list[LedgerRow] = []
    ledger = Ledger(store, lambda model, usage: DOLLAR, clock=Clock())
    ledger.watch(shown.extend)

    def work(name: int) -> list[str]:
        made = [f"{name} {number}" for number in range(books[name].count("b") + fill)]
        rows = iter(made)
        for act in (*books[name], *"b" * fill):
            if act == "b":
                book(ledger, next(rows))
            else:
                ledger.flush()
        return made

    with ThreadPoolExecutor(len(books)) as pool:
        booked = list(pool.map(work, range(len(books))))
    ledger.close()
    found = store.outcomes()
    assert [row.outcome for row in shown] == found
    for name, made in enumerate(booked):
        assert [outcome for outcome in found if outcome.startswith(f"{name} ")] == made
    assert len(found) == sum(map(len, booked))


def test_closing_writes_the_rest_and_leaves_no_thread(opened: Open) -> None:
    before = len(writing_threads())
    ledger, store = opened()
    book(ledger, "audit")
    assert len(writing_threads()) == before + 1
    ledger.close()
    ledger.close()
    assert (len(writing_threads()), store.outcomes()) == (before, ["audit"])
    book(ledger, "late")
    ledger.flush()
    assert (len(writing_threads()), store.outcomes()) == (before, ["audit", "late"])


def test_a_store_that_fails_costs_its_rows_and_no_later_one(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    ledger, store = opened()
    store.fails = True
    book(ledger, "audit")
    ledger.flush()
    assert "1 ledger rows lost: StoreError" in caplog.text
    store.fails = False
    book(ledger, "judge")
    until(lambda: store.outcomes() == ["judge"])


def test_what_was_paid_for_in_vain_is_told_with_whose_credential(opened: Open) -> None:
    spent: list[tuple[str, Decimal, str]] = []
    ledger, store = opened(on_spent=lambda row, credential: spent.append((row.outcome, row.cost_usd, credential)))
    ledger.book_lost(Call(request(caller=Caller(credential="anna"))), message())
    book(ledger, "audit")
    ledger.flush()
    assert store.outcomes() == [LOST, "audit"]
    assert spent == [(LOST, DOLLAR, "anna"), ("audit", DOLLAR, "")]
