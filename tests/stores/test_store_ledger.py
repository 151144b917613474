"""The ledger as every store must keep it: exact sums by any dimension, rows as booked, and their replacement."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import ledger_row

from semcache.message import Usage
from semcache.stores.ledger_book import DIMENSIONS, BillLine, LedgerGroup, LedgerQuery, LedgerRow, grouped
from semcache.stores.store import Store

DAY = 86_400.0
PICO = Decimal("0.000000000001")
MONEY = st.integers(-(10**19), 10**19).map(lambda pico: pico * PICO).filter(lambda usd: abs(usd) < 9_000_000)
ROWS = st.builds(
    ledger_row,
    outcome=st.sampled_from(["exact", "miss", "faq"]),
    at=st.sampled_from([0.0, 1.5, DAY, DAY + 3600, 2 * DAY - 0.5]),
    namespace=st.sampled_from(["shop", "hotel", ""]),
    requested_model=st.sampled_from(["claude-x", "claude-y"]),
    served_model=st.sampled_from(["claude-x", "claude-y"]),
    baseline_usd=MONEY,
    cost_usd=MONEY,
    tags=st.lists(st.sampled_from(["a", "b", 'c"d']), unique=True).map(lambda tags: tuple(sorted(tags))),
    parts=st.dictionaries(st.sampled_from(["exact", "tiering", "audits"]), MONEY),
    requests=st.integers(1, 5),
)
QUERIES = st.builds(
    LedgerQuery,
    since=st.sampled_from([None, 0.0, 1.5, DAY]),
    until=st.sampled_from([None, 0.0, DAY, 3 * DAY]),
    namespace=st.sampled_from([None, "", "shop"]),
    model=st.sampled_from([None, "claude-x"]),
    tag=st.sampled_from([None, "a", 'c"d']),
    by=st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=3).map(tuple),
)


@given(rows=st.lists(ROWS, max_size=8), query=QUERIES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_are_those_of_the_rows_by_any_dimension(store: Store, rows: list[LedgerRow], query: LedgerQuery) -> None:
    store.replace_ledger(0.0, 10 * DAY, rows)
    assert store.ledger_groups(query) == grouped(rows, query)


def test_sums_are_exact_beyond_what_64_bits_hold(store: Store) -> None:
    big = ledger_row("hit", baseline_usd=Decimal("9000000.000000000001"), cost_usd=Decimal(0))
    store.book([big, big, big])
    (found,) = store.ledger_groups(LedgerQuery())
    assert found.baseline_usd == Decimal("27000000.000000000003")


def test_an_empty_ledger_has_no_groups(store: Store) -> None:
    assert store.ledger_groups(LedgerQuery()) == []
    assert store.ledger_groups(LedgerQuery(by=("day",))) == []


@pytest.mark.parametrize(
    ("query", "requests"),
    [
        pytest.param(LedgerQuery(), 4, id="all"),
        pytest.param(LedgerQuery(since=20.0), 3, id="since includes its moment"),
        pytest.param(LedgerQuery(until=20.0), 1, id="until excludes its moment"),
        pytest.param(LedgerQuery(since=0.0, until=0.0), 0, id="zero is a moment"),
        pytest.param(LedgerQuery(namespace="hotel"), 1, id="namespace"),
        pytest.param(LedgerQuery(namespace=""), 0, id="the empty namespace is one"),
        pytest.param(LedgerQuery(label="team-a"), 4, id="label"),
    ],
)
def test_sums_cover_what_the_query_means(store: Store, query: LedgerQuery, requests: int) -> None:
    store.book([ledger_row(at=at) for at in (10.0, 20.0, 30.0)])
    store.book([ledger_row(at=40.0, namespace="hotel", requested_model="half a pair \ud83d")])
    assert sum(each.requests for each in store.ledger_groups(query)) == requests


def test_rows_come_back_as_they_were_booked_page_by_page(store: Store) -> None:
    bill = (
        BillLine("baseline", "claude-x", Usage(1, 2, 3, 4, 5)),
        BillLine("batch", "claude-y", Usage(input_tokens=7, is_batch=True, is_us=True)),
    )
    rows = [ledger_row(at=float(at), bill=bill, parts={"batch": PICO}, tags=("a",)) for at in range(5)]
    store.book(rows)
    found, after = [], 0
    while page := store.ledger_rows(LedgerQuery(), after=after, limit=2):
        found += [row for _, row in page]
        after = page[-1][0]
    assert found == rows


def test_replacing_a_period_touches_no_other(store: Store) -> None:
    store.book([ledger_row(at=at) for at in (1.0, 2.0, 3.0)])
    assert store.replace_ledger(1.0, 3.0, [ledger_row(at=1.0, requests=2, outcome="exact")]) == 2
    by_outcome = {group.key[0]: group.requests for group in store.ledger_groups(LedgerQuery(by=("outcome",)))}
    assert by_outcome == {"exact": 2, "miss": 1}


def test_a_row_with_two_tags_counts_in_both(store: Store) -> None:
    store.book([ledger_row(tags=("a", "b")), ledger_row(tags=())])
    found = {group.key: group.requests for group in store.ledger_groups(LedgerQuery(by=("tag",)))}
    assert found == {("",): 1, ("a",): 1, ("b",): 1}
    assert LedgerGroup(("",)) not in store.ledger_groups(LedgerQuery(by=("tag",)))
