"""Half prices, prompt caching inside batches, and what it weighs to hold a large one."""

import asyncio
import tracemalloc
from datetime import date
from decimal import Decimal

import pytest
from upstream.simulator.batch_samples import PATH, BatchDesk, item, items

from semcache.message import Usage
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator
from semcache.upstream.upstream import UpstreamRequest

ON = date(2026, 11, 23)
RULES = [{"type": "text", "text": "Be brief and exact. " * 500, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


@pytest.fixture
def batches(desk):
    return BatchDesk(desk)


def usage_of(result):
    return Usage.of(result["message"]["usage"])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="plain"),
        pytest.param({"system": RULES}, id="cache write"),
        pytest.param({"system": "rules " * 90_000}, id="long prompt"),
        pytest.param({"inference_geo": "us"}, id="in the United States"),
    ],
)
def test_every_category_costs_half_of_real_time(batches, desk, book, changes):
    real = desk.post(item("a", **changes)["params"])
    real_usd = desk.simulator.bill_usd
    desk.clock.now += 7200
    usage = usage_of(batches.finished([item("a", **changes)])["a"])
    assert usage == Usage.of(real.json["usage"] | {"service_tier": "batch"})
    assert desk.simulator.bill_usd - real_usd == real_usd / 2 == book.cost_usd("claude-haiku-5-5", usage, on=ON)


def test_the_bill_grows_with_what_is_done_and_only_succeeded_is_billed(batches):
    batches.created([*items(10), item("bad", max_tokens=-1)])
    batches.wait(30)
    half = batches.simulator.bill_usd
    batches.wait(30)
    (batch,) = batches.simulator.batches
    assert Decimal(0) < half < batches.simulator.bill_usd == batch.cost_usd
    costs = [batches.finished([each])[each["custom_id"]]["type"] for each in [item("bad", max_tokens=-1)]]
    assert (costs, batches.simulator.bill_usd) == (["errored"], batch.cost_usd)


def test_canceled_requests_are_not_billed(batches):
    batch_id = batches.created(items(10))
    batches.cancel(batch_id)
    batches.wait(60)
    assert batches.status(batch_id)["request_counts"]["canceled"] == 10
    assert batches.simulator.bill_usd == 0


def test_a_shared_prefix_is_written_once_and_read_by_all_others(batches):
    usages = [usage_of(result) for result in batches.finished(items(20, system=RULES)).values()]
    assert sum(usage.cache_write_1h_tokens > 0 for usage in usages) == 1
    assert sum(usage.cache_read_tokens > 0 for usage in usages) == 19


def test_hits_of_the_prompt_cache_are_best_effort(open_desk):
    batches = BatchDesk(open_desk(batches=BatchConduct(cold_share=0.4)))
    usages = [usage_of(result) for result in batches.finished(items(100, system=RULES)).values()]
    assert 40 <= sum(usage.cache_read_tokens > 0 for usage in usages) <= 80


def test_a_batch_finds_what_real_time_wrote_and_the_other_way_round(batches, desk):
    desk.post(item("a", system=RULES)["params"])
    assert usage_of(batches.finished([item("a", system=RULES)])["a"]).cache_read_tokens > 0
    desk.clock.now += 3500
    assert Usage.of(desk.post(item("a", system=RULES)["params"]).json["usage"]).cache_read_tokens > 0


def test_batches_under_way_together_share_the_prompt_cache_in_the_order_of_time(open_desk):
    batches = BatchDesk(open_desk(batches=BatchConduct(is_shuffled=False, seconds=600)))
    first = batches.created(items(2, system=RULES))
    batches.wait(400)
    second = batches.created(items(2, system=RULES))
    batches.wait(700)
    written = [usage_of(batches.results(batch)[id]).cache_write_1h_tokens > 0
               for batch in (first, second) for id in ("id-0", "id-1")]  # fmt: skip
    assert written == [True, False, False, False]


def test_a_call_keeps_the_requests_of_its_batch_and_shows_none_of_them_when_printed(batches):
    batches.created([item("a", "the secret word")])
    (call,) = batches.simulator.calls
    assert (call.path, list(call.body["requests"])) == (PATH, [item("a", "the secret word")])
    assert "secret" not in repr(call) + repr(call.body) + repr(batches.simulator.batches)


def test_conduct_of_batches_can_be_had_with_that_of_messages(book):
    simulator = Simulator(book, conduct=Conduct(valid_keys=frozenset({"k"}), batches=BatchConduct(seconds=0)))
    assert simulator.conduct.body_limit_bytes(PATH) == 256_000_000
    assert simulator.conduct.body_limit_bytes("/v1/messages") == 32_000_000


@pytest.mark.slow
def test_a_large_batch_weighs_little_and_streams_without_being_held(batches):
    batch_id = batches.created(items(10_000, system=RULES))
    batches.wait(60)
    assert batches.status(batch_id)["request_counts"]["succeeded"] == 10_000
    assert batches.simulator.batches[0].packed_bytes < 2_500_000
    tracemalloc.start()
    count = _streamed_lines(batches, batch_id)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (count, peak_bytes < 3_000_000) == (10_000, True)


def _streamed_lines(batches, batch_id):
    async def read():
        request = UpstreamRequest("GET", f"{PATH}/{batch_id}/results", "", tuple(batches.desk.headers.items()))
        response = await batches.simulator.open(request)
        return sum([chunk.count(b"\n") async for chunk in response.chunks()])

    return asyncio.run(read())
