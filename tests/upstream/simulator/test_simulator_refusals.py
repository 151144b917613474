"""The simulator is strict where Claude is: a table of refusals, and what is accepted beside them."""

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
OLD = {"anthropic_version": "2023-06-01"}
BETA = {"anthropic_beta": "some-beta-2026-01-01"}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}]}


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def said(text, **more):
    return {"type": "text", "text": text, **more}


ASK = user(said("Why?"))


def case(id, problem, changes, **headers):
    return pytest.param(changes, headers, problem, id=id)


REFUSED = [
    case("no model", "model: Field required", {"model": None}),
    case("no max_tokens", "max_tokens: Field required", {"max_tokens": None}),
    case("no messages", "messages: Field required", {"messages": None}),
    case("no turn", "messages: at least one message is required", {"messages": []}),
    case("text limit", "max_tokens: Input should be a valid integer", {"max_tokens": "9"}),
    case("true as limit", "max_tokens: Input should be a valid integer", {"max_tokens": True}),
    case("negative limit", "max_tokens: Input should be greater than or equal to 0", {"max_tokens": -1}),
    case("text stream", "stream: Input should be a valid boolean", {"stream": "yes"}),
    case("unknown field", "frobnicate: Extra inputs are not permitted", {"frobnicate": 1}),
    case("beta field without beta", "context_management: Extra inputs are not permitted", {"context_management": {}}),
    case("unknown nested field", "metadata.tenant: Extra inputs are not permitted", {"metadata": {"tenant": "a"}}),
    case("task budget without beta", "output_config.task_budget: Extra", {"output_config": {"task_budget": {}}}),
    case("unknown role", "messages.0.role: Input should be", {"messages": [{"role": "tool", "content": "a"}]}),
    case("assistant first", 'first message must use the "user" role', {"messages": [CALL, RESULT]}),
    case("empty content", "messages.0: all messages must have non-empty content", {"messages": [user()]}),
    case("empty text", "text content blocks must be non-empty", {"messages": [user(said(""))]}),
    case("number as content", "messages.0.content: Input should be", {"messages": [{"role": "user", "content": 3}]}),
    case("unknown block", "Input tag 'poem' found using 'type'", {"messages": [user({"type": "poem"})]}),
    case("block without text", "content.0.text.text: Field required", {"messages": [user({"type": "text"})]}),
    case("extra in a block", "content.0.text.bold: Extra inputs", {"messages": [user(said("a", bold=True))]}),
    case("extra in a turn", "messages.0.name: Extra inputs", {"messages": [ASK | {"name": "me"}]}),
    case("system of objects", "system.0.type: Input should be 'text'", {"system": [{"type": "image"}]}),
    case("blank stop sequence", "each stop sequence must contain non-whitespace", {"stop_sequences": [" "]}),
    case("tool without schema", "tools.0.custom.input_schema: Field required", {"tools": [{"name": "look"}]}),
    case("tool with a bad name", "tools.0.custom.name: String should match", {"tools": [TOOL | {"name": "a b"}]}),
    case("one tool twice", "tools: Tool names must be unique.", {"tools": [TOOL, TOOL]}),
    case("choice without tools", "may only be specified while providing `tools`", {"tool_choice": {"type": "auto"}}),
    case("unknown tool", "'find' not found", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "find"}}),
    case("temperature in 2026", "temperature: Extra inputs are not permitted", {"temperature": 1}),
    case("temperature in 2026 under a beta", "temperature: Extra inputs", {"temperature": 1}, **BETA),
    case("top_k in 2026", "top_k: Extra inputs", {"top_k": 5, "model": "claude-haiku-4-5"}),
    case("document by the assistant", "not permitted in assistant", {"messages": [
        ASK, {"role": "assistant", "content": [{"type": "document", "source": {"type": "text", "data": "d"}}]}, ASK]}),
    case("citations by the user", "citations are not permitted", {"messages": [user(said("a", citations=[{}]))]}),
    case("temperature on a new model", "temperature: Extra inputs", {"temperature": 0.5}, **OLD),
    case("hot temperature", "temperature: Input should be less", {"temperature": 2, "model": "claude-opus-4-6"}, **OLD),
    case("temperature and top_p", "cannot both be specified",
         {"temperature": 0.5, "top_p": 0.5, "model": "claude-haiku-4-5"}, **OLD),
    case("five marks", "A maximum of 4 blocks with cache_control may be provided. Found 5.",
         {"messages": [user(*[said(f"part {n}", **MARK) for n in range(5)])]}),
    case("automatic as a fifth", "A maximum of 4 blocks with cache_control may be provided. Found 5.",
         {"messages": [user(*[said(f"part {n}", **MARK) for n in range(4)], said("end"))], **MARK}),
    case("1h after 5m", "must not come after a ttl='5m'", {"messages": [user(said("a", **MARK), said("b", **HOUR))]}),
    case("automatic 1h after 5m", "must not come after", {"messages": [user(said("a", **MARK), said("b"))], **HOUR}),
    case("automatic with another ttl", "different ttl", {"messages": [user(said("a", **HOUR))], **MARK}),
    case("unknown ttl", "ttl: Input should be '5m' or '1h'",
         {"messages": [user(said("a", cache_control={"type": "ephemeral", "ttl": "1d"}))]}),
    case("mark on empty text", "cannot be set for empty text", {"messages": [user(said("a"), said("", **MARK))]}),
    case("mark on thinking", "thinking.cache_control: Extra inputs", {"messages": [
        ASK, {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "s", **MARK}]}, ASK]}),
    case("prefill", "does not support assistant message prefill",
         {"messages": [ASK, {"role": "assistant", "content": "Because"}]}),
    case("prefill with trailing space", "cannot end with trailing whitespace",
         {"model": "claude-haiku-4-5", "messages": [ASK, {"role": "assistant", "content": "Because "}]}),
    case("forced tool on Opus 5.5", "tool_choice: `any` is not supported on claude-opus-5-5",
         {"model": "claude-opus-5-5", "tools": [TOOL], "tool_choice": {"type": "any"}}),
    case("disabled on an always-on model", "thinking.type: `disabled` is not supported",
         {"model": "claude-opus-5-5", "thinking": {"type": "disabled"}}),
    case("disabled on Sonnet 5.5", "use one of adaptive, between_tools",
         {"model": "claude-sonnet-5-5", "thinking": {"type": "disabled"}}),
    case("disabled at xhigh", "at effort above `high`",
         {"thinking": {"type": "disabled"}, "output_config": {"effort": "xhigh"}}),
    case("enabled on a new model", "`enabled` is not supported",
         {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}),
    case("adaptive on an old model", "`adaptive` is not supported",
         {"model": "claude-haiku-4-5", "thinking": {"type": "adaptive"}}),
    case("budget on adaptive", "thinking.adaptive.budget_tokens: Extra inputs",
         {"thinking": {"type": "adaptive", "budget_tokens": 2000}}),
    case("no budget", "thinking.enabled.budget_tokens: Field required",
         {"model": "claude-haiku-4-5", "thinking": {"type": "enabled"}}),
    case("small budget", "greater than or equal to 1024",
         {"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 1023}, "max_tokens": 2000}),
    case("budget as large as the limit", "must be greater than `thinking.budget_tokens`",
         {"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2000}),
    case("thinking with temperature", "may only be set to 1 when thinking is enabled",
         {"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000,
          "temperature": 0}, **OLD),
    case("thinking with a forced tool", "Thinking may not be enabled",
         {"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000,
          "tools": [TOOL], "tool_choice": {"type": "any"}}),
    case("effort on a model without", "does not support the effort parameter",
         {"model": "claude-haiku-4-5", "output_config": {"effort": "low"}}),
    case("xhigh on Opus 4.6", "`xhigh` is not supported",
         {"model": "claude-opus-4-6", "output_config": {"effort": "xhigh"}}),
    case("fast on Haiku", "speed: `fast` is not supported", {"speed": "fast"}),
    case("limit above the model's", "max_tokens: 128001 > 128000, which is the maximum", {"max_tokens": 128_001}),
    case("limit above an old model's", "64001 > 64000", {"max_tokens": 64_001, "model": "claude-haiku-4-5"}),
    case("pre-warm streamed", "max_tokens: 0 cannot be combined with `stream`", {"max_tokens": 0, "stream": True}),
    case("pre-warm with a format", "`output_config.format`",
         {"max_tokens": 0, "output_config": {"format": {"type": "json_schema", "schema": {}}}}),
    case("pre-warm with a forced tool", "cannot be combined with `tool_choice`",
         {"max_tokens": 0, "tools": [TOOL], "tool_choice": {"type": "any"}}),
    case("tool call without result", "messages.1: `tool_use` ids were found without `tool_result`",
         {"messages": [ASK, CALL, ASK]}),
    case("tool call at the end", "messages.1: `tool_use` ids were found without",
         {"model": "claude-haiku-4-5", "messages": [ASK, CALL]}),
    case("result without call", "messages.0: unexpected `tool_use_id`", {"messages": [RESULT]}),
    case("result a turn late", "unexpected `tool_use_id`", {"messages": [
        ASK, CALL, RESULT, {"role": "assistant", "content": "a"}, RESULT]}),
    case("version missing", "anthropic-version: header is required", {}, anthropic_version=None),
    case("version unknown", "is not a valid version", {}, anthropic_version="2024-01-01"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "headers", "problem"), REFUSED)
def test_request_is_refused_naming_the_field(desk, ask, changes, headers, problem):
    answer = desk.post(ask(**changes), **headers)
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert problem in answer.problem
    assert answer.json["request_id"] == answer.headers["request-id"]


ACCEPTED = [
    case("beta field under a beta", "", {"context_management": {}}, **BETA),
    case("default sampling in the old edition", "", {"temperature": 1.0}, **OLD),
    case("any sampling on 4.6", "", {"temperature": 0, "top_p": 0.5, "model": "claude-opus-4-6"}, **OLD),
    case("four marks", "", {"messages": [user(*[said(f"part {n}", **MARK) for n in range(4)])]}),
    case("1h before 5m", "", {"messages": [user(said("a", **HOUR), said("b", **MARK))]}),
    case("automatic where the last is marked alike", "", {"messages": [user(said("a", **MARK))], **MARK}),
    case("prefill on 4.5", "", {"model": "claude-haiku-4-5",
                               "messages": [ASK, {"role": "assistant", "content": "Because"}]}),
    case("forced tool on Haiku 5.5", "", {"tools": [TOOL], "tool_choice": {"type": "any"}}),
    case("disabled at high", "", {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}),
    case("between_tools on Sonnet 5.5", "", {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}}),
    case("interleaved budget", "", {"model": "claude-opus-4-5", "max_tokens": 2000,
                                   "thinking": {"type": "enabled", "budget_tokens": 4000}},
         anthropic_beta="interleaved-thinking-2025-05-14"),
    case("tool call answered", "", {"messages": [ASK, CALL, RESULT], "tools": [TOOL]}),
    case("system between call and result", "", {"messages": [ASK, CALL, {"role": "system", "content": "Be brief."},
                                                             RESULT], "tools": [TOOL]}),
    case("system at the end", "", {"messages": [ASK, {"role": "system", "content": "Be brief."}]}),
    case("server tool", "", {"tools": [{"type": "web_search_20260318", "name": "web_search"}]}),
    case("nulls where they mean nothing", "", {"inference_geo": None, "container": None, "speed": None}),
    case("fast on Opus 5.5", "", {"speed": "fast", "model": "claude-opus-5-5"}),
    case("pre-warm", "", {"max_tokens": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "headers", "problem"), ACCEPTED)
def test_request_is_accepted(desk, ask, changes, headers, problem):
    assert desk.post(ask() | changes, **headers).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"x_api_key": None}, 401, id="no credential"),
        pytest.param({"x_api_key": "stranger"}, 401, id="wrong key"),
        pytest.param({"x_api_key": "stranger", "authorization": "Bearer friend"}, 401, id="x-api-key wins"),
        pytest.param({"x_api_key": None, "authorization": "Bearer friend"}, 200, id="bearer"),
        pytest.param({"x_api_key": "friend"}, 200, id="x-api-key"),
    ],
)
def test_credentials_are_checked_in_either_header(open_desk, ask, headers, status):
    answer = open_desk(valid_keys=frozenset({"friend"})).post(ask(), **headers)
    assert answer.status == status
    assert status == 200 or answer.json["error"]["type"] == "authentication_error"


def test_model_that_retires_answers_until_its_day(desk, ask):
    asked = ask(model="claude-sonnet-4-5")
    assert desk.post(asked).status == 200
    desk.clock.now += 7 * 24 * 3600
    answer = desk.post(asked)
    assert (answer.status, answer.json["error"]["type"]) == (404, "not_found_error")
    assert answer.problem == "model: claude-sonnet-4-5"


def test_prompt_longer_than_the_context_window_is_refused(desk, ask):
    asked = ask(model="claude-haiku-4-5", system="word " * 170_000)
    assert desk.post(asked).problem == "prompt is too long: 212504 tokens > 200000 maximum"


def test_body_above_the_limit_is_too_large(open_desk, ask):
    desk = open_desk(max_body_bytes=1000)
    for answer in (desk.post(b"x" * 1001), desk.post(gzip.compress(b"x" * 5000), content_encoding="gzip")):
        assert (answer.status, answer.json["error"]["type"]) == (413, "request_too_large")


def test_encoded_bodies_are_read(desk):
    raw = b'{"model":"claude-haiku-5-5","max_tokens":9,"messages":[{"role":"user","content":"Why?"}]}'
    assert desk.post(gzip.compress(raw), content_encoding="gzip").status == 200
    assert desk.post(gzip.compress(raw)[:-9], content_encoding="gzip").status == 400
    assert desk.post(raw, content_encoding="br").status == 400


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"model": NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(desk, raw):
    assert desk.post(raw).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("HEAD", "/api/hello", 404, id="probe of Claude Code"),
        pytest.param("GET", "/v1/elsewhere", 404, id="unknown path"),
        pytest.param("GET", "/v1/messages", 405, id="wrong method"),
    ],
)
def test_other_paths_get_an_error_in_claudes_shape(desk, method, path, status):
    answer = desk.send(method, path)
    assert answer.status == status
    assert answer.headers["request-id"]
    assert answer.raw == b"" if method == "HEAD" else answer.json["type"] == "error"


def test_count_tokens_takes_no_max_tokens(desk, ask):
    counted = desk.post(ask(max_tokens=None), path="/v1/messages/count_tokens")
    assert counted.json == {"input_tokens": 6}
    refused = desk.post(ask(), path="/v1/messages/count_tokens")
    assert refused.problem == "max_tokens: Extra inputs are not permitted"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        pytest.param("limit=0", "limit: Input should be between 1 and 1000", id="limit"),
        pytest.param("after_id=claude-x", "after_id: no model", id="cursor"),
        pytest.param("lifecycle[]=young", "lifecycle: Input should be", id="lifecycle"),
    ],
)
def test_wrong_paging_is_refused(desk, query, problem):
    assert problem in desk.get("/v1/models", query).problem


def test_models_page_backwards_and_show_retired_ones_on_request(desk):
    every = [model["id"] for model in desk.get("/v1/models", "limit=1000").json["data"]]
    page = desk.get("/v1/models", f"limit=2&before_id={every[5]}").json
    assert [model["id"] for model in page["data"]] == every[3:5]
    assert page["has_more"] is True
    retired = desk.get("/v1/models", "lifecycle[]=retired").json["data"]
    assert [model["id"] for model in retired] == ["claude-mythos-preview"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.sampled_from(["", "text", "user", "auto"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "cache_control", "name", "id", "input", "ttl", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = (
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control",
    "stop_sequences", "metadata", "speed", "container", "diagnostics", "temperature", "stream", "inference_geo",
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3), betas=st.sampled_from([None, "a-beta"])
)
def test_no_body_whatever_breaks_the_simulator(desk, ask, changes, betas):
    for version in ("2023-06-01", "2026-10-21"):
        answer = desk.post(ask() | changes, anthropic_version=version, anthropic_beta=betas)
        assert answer.status in (200, 400, 404)
