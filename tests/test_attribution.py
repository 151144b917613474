"""Who saved what: the parts add up to the saving, and the ledger to the simulator's own bill, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from fakes import Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semcache import SemanticCache, Settings
from semcache.policy import STRATEGIES
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.rolling_up import roll_up
from semcache.savings import savings_of
from semcache.savings_view import savings_view
from semcache.stores.ledger_book import LedgerQuery, LedgerRow
from semcache.tariff import price_on
from semcache.upstream.simulator import Simulator

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
LONG = "You answer travellers of the northern line, kindly and in few words. " * 90
TURN = "I walked for hours along the river, and it rained all day, but the tea was good. " * 12
DAY = 86_400.0


def opened(clock: Clock, tmp_path: Any, **options: Any) -> SemanticCache:
    simulator = Simulator(PriceBook.load(find_claude_manifest(None)), clock=clock)
    known: dict[str, Any] = {"store": "memory:", "embedder": "hashed", "data_dir": tmp_path, "strategies": STRATEGIES}
    return SemanticCache(Settings(**{**known, **options}), upstream=simulator, clock=clock)


@pytest.fixture
def cache(tmp_path: Any, clock: Clock) -> Iterator[SemanticCache]:
    with opened(clock, tmp_path) as cache:
        yield cache


def rows_of(cache: SemanticCache) -> list[LedgerRow]:
    cache.parts.assembly.ledger.flush()
    return [row for _, row in cache.parts.assembly.store.ledger_rows(LedgerQuery(), limit=10_000)]


def parts_of(cache: SemanticCache) -> dict[str, Decimal]:
    return dict(cache.savings().total.parts)


def talk(turns: int) -> list[dict[str, Any]]:
    return [{"role": role, "content": f"{turn}. {TURN}"} for turn in range(turns) for role in ("user", "assistant")]


REQUESTS = st.fixed_dictionaries(
    {
        "question": st.sampled_from(
            ["Which train goes to Hull?", "What train goes to Hull?", "Is 17 prime?", "Classify: the soup was cold."]
        ),
        "model": st.sampled_from([OPUS, SONNET, HAIKU, "auto"]),
    },
    optional={
        "system": st.sampled_from([LONG, "Be brief."]),
        "history": st.integers(0, 9).map(talk),
        "task": st.sampled_from(["classification", "extraction"]),
        "mode": st.sampled_from(["off", "exact", "semantic"]),
        "tags": st.just(("a",)),
    },
)


@given(traffic=st.lists(st.tuples(REQUESTS, st.sampled_from([1.0, 60.0, 400.0, 5000.0])), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_that_is_saved_and_caused_adds_up_to_the_bill(tmp_path: Any, traffic: list[Any]) -> None:
    clock = Clock()
    with opened(clock, tmp_path) as cache:
        for request, gap_seconds in traffic:
            cache.ask(**request)
            clock.advance(gap_seconds)
        assert cache.settle(20)
        rows, report = rows_of(cache), cache.savings()
        for row in rows:
            assert sum(row.parts.values(), Decimal(0)) == row.baseline_usd - row.cost_usd, row.outcome
        saved = sum((part.usd for part in report.waterfall), Decimal(0))
        caused = sum((part.usd for part in report.caused), Decimal(0))
        assert saved - caused == report.saved_usd
        assert report.total.cost_usd == cache.parts.upstream.bill_usd


def test_a_hit_saves_all_that_the_answer_had_cost(cache: SemanticCache) -> None:
    first = cache.ask("Which train goes to Hull?", model=HAIKU)
    cache.ask("Which train goes to Hull?", model=HAIKU)
    assert parts_of(cache) == {"exact": first.cost_usd}


def test_a_task_saves_the_difference_of_the_models(cache: SemanticCache) -> None:
    cache.ask("Classify: the soup was cold.", model="auto", task="classification", mode="off")
    (row,) = rows_of(cache)
    assert row.parts.keys() == {"tiering"}
    assert row.parts["tiering"] == row.baseline_usd - row.cost_usd > 0


def test_marks_save_by_what_is_read_and_cost_what_is_written(cache: SemanticCache, clock: Clock) -> None:
    history: list[dict[str, Any]] = []
    for turn in range(6):
        question = f"{turn}. {TURN}"
        said = cache.ask(question, model=SONNET, system=LONG, history=history, mode="off").message.text
        history += [{"role": "user", "content": question}, {"role": "assistant", "content": said}]
        clock.advance(20)
    parts = parts_of(cache)
    assert parts["prompt_caching"] > 0 > parts["cache_writes"]


def test_what_is_left_out_of_a_long_talk_is_saved_by_compression(cache: SemanticCache) -> None:
    cache.ask("Where next?", model=SONNET, history=talk(30), mode="off", strategies="compression")
    (row,) = rows_of(cache)
    assert row.parts.keys() == {"compression"}
    assert row.parts["compression"] > row.baseline_usd / 4


def test_old_rows_are_priced_as_if_other_prices_had_held(cache: SemanticCache) -> None:
    cache.ask("Which train goes to Hull?", model=SONNET)
    cache.ask("Which train goes to Hull?", model=SONNET)
    assembly = cache.parts.assembly
    assembly.ledger.flush()
    price = price_on(assembly.prices, assembly.prices.checked)

    def doubled(model: str, usage: Any) -> Decimal | None:
        known = price(model, usage)
        return None if known is None else 2 * known

    plain, dear = (savings_of(assembly.store, LedgerQuery(), now=0, price=each) for each in (price, doubled))
    assert dear.total.cost_usd == 2 * plain.total.cost_usd > 0
    assert dear.total.parts == {"exact": 2 * plain.total.parts["exact"]}


def test_old_rows_are_added_up_by_the_hour_and_change_no_sum(cache: SemanticCache, clock: Clock) -> None:
    for _ in range(6):
        cache.ask("Which train goes to Hull?", model=SONNET)
        clock.advance(700)
    before = cache.savings(LedgerQuery(by=("outcome",)))
    store = cache.parts.assembly.store
    gone = roll_up(store, now=clock() + 40 * DAY, rows_days=30, sums_days=800)
    after = cache.savings(LedgerQuery(by=("outcome",)))
    assert gone == 4
    assert (after.total, after.groups) == (before.total, before.groups)
    assert after.waterfall == before.waterfall
    assert roll_up(store, now=clock() + 40 * DAY, rows_days=30, sums_days=800) == 0


def test_what_is_older_than_is_kept_is_forgotten(cache: SemanticCache, clock: Clock) -> None:
    cache.ask("Which train goes to Hull?", model=SONNET)
    rows_of(cache)
    assert roll_up(cache.parts.assembly.store, now=clock() + 900 * DAY, rows_days=30, sums_days=800) == 1
    assert cache.savings().total.requests == 0


def test_a_report_shows_what_was_said_and_apart_what_was_billed(cache: SemanticCache) -> None:
    first = cache.ask("Which train goes to Hull?", model=HAIKU, namespace="a").message.usage
    cache.ask("Which train goes to Hull?", model=HAIKU, namespace="a")
    cache.ask("Is 17 prime?", model=HAIKU, mode="off", namespace="b")
    view = savings_view(cache.savings(LedgerQuery(by=("namespace",))))
    assert [group["key"] for group in view["groups"]] == ["a", "b"]
    repeated, other = view["groups"]
    assert (repeated["output_tokens"], repeated["billed_output_tokens"]) == (
        2 * first.output_tokens,
        first.output_tokens,
    )
    assert other["output_tokens"] == other["billed_output_tokens"]
    assert view["input_tokens"] - view["billed_input_tokens"] == first.prompt_tokens
    exact = next(row for row in view["outcomes"] if row["outcome"] == "exact")
    assert (exact["input_tokens"], exact["billed_input_tokens"]) == (first.prompt_tokens, 0)
