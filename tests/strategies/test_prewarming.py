"""Requests for no tokens: what is static is held before it is needed, as long as it is, for what it is worth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock
from hypothesis import given
from hypothesis import strategies as st

from semcache import SemanticCache, Settings
from semcache.cli.warming import Times, Warmed, send_all
from semcache.message import Usage
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Request
from semcache.strategies.breakpoints.prewarming import Holding, holding
from semcache.upstream.simulator import Simulator

BOOK = PriceBook.load(find_claude_manifest(None))
TODAY = date(2026, 11, 23)
SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"
LONG = ("The ferry leaves at nine and the harbour opens at six on every day of the week.\n" * 60).strip()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Iterator[SemanticCache]:
    settings = Settings(store="memory:", embedder="hashed", data_dir=tmp_path, audits=False)
    with SemanticCache(settings, upstream=Simulator(BOOK, clock=clock), clock=clock) as opened:
        yield opened


def ask(cache: SemanticCache, question: Any = "When?", *, max_tokens: int = 50, **options: Any) -> Usage:
    given = {"model": SONNET, "system": LONG, **options}
    return cache.ask(question, max_tokens=max_tokens, **given).message.usage


def body(**fields: Any) -> Request:
    known = {"model": SONNET, "max_tokens": 50, "system": LONG, "messages": [{"role": "user", "content": "When?"}]}
    return Request({**known, **fields})


def held(request: Request, seconds: float = 300) -> Holding | None:
    model = BOOK.model(request.model)
    assert model is not None
    return holding(request, model, seconds, on=TODAY)


def test_what_was_warmed_is_read_by_the_first_request_that_needs_it(cache: SemanticCache) -> None:
    warmed = ask(cache, max_tokens=0)
    assert warmed.cache_write_5m_tokens > 1_000
    assert ask(cache, "And on Sundays?").cache_read_tokens == warmed.cache_write_5m_tokens


def test_a_document_is_held_and_its_question_is_not(cache: SemanticCache) -> None:
    document = {"type": "text", "text": LONG}
    warmed = ask(cache, [document, {"type": "text", "text": "?"}], max_tokens=0, system=None)
    again = ask(cache, [document, {"type": "text", "text": "When does it leave?"}], system=None)
    assert again.cache_read_tokens == warmed.cache_write_5m_tokens > 1_000


def test_marks_of_the_callers_own_are_left_as_they_are_and_known(cache: SemanticCache) -> None:
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert ask(cache, max_tokens=0, system=system).cache_write_1h_tokens > 1_000
    assert cache.parts.upstream.calls[-1].body["system"] == system
    assert ask(cache, "And on Sundays?").cache_read_tokens > 1_000


def test_where_marks_are_not_wanted_it_goes_as_it_came(cache: SemanticCache) -> None:
    assert ask(cache, max_tokens=0, strategies="-prompt_caching").cache_write_5m_tokens == 0


def test_a_prompt_that_comes_every_ten_minutes_is_warmed_for_an_hour(cache: SemanticCache, clock: Clock) -> None:
    for number in range(6):
        ask(cache, f"Number {number}?")
        clock.advance(600)
    clock.advance(7_200)
    assert ask(cache, max_tokens=0).cache_write_1h_tokens > 1_000


def test_the_cheaper_way_to_hold_for_an_hour_depends_on_what_a_read_costs() -> None:
    sonnet, haiku = held(body(), 3_600), held(body(model=HAIKU), 3_600)
    assert sonnet is not None
    assert haiku is not None
    assert (sonnet.ttl, sonnet.times_more) == ("5m", 13)  # reads at a twentieth
    assert (haiku.ttl, haiku.times_more) == ("1h", 0)  # at a tenth
    assert sonnet.pays_from == haiku.pays_from == 3


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"system": "Short."}, id="too short"),
        pytest.param({"system": None, "messages": [{"role": "user", "content": LONG}]}, id="nothing static"),
        pytest.param({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, id="thinking by budget"),
        pytest.param({"cache_control": {"type": "ephemeral"}}, id="marked already"),
    ],
)
def test_what_cannot_be_held_is_not_tried(fields: dict[str, Any]) -> None:
    assert held(body(**fields)) is None


def test_what_claude_refuses_beside_no_tokens_is_left_out(refusal: Any) -> None:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    config = {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    found = held(body(stream=True, output_config=config))
    assert found is not None
    assert found.request.body["output_config"] == {"effort": "low"}
    headers = (("anthropic-version", "2026-10-21"), ("x-api-key", "k"), ("content-type", "application/json"))
    assert refusal(Request(found.request.body, headers=headers)) is None


@given(seconds=st.floats(1, 90_000), model=st.sampled_from([SONNET, HAIKU, "claude-opus-4-6", "claude-fable-5-2"]))
def test_a_prompt_never_runs_out_while_it_is_to_be_held(seconds: float, model: str) -> None:
    found = held(body(model=model, system=f"{LONG}\n" * 4), seconds)
    assert found is not None
    ttl_seconds = {"5m": 300, "1h": 3_600}[found.ttl]
    assert found.every_seconds < ttl_seconds
    assert found.times_more * found.every_seconds + ttl_seconds >= seconds
    assert found.cost_usd > 0


def test_each_prompt_is_sent_again_before_it_runs_out() -> None:
    first, second = held(body(), 1_000), held(body(model=HAIKU), 1_000)
    assert first is not None
    assert second is not None
    now, sent = [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def send(request: Request) -> Usage:
        sent.append((now[0], request.model))
        now[0] += 2  # a call takes its time
        return Usage(cache_read_tokens=7)

    warmed = [Warmed(first), Warmed(second)]
    send_all(warmed, send, Times(lambda: now[0], sleep))
    times = [at for at, model in sent if model == SONNET]
    assert len(times) == 1 + first.times_more == warmed[0].sent
    assert all(later - earlier < 300 for earlier, later in pairwise(times))
    assert warmed[0].view()["read_tokens"] == 7 * warmed[0].sent
    assert warmed[0].view()["expected_usd"] > Decimal(0)
