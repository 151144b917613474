"""One line a request: as text, as JSON, and what is in it."""

from __future__ import annotations

import json
import logging
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import MODEL, RESET, World

from semcache.service.ending import Ending
from semcache.service.logs import JsonFormatter

SECRET = "the launch code is 0451"


def lines_of(caplog: pytest.LogCaptureFixture) -> list[Ending]:
    return [record.msg for record in caplog.records if isinstance(record.msg, Ending)]


def test_the_line_of_an_answer_names_request_model_money_and_stages(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="semcache.service")
    answers = [world.ask(RESET), world.ask(RESET), world.ask(RESET, stream=True)]
    for answer, line in zip(answers, lines_of(caplog), strict=True):
        told = line.fields()
        assert told["request_id"] == answer.headers["request-id"]
        assert told["cost_usd"] == answer.headers["x-semcache-cost-usd"]
        assert told["saved_usd"] == answer.headers["x-semcache-saved-usd"]
        assert told["model"] == told["requested_model"] == MODEL
        assert sum(value for name, value in told.items() if name.endswith("_ms")) == pytest.approx(told["ms"], abs=0.2)
    miss, hit, _ = (line.fields() for line in lines_of(caplog))
    reached = {name for name in miss if name.endswith("_ms")}
    assert {
        "read_ms",
        "queue_ms",
        "identify_ms",
        "exact_ms",
        "shape_ms",
        "upstream_ms",
        "store_ms",
        "book_ms",
    } < reached
    assert {name for name in hit if name.endswith("_ms")} == {
        "read_ms", "queue_ms", "identify_ms", "exact_ms", "serve_ms", "book_ms", "reply_ms",
    }  # fmt: skip


def test_the_line_of_a_failure_names_the_request_and_its_kind(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="semcache.service")
    answer = world.ask(RESET, headers={"x-semcache-mode": "loose"})
    told = lines_of(caplog)[0].fields()
    assert (told["outcome"], told["reason"], told["status"]) == ("refused", "InvalidRequest", 400)
    assert told["request_id"] == answer.headers["request-id"]


@given(st.text(max_size=40))
def test_no_name_that_a_caller_sends_begins_a_line_or_passes_for_a_field(name: str) -> None:
    line = str(Ending("miss", "", 0.1, requested_model=name, model="m"))
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert line.startswith("request outcome=miss status=200 ms=100.0")
    assert line.count(" outcome=") == 1 or "'" in line or '"' in line


@given(st.text(max_size=40))
def test_a_json_line_is_one_object_whatever_is_in_it(name: str) -> None:
    ending = Ending("miss", "", 0.1, requested_model=name, cost_usd=Decimal("0.1"), stages={"exact": 0.001})
    text = JsonFormatter().format(logging.makeLogRecord({"msg": ending, "name": "x", "levelname": "INFO"}))
    assert len(text.splitlines()) == 1
    told = json.loads(text)
    assert (told["message"], told["outcome"], told["cost_usd"], told["exact_ms"]) == ("request", "miss", "0.1", 1.0)
    assert told.get("requested_model", "") == name


def test_other_lines_are_json_too_and_their_traces_quote_nothing() -> None:
    try:
        int(SECRET)
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed: %s", "args": ("x",), "exc_info": sys.exc_info()})
    told = json.loads(JsonFormatter().format(record))
    assert told["message"] == "failed: x"
    assert "ValueError" in told["trace"]
    assert "launch" not in told["trace"]
