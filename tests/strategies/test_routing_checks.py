"""Failures that are cheap to see, and answers in which there is nothing to see."""

from __future__ import annotations

import pytest
from fakes import message, request

from semcache.request import Directives
from semcache.strategies.routing.checks import failure_of

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def failure(text: str = "Lisbon.", *, ask: str = "What is the capital?", check=None, message_fields=None, **fields):
    asked = request(ask, directives=Directives(check=check), **fields)
    return failure_of(asked, message(text, **(message_fields or {})), None, ask)


def with_schema(schema):
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        pytest.param("Lisbon.", {}, None, id="a plain answer"),
        pytest.param("Lisbon. I'm not sure about the river, though.", {}, "hedged", id="doubt at once"),
        pytest.param("Lisbon is the capital. " * 20 + "I am not sure of the rest.", {}, None, id="a caveat at the end"),
        pytest.param("I\u2019m not sure.", {}, "hedged", id="a typographic apostrophe"),
        pytest.param("", {}, "empty", id="nothing"),
        pytest.param(" \n", {}, "empty", id="only space"),
        pytest.param("x", {"message_fields": {"stop_reason": "max_tokens"}}, "truncated", id="cut off"),
        pytest.param("", {"message_fields": {"stop_reason": "refusal"}}, "refusal", id="refused"),
        pytest.param("3", {"ask": "Reply with valid JSON."}, None, id="a number is JSON"),
        pytest.param("three", {"ask": "Reply with valid JSON."}, "not-json", id="words are not"),
        pytest.param('```json\n{"n": 3}\n```', {"ask": "Return a JSON object."}, None, id="fenced JSON"),
        pytest.param('{"n": 3}', with_schema(SCHEMA), None, id="as the schema wants it"),
        pytest.param('{"n": "3"}', with_schema(SCHEMA), "off-schema", id="of another type"),
        pytest.param('{"n": 3', with_schema(SCHEMA), "not-json", id="torn"),
        pytest.param("{}", with_schema({"type": "nonsense"}), None, id="a schema that is none"),
        pytest.param("{}", with_schema({"$ref": "http://127.0.0.1:9/x"}), None, id="a reference is not fetched"),
        pytest.param(
            '"ab"', with_schema({"type": "string", "pattern": "(a+)+$"}), None, id="no regular expression is run"
        ),
        pytest.param("x", {"check": lambda text: text == "y"}, "check", id="the caller's check"),
        pytest.param("x", {"check": lambda text: 1 / 0}, None, id="a check that breaks"),
    ],
)
def test_what_is_seen(text, options, expected) -> None:
    assert failure(text, **options) == expected


def test_a_tool_call_is_no_failure() -> None:
    blocks = [{"type": "tool_use", "id": "t", "name": "clock", "input": {}}]
    assert failure("", message_fields={"content": blocks, "stop_reason": "tool_use"}) is None
