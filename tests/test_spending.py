"""Spending limits: misses are refused when the day's money is gone, hits never, and nothing is lost in the accounts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock, FakeUpstream, Reply
from hypothesis import given
from hypothesis import strategies as st

from semcache import Hit, SemanticCache, Settings
from semcache.errors import BudgetExceeded, SettingsError, UpstreamStatus
from semcache.policy import Namespace
from semcache.spending import Limit, Limits, SpendingBook, Spent
from semcache.stores.memory import MemoryStore
from semcache.strategies.keeping import Keeping
from semcache.wire_errors import error_response

DAY = 86_400.0
MODEL = "claude-haiku-5-5"


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., SemanticCache]]:
    caches: list[SemanticCache] = []

    def opening(answer: Any = None, **settings: Any) -> SemanticCache:
        chosen = Settings(
            **{"store": "memory:", "embedder": "hashed", "data_dir": tmp_path, "audits": False, **settings}
        )
        upstream = FakeUpstream(answer or (lambda body: Reply.saying()))
        caches.append(SemanticCache(chosen, upstream=upstream, clock=clock))
        return caches[-1]

    yield opening
    for cache in caches:
        cache.close()


def ask(cache: SemanticCache, number: int, **options: Any) -> Any:
    return cache.ask(f"What is the fare to zone {number}?", model=MODEL, **options)


def ask_many(cache: SemanticCache, first: int, **options: Any) -> None:
    """More than any limit here allows."""
    for number in range(first, first + 6):
        ask(cache, number, **options)


def test_when_the_money_is_spent_misses_are_refused_and_hits_are_not(opened: Any) -> None:
    cache = opened(tokens_per_day=40)  # the fake upstream counts 15 an answer
    ask(cache, 1)
    ask(cache, 2)
    with pytest.raises(BudgetExceeded, match="the service's limit of 40 tokens a day is used up"):
        ask_many(cache, 3)
    assert isinstance(ask(cache, 1).lookup, Hit)


def test_a_new_day_begins_with_nothing_spent(opened: Any, clock: Clock) -> None:
    cache = opened(tokens_per_day=20)
    ask(cache, 1)
    with pytest.raises(BudgetExceeded) as refused:
        ask_many(cache, 2)
    clock.advance(refused.value.retry_after_seconds)
    ask(cache, 9)


def test_the_refusal_is_claudes_rate_limit_and_says_when_to_come_back(clock: Clock) -> None:
    book = SpendingBook(Limits(Limit(usd_per_day=1)))
    book.settle(book.reserve("a", "k", usd=2, tokens=1, now=clock.now), usd=2, tokens=1, now=clock.now)
    with pytest.raises(BudgetExceeded) as refused:
        book.reserve("a", "k", usd=1, tokens=1, now=clock.now)
    status, headers, body = error_response(refused.value, upstream="claude")
    assert (status, b"rate_limit_error" in body) == (429, True)
    assert 0 < int(dict(headers)["retry-after"]) <= DAY
    assert dict(headers)["x-should-retry"] == "false"


def test_one_credential_does_not_spend_anothers_money(opened: Any) -> None:
    cache = opened(credential_tokens_per_day=20)
    ask(cache, 1, api_key="anna")
    with pytest.raises(BudgetExceeded, match="the credential's limit"):
        ask_many(cache, 2, api_key="anna")
    ask(cache, 1, api_key="berta")


def test_a_namespace_has_a_limit_of_its_own(opened: Any) -> None:
    cache = opened(namespaces={"shop": Namespace(tokens_per_day=20)})
    with pytest.raises(BudgetExceeded, match="the namespace's limit"):
        ask_many(cache, 0, namespace="shop")
    ask(cache, 1)


def test_a_failed_request_gives_back_what_was_set_aside(opened: Any) -> None:
    cache = opened(lambda body: Reply(500, b"{}"), tokens_per_day=30)
    for number in range(20):
        with pytest.raises(UpstreamStatus):
            ask(cache, number)


def test_without_limits_nothing_is_counted(opened: Any, clock: Clock) -> None:
    cache = opened()
    ask(cache, 1)
    book = cache.parts.assembly.spending
    assert book.is_idle
    assert book.spent(now=clock.now) == {}


def test_what_was_spent_today_survives_a_restart(opened: Any) -> None:
    first = opened(store="local:", tokens_per_day=40)
    ask(first, 1)
    ask(first, 2)
    first.close()
    again = opened(store="local:", tokens_per_day=40)
    with pytest.raises(BudgetExceeded):
        ask_many(again, 3)


def test_accounts_stand_with_their_limits_whether_or_not_anything_was_spent(clock: Clock) -> None:
    shop, each = Limit(tokens_per_day=9), Limit(usd_per_day=1)
    book = SpendingBook(Limits(Limit(usd_per_day=10), each, {"shop": shop, "free": Limit()}))
    for credential, usd in (("poor", 0.25), ("rich", 0.75), ("middling", 0.5)):
        held = book.reserve("free", credential, usd=usd, tokens=4, now=clock.now)
        book.settle(held, usd=usd, tokens=4, now=clock.now)
    assert list(book.standings(now=clock.now, most=2).items()) == [
        ("service", Spent(1.5, 12, Limit(usd_per_day=10))),
        ("namespace shop", Spent(0.0, 0, shop)),
        ("credential rich", Spent(0.75, 4, each)),
        ("credential middling", Spent(0.5, 4, each)),
    ]
    assert SpendingBook(Limits()).standings(now=clock.now, most=2) == {}


def test_most_of_a_limit_is_a_warning_once_a_day(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    book = SpendingBook(Limits(Limit(usd_per_day=10)))
    with caplog.at_level(logging.WARNING):
        for _ in range(9):
            book.settle(book.reserve("a", "k", usd=1, tokens=1, now=clock.now), usd=1, tokens=1, now=clock.now)
    assert [record.message for record in caplog.records] == ["spending: service has used 80 % of its limit of the day"]


@given(costs=st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=40))
def test_what_is_spent_adds_up_and_reservations_return_to_zero(costs: list[tuple[float, bool]]) -> None:
    book, now = SpendingBook(Limits(Limit(usd_per_day=1e9))), 5 * DAY
    held = [(book.reserve("a", "k", usd=cost, tokens=10, now=now), cost, fails) for cost, fails in costs]
    for reservation, cost, fails in held:
        book.settle(reservation, usd=0 if fails else cost, tokens=0 if fails else 10, now=now)
    spent = sum(cost for _, cost, fails in held if not fails)
    known = book.spent(now=now).get("service", Spent(0.0, 0, Limit()))
    assert known.usd == pytest.approx(spent)
    assert all(abs(account.reserved_usd) < 1e-9 for account in book._accounts.values())


def test_callers_are_told_where_a_limit_is_nearly_used_up(opened: Any) -> None:
    cache = opened(credential_tokens_per_day=70)  # the fake upstream counts 15 an answer
    told = [ask(cache, number, api_key="anna").call.budget for number in range(5)]
    assert told == ["", "", "", "", "credential; used=0.85"]
    assert ask(cache, 1, api_key="anna").call is None  # a hit costs nothing, so it says nothing


def test_the_soft_limit_is_the_operators(opened: Any) -> None:
    cache = opened(tokens_per_day=1_000, soft_limit_share=0.01)
    assert [ask(cache, number).call.budget for number in range(2)] == ["", "service; used=0.01"]
    with pytest.raises(SettingsError, match="soft_limit_share"):
        Settings(soft_limit_share=1.5)


def test_a_limit_is_shown_beside_what_was_spent_even_after_a_restart(clock: Clock) -> None:
    limits = Limits(namespaces={"shop": Limit(usd_per_day=4)})
    book, again = SpendingBook(limits), SpendingBook(limits)
    book.settle(book.reserve("shop", "k", usd=1, tokens=9, now=clock.now), usd=1, tokens=9, now=clock.now)
    again.restore(book.to_bytes())
    spent = again.spent(now=clock.now)["namespace shop"]
    assert (spent.usd, spent.tokens, spent.used_share) == (1, 9, 0.25)


def test_requests_under_way_cannot_overspend_together(clock: Clock) -> None:
    book = SpendingBook(Limits(Limit(usd_per_day=3)))
    for _ in range(3):
        book.reserve("a", "k", usd=1, tokens=1, now=clock.now)
    with pytest.raises(BudgetExceeded):
        book.reserve("a", "k", usd=1, tokens=1, now=clock.now)


def today(book: SpendingBook, now: float) -> tuple[float, int]:
    spent = book.spent(now=now)["service"]
    return spent.usd, spent.tokens


def test_two_processes_on_one_store_keep_to_one_limit() -> None:
    store = MemoryStore()
    store.is_shared = True
    books = [SpendingBook(Limits(Limit(usd_per_day=1.0))) for _ in range(2)]
    keepings = [Keeping(store) for _ in books]
    for keeping, book in zip(keepings, books, strict=True):
        keeping.keep("spending", book, is_urgent=True)
        under_way = book.reserve("shop", "c", usd=0.1, tokens=1, now=10.0)
        book.settle(under_way, usd=0.6, tokens=1, now=11.0)
    for keeping in (*keepings, *keepings):
        keeping.save(only_urgent=True)
    assert [today(book, 12.0) for book in books] == [(1.2, 2), (1.2, 2)]
    for book in books:
        with pytest.raises(BudgetExceeded):
            book.reserve("shop", "c", usd=0.1, tokens=1, now=12.0)
        book.reserve("shop", "c", usd=0.1, tokens=1, now=12.0 + DAY)


def test_what_is_under_way_here_outlives_what_others_report() -> None:
    book = SpendingBook(Limits(Limit(usd_per_day=1.0)))
    under_way = book.reserve("shop", "c", usd=0.9, tokens=1, now=10.0)
    book.restore(json.dumps([0, [["service", 0.2, 5]]]).encode())
    with pytest.raises(BudgetExceeded):
        book.reserve("shop", "c", usd=0.1, tokens=1, now=10.0)
    book.settle(under_way, usd=0.1, tokens=1, now=11.0)
    assert today(book, 11.0) == (pytest.approx(0.3), 6)


def test_the_accounts_of_yesterday_are_closed_even_if_others_still_write_them() -> None:
    book = SpendingBook(Limits(Limit(usd_per_day=1.0)))
    book.add("shop", usd=0.5, tokens=1, now=DAY + 1)
    book.restore(json.dumps([0, [["service", 0.9, 5]]]).encode())
    assert today(book, DAY + 2) == (0.0, 0)
    book.add("shop", usd=0.5, tokens=1, now=DAY - 1)
    assert today(book, DAY + 2) == (0.0, 0)
