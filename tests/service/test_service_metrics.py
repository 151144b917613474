"""What is counted, and what never is."""

from __future__ import annotations

import logging
import sys

import pytest
from worlds import RESET, World

from semcache.service.ending import Ending
from semcache.service.logs import DiscreetFormatter, WithoutCutStreams
from semcache.service.metrics import Metrics

SECRET = "the launch code is 0451"


def test_outcomes_tokens_and_dollars_are_counted(world: World) -> None:
    for _ in range(3):
        world.ask(RESET)
    world.ask(RESET, headers={"x-semcache-mode": "off"})
    world.ask("Fail.", headers={"x-simulator-fault": "529"})
    world.ask(RESET, headers={"x-semcache-mode": "loose"})
    assert world.metric('semcache_requests_total{outcome="exact",reason=""}') == 2
    assert world.metric('semcache_requests_total{outcome="miss"') == 1
    assert world.metric('semcache_requests_total{outcome="bypass"') == 1
    assert world.metric('semcache_requests_total{outcome="refused",reason="InvalidRequest"}') == 1
    assert world.metric('semcache_upstream_errors_total{status="529"}') == 1
    assert world.metric('semcache_request_seconds_count{outcome="exact"}') == 2
    assert world.metric('semcache_tokens_total{direction="output",outcome="exact"}') > 0
    assert world.metric("semcache_saved_usd_total") == pytest.approx(world.metric("semcache_cost_usd_total"))
    assert (world.metric("semcache_entries "), world.metric("semcache_degraded")) == (1, 0)


def test_no_prompt_key_or_tenant_is_in_the_metrics_or_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="semcache")
    headers = {"x-api-key": "sk-secret", "x-semcache-namespace": "tenant-secret", "x-semcache-tags": "tag-secret"}
    for _ in range(2):
        world.ask(SECRET, headers=headers, system=SECRET)
    world.http("POST", "/v1/messages", content=SECRET.encode(), headers=headers)
    world.http("POST", "/semcache/v1/lookup", json={"question": SECRET}, headers=headers)
    world.http("POST", "/semcache/v1/purge", json={"near": SECRET, "kind": SECRET}, headers=headers)
    written = world.http("GET", "/metrics").text + caplog.text
    assert "request outcome=" in caplog.text
    assert not [word for word in ("launch", "0451", "secret") if word in written]


def test_one_request_leaves_one_line_of_ours(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="semcache.service")
    for stream in (False, True):
        world.ask(RESET, stream=stream)
    lines = [record.getMessage() for record in caplog.records if record.name == "semcache.service.proxy"]
    assert [line.split()[:3] for line in lines] == [
        ["request", "outcome=miss", "status=200"],
        ["request", "outcome=exact", "status=200"],
    ]


def test_reasons_stay_a_small_set_whatever_happens() -> None:
    metrics = Metrics(upstream="claude", embedder="hashed")
    for number in range(1000):
        metrics.ended(Ending("refused", f"reason-{number}", 0.1))
    samples = metrics.exposition().decode().count('semcache_requests_total{outcome="refused"')
    assert samples == 101


def test_two_services_in_one_process_count_apart() -> None:
    one, other = (Metrics(upstream="claude", embedder="hashed") for _ in range(2))
    one.ended(Ending("refused", "x", 0.1))
    assert b'reason="x"' in one.exposition()
    assert b'reason="x"' not in other.exposition()


def test_a_trace_never_quotes_what_the_exception_said() -> None:
    try:
        int(SECRET)
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    text = DiscreetFormatter().format(record)
    assert "ValueError" in text
    assert "test_service_metrics.py" in text
    assert "launch" not in text


def test_a_stream_cut_on_purpose_is_no_error_in_the_log() -> None:
    message = "ASGI callable returned without completing response."
    assert not WithoutCutStreams().filter(logging.makeLogRecord({"msg": message}))
    assert WithoutCutStreams().filter(logging.makeLogRecord({"msg": "anything else"}))
