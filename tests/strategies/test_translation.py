"""Requests in another model's terms: what changes, what stays, and what keeps a request where it is."""

from __future__ import annotations

from copy import deepcopy
from datetime import date

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Request
from semcache.strategies.translation import Translation, Untranslatable, translated
from semcache.upstream.simulator.thinking import Readers, account_of, signature_for

TODAY = date(2026, 11, 23)
BOOK = PriceBook.load(find_claude_manifest(None))
QUESTION = {"role": "user", "content": "When does the last ferry to the island leave?"}
TOOL = {"name": "timetable", "input_schema": {"type": "object"}}
HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
HAIKU_4_5, SONNET_4_5, OPUS_4_5 = "claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929", "claude-opus-4-5-20251101"
SONNET_4_6, OPUS_4_8, OPUS_5 = "claude-sonnet-4-6", "claude-opus-4-8", "claude-opus-5"


def ask(model=OPUS, *, version="2023-06-01", betas="", **fields):
    body = {"model": model, "max_tokens": 8_000, "messages": [QUESTION], **fields}
    headers = (("anthropic-version", version), *([("anthropic-beta", betas)] if betas else []))
    return Request({name: value for name, value in body.items() if value is not None}, headers=headers)


def move(request, target, *, source=None, on=TODAY, effort=None):
    source = BOOK.model(source or request.model)
    return translated(request, source=source, target=BOOK.model(target), on=on, effort=effort)


def changed(outcome, request):
    """The fields that differ, but for the model's name; None for those that are gone."""
    new, old = outcome.request.body, request.body
    return {name: new.get(name) for name in {**old, **new} if new.get(name) != old.get(name) and name != "model"}


@pytest.mark.parametrize(
    ("source", "target", "fields", "expected"),
    [
        pytest.param(OPUS, HAIKU, {}, {}, id="a plain request changes its model only"),
        pytest.param(SONNET_4_6, HAIKU, {}, {"thinking": {"type": "disabled"}}, id="no thinking stays no thinking"),
        pytest.param(SONNET_4_6, SONNET, {}, {"thinking": {"type": "between_tools"}}, id="or what comes next to it"),
        pytest.param(SONNET_4_6, OPUS, {}, {}, id="or what cannot be helped"),
        pytest.param(OPUS_5, OPUS_4_8, {}, {"thinking": {"type": "adaptive"}}, id="thinking stays thinking"),
        pytest.param(OPUS, HAIKU_4_5, {}, {}, id="but nobody invents a budget"),
        pytest.param(
            SONNET_4_6,
            OPUS,
            {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            id="a budget becomes free thinking, shown as before",
        ),
        pytest.param(
            OPUS,
            HAIKU_4_5,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            {"thinking": {"type": "enabled", "budget_tokens": 1_024, "display": "omitted"}, "output_config": None},
            id="low effort becomes the smallest budget",
        ),
        pytest.param(
            SONNET,
            OPUS_4_8,
            {"thinking": {"type": "between_tools"}},
            {"thinking": {"type": "disabled"}},
            id="between no tools is nowhere",
        ),
        pytest.param(
            OPUS_4_8,
            HAIKU,
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
            {"output_config": {"effort": "high"}},
            id="without thinking there is no effort above high",
        ),
    ],
)
def test_thinking_takes_the_nearest_form(source, target, fields, expected):
    request = ask(source, **fields)
    outcome = move(request, target)
    assert changed(outcome, request) == expected
    assert outcome.request.model == target


@pytest.mark.parametrize(
    ("source", "target", "asked", "expected"),
    [
        pytest.param(OPUS, HAIKU, "xhigh", "xhigh", id="kept"),
        pytest.param(OPUS, SONNET_4_6, "xhigh", "high", id="the next below"),
        pytest.param(OPUS, OPUS_4_5, "max", "high", id="the most there is"),
        pytest.param(OPUS, SONNET_4_5, "low", None, id="dropped where there is none"),
        pytest.param(OPUS, SONNET, None, "medium", id="left out meant medium"),
        pytest.param(SONNET, OPUS, None, None, id="left out is left out where it means no more"),
    ],
)
def test_effort_is_never_more_than_was_asked_for(source, target, asked, expected):
    config = None if asked is None else {"effort": asked}
    outcome = move(ask(source, output_config=config), target)
    assert outcome.request.body.get("output_config", {}).get("effort") == expected


def test_the_routers_effort_goes_before_the_callers_and_fits_the_model():
    assert move(ask(), OPUS_4_5, effort="medium").request.body["output_config"] == {"effort": "medium"}
    assert "output_config" not in move(ask(), SONNET_4_6, effort="xhigh").request.body  # high, which is meant anyway
    assert move(ask(output_config={"effort": "max"}), HAIKU, effort="low").request.body["output_config"] == {
        "effort": "low"
    }
    assert "output_config" not in move(ask(), HAIKU_4_5, effort="low").request.body


def test_the_routers_effort_on_the_same_model_changes_nothing_else():
    request = ask(output_config={"format": {"type": "json_schema", "schema": {}}})
    outcome = move(request, OPUS, effort="low")
    assert changed(outcome, request) == {"output_config": {**request.body["output_config"], "effort": "low"}}
    assert outcome.changes == ("effort: low",)


@pytest.mark.parametrize(
    ("target", "sampling", "kept"),
    [
        pytest.param(SONNET_4_5, {"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3, "top_p": 0.5}, id="taken"),
        pytest.param(HAIKU_4_5, {"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3}, id="one of two"),
        pytest.param(HAIKU_4_5, {"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}, id="the one that says something"),
        pytest.param(HAIKU, {"temperature": 0, "top_k": 3}, {}, id="none"),
        pytest.param(HAIKU, {"temperature": 1}, {"temperature": 1}, id="a default is taken everywhere"),
    ],
)
def test_sampling_goes_where_it_is_refused(target, sampling, kept):
    body = move(ask(SONNET_4_6, **sampling), target).request.body
    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == kept


def test_sampling_gives_way_to_a_thinking_budget():
    body = move(ask(SONNET_4_6, thinking={"type": "adaptive"}, temperature=0.5, top_k=4), SONNET_4_5).request.body
    assert body["thinking"]["type"] == "enabled"
    assert not {"temperature", "top_k"} & body.keys()


def test_max_tokens_and_the_budget_below_it_fit_the_target():
    thinking = {"type": "enabled", "budget_tokens": 120_000}
    body = move(ask(SONNET_4_6, max_tokens=128_000, thinking=thinking), SONNET_4_5).request.body
    assert body["max_tokens"] == 64_000
    assert body["thinking"]["budget_tokens"] == 56_000  # the answer keeps its 8,000


def test_an_interleaved_budget_may_exceed_max_tokens_but_not_the_target():
    thinking = {"type": "enabled", "budget_tokens": 300_000}
    request = ask(SONNET_4_6, thinking=thinking, betas="interleaved-thinking-2025-05-14")
    assert move(request, SONNET_4_5).request.body["thinking"]["budget_tokens"] == 64_000
    assert move(request, SONNET_4_6).request.body["thinking"] == thinking


def test_fast_mode_is_dropped_with_its_beta_where_there_is_none():
    request = ask(OPUS, speed="fast", betas="fast-mode-2026-02-01, context-management-2025-06-27")
    outcome = move(request, SONNET)
    assert "speed" not in outcome.request.body
    assert outcome.request.betas == ("context-management-2025-06-27",)
    assert move(request, OPUS_5).request.body["speed"] == "fast"


def test_fast_mode_ends_on_its_last_day():
    request = ask(OPUS, speed="fast")
    assert "speed" in move(request, OPUS_4_8, on=date(2026, 11, 29)).request.body
    assert "speed" not in move(request, OPUS_4_8, on=date(2026, 11, 30)).request.body


@pytest.mark.parametrize(
    ("source", "target", "fields", "reason"),
    [
        pytest.param(
            HAIKU, OPUS, {"tools": [TOOL], "tool_choice": {"type": "any"}}, "cannot be forced", id="forced tool"
        ),
        pytest.param(
            HAIKU_4_5,
            HAIKU,
            {"messages": [QUESTION, {"role": "assistant", "content": "At"}]},
            "prefilled",
            id="prefill",
        ),
        pytest.param(HAIKU, OPUS, {"thinking": {"type": "disabled"}}, "`disabled`", id="thinking off"),
        pytest.param(
            SONNET, HAIKU, {"thinking": {"type": "between_tools"}, "tools": [TOOL]}, "`between_tools`", id="between"
        ),
        pytest.param(
            OPUS, HAIKU_4_5, {"thinking": {"type": "adaptive"}, "max_tokens": 500}, "no room", id="small budget"
        ),
        pytest.param(HAIKU_4_5, OPUS, {"max_tokens": 10}, "always thinks", id="no room to think and answer"),
        pytest.param(OPUS, HAIKU, {"max_tokens": 0}, "warms", id="cache warming"),
        pytest.param(OPUS, HAIKU_4_5, {"inference_geo": "us"}, "inference_geo", id="place of inference"),
        pytest.param(OPUS, HAIKU, {"container": "c_1"}, "the field container", id="container"),
        pytest.param(OPUS, HAIKU, {"a secret: x": 1}, "an unknown field", id="a key that may be anything"),
        pytest.param(OPUS, HAIKU, {"output_config": {"task_budget": {}}}, "task_budget", id="task budget"),
        pytest.param(
            OPUS, HAIKU, {"tools": [{"type": "web_search_20260318"}]}, "web_search_20260318", id="server tool"
        ),
        pytest.param(OPUS, HAIKU, {"tools": [{**TOOL, "defer_loading": True}]}, "tools of its model", id="deferred"),
        pytest.param(OPUS, "claude-mythos-preview", {}, "no longer answers", id="retired"),
        pytest.param(
            OPUS, HAIKU_4_5, {"system": "word " * 200_000}, "may not fit", id="longer than the smaller window"
        ),
    ],
)
def test_what_cannot_be_said_stays_on_its_model(source, target, fields, reason):
    outcome = move(ask(source, **fields), target)
    assert isinstance(outcome, Untranslatable)
    assert reason in outcome.reason
    assert "secret" not in outcome.reason


def test_a_model_is_left_out_from_the_day_it_retires():
    assert isinstance(move(ask(), SONNET_4_5, on=date(2026, 11, 29)), Translation)
    assert isinstance(move(ask(), SONNET_4_5, on=date(2026, 11, 30)), Untranslatable)


def test_a_document_of_unknown_size_stays_where_the_window_is_larger():
    source = {"type": "url", "url": "https://example.org/a.pdf"}
    request = ask(messages=[{"role": "user", "content": [{"type": "document", "source": source}]}])
    assert isinstance(move(request, HAIKU), Translation)
    assert isinstance(move(request, HAIKU_4_5), Untranslatable)


def conversation(source, *later, answer=()):
    """A second turn behind an answer that was thought about, with a signature the simulator made."""
    body = ask(source).body
    signature = signature_for(body, Readers(BOOK.model(source), account_of("a key")))
    thought = {"type": "thinking", "thinking": "", "signature": signature}
    said = answer or ({"type": "text", "text": "At half past nine."},)
    return ask(source, messages=[QUESTION, {"role": "assistant", "content": [thought, *said]}, *later])


@pytest.mark.parametrize("target", [model.id for model in BOOK.models if model.answers_on(TODAY)])
def test_thinking_of_the_past_is_left_behind_and_the_conversation_accepted(refusal, target):
    request = conversation(OPUS, {"role": "user", "content": "And on Sundays?"})
    assert refusal(request) is None
    outcome = move(request, target)
    kinds = [block["type"] for block in outcome.request.body["messages"][1]["content"]]
    assert refusal(outcome.request) is None
    assert kinds == (["thinking", "text"] if target == OPUS else ["text"])


def test_thinking_behind_open_tool_use_keeps_the_conversation_on_its_model():
    use = {"type": "tool_use", "id": "toolu_1", "name": "timetable", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "21:30"}]}
    open_use = conversation(OPUS, result, answer=(use,))
    closed = conversation(OPUS, result, {"role": "assistant", "content": "At 21:30."}, QUESTION, answer=(use,))
    assert "tools are in use" in move(open_use, HAIKU).reason
    assert isinstance(move(closed, HAIKU), Translation)


def test_a_turn_of_nothing_but_thinking_cannot_be_emptied():
    turns = [QUESTION, {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}, QUESTION]
    assert "nothing but thinking" in move(ask(messages=turns), HAIKU).reason


def test_auto_is_brought_to_the_model_that_was_chosen(refusal):
    request = ask("auto", temperature=0.1, output_config={"effort": "max"}, max_tokens=100_000)
    for model in BOOK.models:
        if model.answers_on(TODAY):
            outcome = move(request, model.id, source=model.id)
            assert outcome.request.model == model.id
            assert refusal(outcome.request) is None


def test_changes_are_told_one_by_one_and_signed():
    outcome = move(ask(SONNET_4_6, temperature=0.2, output_config={"effort": "max"}), SONNET_4_5)
    assert outcome.changes == (
        f"model: {SONNET_4_5}",
        f"effort: dropped, {SONNET_4_5} has none",
    )
    assert outcome.request.shaped_by == ("translation",)


def test_an_alias_of_the_target_is_the_target():
    request = Request.parse(b'{"model":"claude-haiku-4-5", "max_tokens":9, "messages":[]}')
    outcome = move(request, HAIKU_4_5)
    assert outcome.request is request
    assert outcome.request.content() == request.raw
    assert outcome.changes == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MODEL_NAMES = st.sampled_from([model.id for model in BOOK.models if model.answers_on(TODAY)])
KINDS = st.sampled_from(["adaptive", "enabled", "disabled", "between_tools"])
LEVELS = st.sampled_from(["low", "medium", "high", "xhigh", "max"])
CHOICES = st.sampled_from([{}, {"tools": [TOOL]}, {"tools": [TOOL], "tool_choice": {"type": "any"}}])
THOUGHTS = KINDS.map(lambda kind: {"type": kind, **({"budget_tokens": 1_024} if kind == "enabled" else {})})
EXTRAS = st.sampled_from([{"temperature": 0.5}, {"top_p": 0.5, "temperature": 1}, {"top_k": 5}, {"speed": "fast"}])
SOUND = st.builds(
    lambda limit, thinking, effort, choice, extra: {
        "max_tokens": limit,
        "thinking": thinking,
        "output_config": None if effort is None else {"effort": effort},
        **choice,
        **extra,
    },
    st.sampled_from([500, 2_000, 64_000, 128_000]),
    st.none() | THOUGHTS,
    st.none() | LEVELS,
    CHOICES,
    st.just({}) | EXTRAS,
)
WILD = st.dictionaries(
    st.sampled_from(
        ["max_tokens", "thinking", "output_config", "tools", "tool_choice", "speed", "messages", "system", "top_p", "x"]
    ),
    JSON
    | st.dictionaries(st.sampled_from(["type", "effort", "budget_tokens", "display", "role", "content"]), JSON | KINDS)
    | st.lists(st.dictionaries(st.sampled_from(["type", "role", "content", "source"]), JSON), max_size=3),
)  # fmt: skip


@settings(max_examples=400)
@given(SOUND, MODEL_NAMES, MODEL_NAMES)
def test_translation_is_accepted_and_final(refusal, fields, source, target):
    request = ask(source, **fields)
    outcome = move(request, target)
    if refusal(request) is None and isinstance(outcome, Translation):
        event("translated")
        assert refusal(outcome.request) is None
        assert move(outcome.request, target).request is outcome.request
        unnamed = Request({**outcome.request.body, "model": "auto"}, headers=request.headers)
        assert move(unnamed, target, source=target).request.body == outcome.request.body


@given(SOUND | WILD, MODEL_NAMES)
def test_a_request_for_its_own_model_is_left_as_it_is(fields, model):
    request = ask(**{**fields, "model": model})
    assert move(request, model) == Translation(request)


@given(SOUND | WILD, MODEL_NAMES, MODEL_NAMES, st.none() | LEVELS)
def test_the_callers_request_is_never_edited_and_nothing_breaks(fields, source, target, effort):
    request = ask(**{**fields, "model": source})
    before = deepcopy(request.body)
    outcome = move(request, target, effort=effort)
    told = outcome.changes if isinstance(outcome, Translation) else (outcome.reason,)
    assert request.body == before
    assert all(phrase.isascii() and phrase.isprintable() for phrase in told)
