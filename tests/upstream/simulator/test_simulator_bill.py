"""The simulator's own books: every call recorded, and the bill their sum."""

import threading
from datetime import date
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semcache.message import Usage

MODELS = ("claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-6", "claude-next")
requests = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "max_tokens": st.sampled_from([0, 5, 500]),
        "system": st.sampled_from(["", "rules " * 900, "rules " * 90_000]),
        "speed": st.sampled_from(["standard", "fast"]),
        "inference_geo": st.sampled_from([None, "us"]),
        "cache_control": st.sampled_from([None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}]),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(asked=st.lists(requests, max_size=6))
def test_the_bill_is_the_sum_of_what_the_answers_usage_costs(open_desk, ask, book, asked):
    desk, owed = open_desk(), Decimal(0)
    for changes in asked:
        answer = desk.post(ask() | changes)
        if answer.status == 200:
            terms = {"fast": changes["speed"] == "fast", "us_inference": changes["inference_geo"] == "us"}
            usage = Usage.of(answer.json["usage"])
            owed += book.cost_usd(answer.json["model"], usage, on=date(2026, 11, 23), **terms)
    assert desk.simulator.bill_usd == owed == sum(call.cost_usd for call in desk.simulator.calls)
    assert desk.simulator.call_count == len(asked)


def test_a_call_keeps_what_was_asked_and_what_it_cost(desk, ask):
    body = ask(model="claude-haiku-4-5")
    desk.post(body, anthropic_beta="a-beta")
    (call,) = desk.simulator.calls
    assert (call.method, call.path, call.status, call.body) == ("POST", "/v1/messages", 200, body)
    assert call.model == "claude-haiku-4-5-20251001"
    assert ("anthropic-beta", "a-beta") in call.headers
    assert call.cost_usd == Decimal(call.usage.input_tokens + 5 * call.usage.output_tokens) / 1_000_000


def test_records_show_neither_prompts_nor_credentials_when_printed(desk, ask):
    desk.post(ask(system="the secret word"), x_api_key="sk-secret")
    assert "secret" not in repr(desk.simulator.calls)


def test_counting_and_failing_cost_nothing_but_are_counted(desk, ask):
    desk.post(ask(max_tokens=None), path="/v1/messages/count_tokens")
    desk.get("/v1/models")
    desk.post(ask(), x_simulator_fault="500")
    assert [(call.status, call.cost_usd) for call in desk.simulator.calls] == [(200, 0), (200, 0), (500, 0)]


def test_old_records_are_forgotten_and_the_bill_is_not(open_desk, ask):
    desk = open_desk(calls_kept=2)
    for _ in range(5):
        desk.post(ask())
    assert (len(desk.simulator.calls), desk.simulator.call_count) == (2, 5)
    assert desk.simulator.bill_usd == 5 * desk.simulator.calls[0].cost_usd


def test_threads_lose_no_call(desk, ask):
    threads = [threading.Thread(target=lambda: [desk.post(ask()) for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.simulator.call_count == 100
    assert desk.simulator.bill_usd == sum(call.cost_usd for call in desk.simulator.calls)
