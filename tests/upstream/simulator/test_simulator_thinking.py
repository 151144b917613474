"""Thinking: who thinks by default, and thinking blocks that come back behind another prefix."""

import pytest

ENABLED = {"type": "enabled", "budget_tokens": 1024}


def thoughts(answer):
    return [block for block in answer.json["content"] if block["type"] == "thinking"]


@pytest.mark.parametrize(
    ("model", "thinking", "thinks"),
    [
        pytest.param("claude-opus-5-5", None, True, id="always on"),
        pytest.param("claude-haiku-5-5", None, True, id="on by default"),
        pytest.param("claude-haiku-5-5", {"type": "disabled"}, False, id="switched off"),
        pytest.param("claude-sonnet-5-5", {"type": "between_tools"}, False, id="between tools"),
        pytest.param("claude-opus-4-8", None, False, id="off by default"),
        pytest.param("claude-opus-4-8", {"type": "adaptive"}, True, id="switched on"),
        pytest.param("claude-haiku-4-5", None, False, id="old, off"),
        pytest.param("claude-haiku-4-5", ENABLED, True, id="old, enabled"),
    ],
)
def test_models_think_by_default_or_when_asked(desk, ask, model, thinking, thinks):
    answer = desk.post(ask(model=model, thinking=thinking, max_tokens=2000))
    assert [bool(block["signature"]) for block in thoughts(answer)] == [True] * thinks
    assert (answer.json["usage"]["output_tokens_details"]["thinking_tokens"] > 0) is thinks


@pytest.mark.parametrize(
    ("model", "thinking", "is_shown"),
    [
        pytest.param("claude-haiku-5-5", {"type": "adaptive"}, False, id="omitted by default"),
        pytest.param("claude-haiku-5-5", {"type": "adaptive", "display": "summarized"}, True, id="summarized"),
        pytest.param("claude-haiku-4-5", ENABLED, True, id="summarized by default on old models"),
        pytest.param("claude-haiku-4-5", ENABLED | {"display": "omitted"}, False, id="omitted on demand"),
    ],
)
def test_thinking_is_displayed_as_asked_and_billed_either_way(desk, ask, model, thinking, is_shown):
    answer = desk.post(ask(model=model, thinking=thinking, max_tokens=2000))
    streamed = desk.post(ask(model=model, thinking=thinking, max_tokens=2000, stream=True))
    deltas = [event["delta"]["type"] for event in streamed.events if event["type"] == "content_block_delta"]
    assert bool(thoughts(answer)[0]["thinking"]) is is_shown
    assert ("thinking_delta" in deltas) is is_shown
    assert deltas.count("signature_delta") == 1
    assert answer.json["usage"]["output_tokens_details"]["thinking_tokens"] > 0


def test_more_effort_thinks_more(desk, ask):
    def tokens(effort):
        answer = desk.post(ask(output_config={"effort": effort}, max_tokens=9000))
        return answer.json["usage"]["output_tokens_details"]["thinking_tokens"]

    spent = [tokens(effort) for effort in ("low", "medium", "high", "xhigh", "max")]
    assert spent == sorted(set(spent))


@pytest.fixture
def second_turn(desk, ask):
    """The body of a conversation's second turn, thinking block included."""

    def turn(model="claude-haiku-5-5", at=desk):
        first = ask(model=model, system="Be kind.", thinking={"type": "adaptive"})
        content = at.post(first).json["content"]
        history = [*first["messages"], {"role": "assistant", "content": content}]
        return first | {"messages": [*history, {"role": "user", "content": "And then?"}]}

    return turn


def test_thinking_comes_back_unchanged_and_is_read(desk, second_turn):
    assert desk.post(second_turn()).status == 200


def test_marks_and_spelling_are_no_part_of_the_prefix(desk, second_turn):
    body = second_turn()
    mark = {"type": "ephemeral"}
    body["system"] = [{"type": "text", "text": "Be kind.", "cache_control": mark}]
    body["messages"][0] = {"role": "user", "content": [{"type": "text", "text": "Why?", "cache_control": mark}]}
    assert desk.post(body).status == 200


CHANGES = [
    pytest.param({"system": "Be rude."}, id="system rewritten"),
    pytest.param({"tools": [{"name": "look", "input_schema": {"type": "object"}}]}, id="tool added"),
    pytest.param({"messages": "Why not?"}, id="history rewritten"),
]


@pytest.mark.parametrize("changes", CHANGES)
def test_thinking_behind_a_changed_prefix_is_refused(desk, second_turn, changes):
    answer = desk.post(changed(second_turn(), changes))
    assert answer.status == 400
    assert answer.problem.startswith(
        "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation."
    )


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("model", ["claude-opus-5", "claude-sonnet-5", "claude-opus-4-8"])
def test_older_models_do_not_bind_thinking_to_the_prefix(desk, second_turn, changes, model):
    assert desk.post(changed(second_turn(model), changes)).status == 200


def changed(body, changes):
    if "messages" in changes:
        return body | {"messages": [{"role": "user", "content": changes["messages"]}, *body["messages"][1:]]}
    return body | changes


@pytest.mark.parametrize(("model", "status"), [("claude-sonnet-5-5", 200), ("claude-fable-5-2", 400)])
def test_old_accounts_are_checked_on_fable_52_only(open_desk, second_turn, model, status):
    desk = open_desk(is_old_account=True)
    assert desk.post(second_turn(model, desk) | {"system": "Be rude."}).status == status


def test_thinking_of_another_account_is_refused(desk, second_turn):
    assert "different conversation" in desk.post(second_turn(), x_api_key="another").problem


def test_thinking_of_another_model_is_dropped_silently(desk, second_turn):
    body = second_turn()
    body["model"] = "claude-opus-5-5"
    without = body | {"messages": [*body["messages"]]}
    without["messages"][1] = {"role": "assistant", "content": body["messages"][1]["content"][1:]}
    dropped, bare = desk.post(body), desk.post(without)
    assert dropped.status == 200
    assert dropped.json["usage"]["input_tokens"] == bare.json["usage"]["input_tokens"]


def test_mismatches_are_dropped_where_the_caller_asks_for_it(desk, second_turn):
    binding = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    body = second_turn() | {"system": "Be rude.", "thinking": binding}
    assert desk.post(body, anthropic_beta="thinking-binding-controls-2026-08-01").status == 200
    assert desk.post(body, anthropic_beta="other-beta").status == 400


@pytest.mark.parametrize("signature", ["", "made up", "QUJD", "é"])
def test_forged_signatures_are_refused_unless_checks_are_off(desk, open_desk, second_turn, signature):
    body = second_turn()
    body["messages"][1]["content"][0]["signature"] = signature
    assert desk.post(body).problem == "messages.1.content.0: Invalid `signature` in `thinking` block"
    assert open_desk(checks_thinking=False).post(body).status == 200
