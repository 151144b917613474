"""The bill as counters: they add up like the ledger, and agree with it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from worlds import MODELS, RESET, REWORDED, World

from semcache.attribution import call_line, priced
from semcache.message import Usage
from semcache.pricing import PriceBook
from semcache.service.bill_metrics import ACCOUNTS, BillMetrics
from semcache.stopwatch import STAGES
from semcache.stores.ledger_book import BASELINE, BillLine, LedgerRow
from semcache.tariff import price_at

PRICES = PriceBook.load(MODELS / "claude.toml")
NAMES = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5")
NOW = 1_795_900_000.0
MakeWorld = Callable[..., World]

counts = st.integers(0, 300_000)
usages = st.builds(Usage, counts, counts, counts, counts, counts, is_batch=st.booleans())
steps = st.tuples(st.sampled_from(("tiering", "prompt_caching", "exact", "batch")), st.sampled_from(NAMES), usages)
calls = st.tuples(st.sampled_from(("audit", "cascade")), st.sampled_from(NAMES), usages)


def row(bill: tuple[BillLine, ...]) -> LedgerRow:
    known = priced(bill, price_at(PRICES, lambda: NOW))
    assert known is not None
    return LedgerRow(
        at=NOW, namespace="tenant", label="label", outcome="miss", reason="", requested_model=NAMES[0],
        served_model=NAMES[0], baseline_usd=known.baseline_usd, cost_usd=known.cost_usd, input_tokens=0,
        output_tokens=0, latency_ms=0.0, parts=known.parts, bill=bill,
    )  # fmt: skip


@st.composite
def rows(draw: st.DrawFn) -> LedgerRow:
    baseline = BillLine(BASELINE, draw(st.sampled_from(NAMES)), draw(usages))
    middle = [BillLine(*step) for step in draw(st.lists(steps, max_size=4))]
    return row((baseline, *middle, *(call_line(*call) for call in draw(st.lists(calls, max_size=3)))))


def sums(bill: BillMetrics) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(bill)
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            name = sample.labels.get("account", sample.name)
            key = f"{family.name}/{name}" if "account" in sample.labels else sample.name
            found[key] = found.get(key, 0.0) + sample.value
    return found


@given(st.lists(rows(), max_size=8))
def test_saved_less_caused_is_baseline_less_billed_whatever_was_booked(booked: list[LedgerRow]) -> None:
    bill = BillMetrics(PRICES, flush=lambda: None)
    bill.note(booked)
    found = sums(bill)
    baseline = sum((one.baseline_usd for one in booked), Decimal(0))
    paid = sum((one.cost_usd for one in booked), Decimal(0))
    assert found["semcache_bill_usd/baseline"] == pytest.approx(float(baseline))
    assert found["semcache_bill_usd/billed"] == pytest.approx(float(paid))
    saved = found.get("semcache_saved_usd_total", 0.0) - found.get("semcache_caused_usd_total", 0.0)
    assert saved == pytest.approx(float(baseline - paid), abs=1e-9)
    assert 0 <= found["semcache_bill_usd/caused"] <= found["semcache_bill_usd/billed"] + 1e-12
    assert found["semcache_unpriced_requests_total"] == 0
    assert all(f"semcache_bill_tokens/{account}" in found for account in ACCOUNTS)


def test_a_model_without_a_price_is_counted_as_one() -> None:
    bill = BillMetrics(PRICES, flush=lambda: None)
    unknown = BillLine(BASELINE, "claude-of-tomorrow", Usage(input_tokens=5))
    bill.note([LedgerRow(NOW, "", "", "miss", "", "x", "x", Decimal(0), Decimal(0), 5, 0, 0.0, bill=(unknown,))])
    found = sums(bill)
    assert found["semcache_unpriced_requests_total"] == 1
    assert found["semcache_bill_tokens/billed"] == 5
    assert found["semcache_bill_usd/billed"] == 0


def test_names_stay_a_small_set_whatever_is_booked() -> None:
    bill = BillMetrics(PRICES, flush=lambda: None)
    one = row((BillLine(BASELINE, NAMES[0], Usage(output_tokens=10)), BillLine("exact", NAMES[0], Usage())))
    for number in range(500):
        bill.note([LedgerRow(**{**vars(one), "parts": {f"strategy-{number}": Decimal(1)}})])
    [saved] = [family for family in bill.collect() if family.name == "semcache_saved_usd"]
    assert len(saved.samples) == 101


def test_the_metrics_of_a_running_service_agree_with_its_ledger(make_world: MakeWorld) -> None:
    world = make_world()
    for question in (RESET, RESET, REWORDED, RESET):
        world.ask(question, system="You are brief.")
    billed = _sum(world, 'semcache_bill_usd_total{account="billed"')
    baseline = _sum(world, 'semcache_bill_usd_total{account="baseline"')
    savings = world.http("GET", "/semcache/v1/savings").json()
    assert billed == pytest.approx(float(savings["cost_usd"]))
    assert baseline == pytest.approx(float(savings["baseline_usd"]))
    assert world.metric('semcache_saved_usd_total{strategy="exact"}') > 0
    assert _sum(world, "semcache_cost_usd_total") == pytest.approx(billed)


def test_every_stage_and_every_queue_of_a_running_service_is_measured(make_world: MakeWorld) -> None:
    world = make_world(usd_per_day=0.5, credential_tokens_per_day=1000)
    for question in (RESET, RESET, REWORDED):
        world.ask(question)
    for stage in STAGES:
        assert world.metric(f'semcache_stage_seconds_count{{stage="{stage}"}}') > 0, stage
    assert world.metric('semcache_upstream_calls_total{result="200"}') == world.calls
    assert world.metric("semcache_upstream_first_byte_seconds_count") == world.calls
    assert world.metric("semcache_upstream_seconds_count") == world.calls
    assert world.metric("semcache_upstream_in_flight") == 0
    assert 0 < world.metric('semcache_spending_limit_used_ratio{account="service"}') < 1
    assert 0 < world.metric('semcache_spending_limit_used_ratio{account="credential"}') < 1
    text = world.http("GET", "/metrics").text
    for sample in (
        *(f'semcache_queue_depth{{queue="{queue}"}}' for queue in ("lessons", "audits", "ledger", "store_writes")),
        'semcache_batch_items{state="processing"}', "semcache_index_bytes", "semcache_worker_threads",
        "semcache_worker_tasks", 'semcache_store_limit{what="bytes"}', "process_resident_memory_bytes",
    ):  # fmt: skip
        assert sample in text
    assert "namespace=" not in text


def _sum(world: World, name: str) -> float:
    lines = world.http("GET", "/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
