"""What the simulator says, where it stops, and how it calls tools."""

import json
from decimal import Decimal

import pytest

from semcache.upstream.simulator import Reply, tool_use_block

OFF = {"type": "disabled"}


def text_of(answer):
    return "".join(block["text"] for block in answer.json["content"] if block["type"] == "text")


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("Where is the key?", id="as written"),
        pytest.param("  where IS\nthe key? ", id="case and spacing"),
        pytest.param("Ｗhere is the key?", id="full-width letter"),  # noqa: RUF001
    ],
)
def test_table_is_searched_by_the_normalised_question(open_desk, ask, question):
    desk = open_desk({"Where is the key?": "Under the mat."})
    assert text_of(desk.post(ask(messages=[{"role": "user", "content": question}]))) == "Under the mat."


def test_the_last_user_text_is_the_question(open_desk, ask):
    desk = open_desk({"second": "two"})
    blocks = [{"type": "text", "text": "a reminder"}, {"type": "text", "text": "second"}]
    turns = [{"role": "user", "content": blocks}, {"role": "system", "content": "Be brief."}]
    assert text_of(desk.post(ask(messages=turns))) == "two"


def test_echo_is_the_same_for_the_same_question_and_differs_between_questions(desk, ask):
    def echo(question):
        return text_of(desk.post(ask(messages=[{"role": "user", "content": question}])))

    assert echo("How tall is it?") == echo("How tall is it?")
    assert echo("How tall is it?") != echo("How old is it?")
    assert "How tall is it?" in echo("How tall is it?")
    assert len(echo("How tall is it?")) > 200


def test_callable_sees_the_body_and_answers(open_desk, ask):
    desk = open_desk(lambda body: f"asked of {body['model']}")
    assert text_of(desk.post(ask())) == "asked of claude-haiku-5-5"


def test_max_tokens_cuts_the_answer_and_is_billed_to_the_last_token(open_desk, ask):
    desk = open_desk(lambda body: "word " * 200)
    answer = desk.post(ask(max_tokens=26, thinking=OFF))
    assert (answer.json["stop_reason"], answer.json["usage"]["output_tokens"]) == ("max_tokens", 26)
    assert text_of(answer) == ("word " * 200)[:80]  # 26 / 1.3 tokens of four letters


def test_cutting_never_splits_a_character(open_desk, ask):
    desk = open_desk(lambda body: "日本語のテキスト" * 20)
    assert set(text_of(desk.post(ask(max_tokens=7, thinking=OFF)))) <= set("日本語のテキスト")


@pytest.mark.parametrize(
    ("sequences", "text", "ending"),
    [
        pytest.param(["three"], "one two ", ("stop_sequence", "three"), id="cut before it"),
        pytest.param(["four", "two"], "one ", ("stop_sequence", "two"), id="the first to occur"),
        pytest.param(["five"], "one two three four", ("end_turn", None), id="absent"),
    ],
)
def test_stop_sequences_end_the_answer(open_desk, ask, sequences, text, ending):
    answer = open_desk(lambda body: "one two three four").post(ask(stop_sequences=sequences))
    assert text_of(answer) == text
    assert (answer.json["stop_reason"], answer.json["stop_sequence"]) == ending


def test_the_context_window_ends_an_answer_that_max_tokens_would_allow(open_desk, ask):
    desk = open_desk(lambda body: "word " * 200)
    asked = ask(model="claude-haiku-4-5", system="x" * 4 * 199_986, messages=[{"role": "user", "content": "y"}])
    answer = desk.post(asked)
    assert answer.json["stop_reason"] == "model_context_window_exceeded"
    assert answer.json["usage"]["output_tokens"] == 10


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"enum": ["celsius", "kelvin"]},
        "days": {"type": "array", "items": {"$ref": "#/$defs/day"}},
        "exact": {"type": ["boolean", "null"]},
        "extra": {"type": "string"},
    },
    "required": ["city", "unit", "days", "exact"],
    "$defs": {"day": {"type": "integer", "minimum": 3}},
}
VALUE = {"city": "Why?", "unit": "celsius", "days": [3], "exact": True}


def test_forced_tool_gets_arguments_of_its_schema(desk, ask):
    tools = [{"name": "first", "input_schema": {"type": "object"}}, {"name": "weather", "input_schema": SCHEMA}]
    answer = desk.post(ask(tools=tools, tool_choice={"type": "tool", "name": "weather"})).json
    (block,) = answer["content"]
    assert (block["name"], block["input"], answer["stop_reason"]) == ("weather", VALUE, "tool_use")


def test_structured_output_satisfies_its_schema(desk, ask):
    answer = desk.post(ask(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}))
    assert json.loads(text_of(answer)) == VALUE


def test_streamed_tool_call_starts_with_an_empty_piece_and_joins_to_its_arguments(open_desk, ask):
    desk = open_desk(lambda body: Reply(({"type": "text", "text": "Let me see."}, tool_use_block("look", VALUE))))
    events = desk.post(ask(stream=True, thinking=OFF, tools=[{"name": "look", "input_schema": SCHEMA}])).events
    pieces = [event["delta"]["partial_json"] for event in events if "partial_json" in event.get("delta", {})]
    assert pieces[0] == ""
    assert json.loads("".join(pieces)) == VALUE
    started = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert (started[1]["input"], started[1]["id"][:6]) == ({}, "toolu_")
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_reply_overrides_stop_reason_usage_and_model(open_desk, ask):
    said = Reply("later", stop_reason="pause_turn", usage={"output_tokens": 1000}, model="claude-opus-5-5")
    desk = open_desk(lambda body: said)
    answer = desk.post(ask(model="claude-sonnet-5-5")).json
    assert (answer["stop_reason"], answer["model"]) == ("pause_turn", "claude-opus-5-5")
    assert desk.simulator.bill_usd == Decimal("0.020") + Decimal(answer["usage"]["input_tokens"]) * 4 / 1_000_000


def test_refusal_before_any_output_is_not_billed(open_desk, ask):
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    desk = open_desk(lambda body: Reply("", stop_reason="refusal", stop_details=details))
    answer = desk.post(ask()).json
    assert (answer["stop_reason"], answer["stop_details"], answer["content"]) == ("refusal", details, [])
    assert answer["usage"]["input_tokens"] > 0
    assert desk.simulator.bill_usd == 0


def test_diagnostics_are_answered_as_unavailable(desk, ask):
    asked = ask(diagnostics={"previous_message_id": "msg_1"})
    assert desk.post(asked).json["diagnostics"] == {"cache_miss_reason": {"type": "unavailable"}}
