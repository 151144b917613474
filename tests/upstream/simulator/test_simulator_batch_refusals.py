"""What the creation of a batch refuses at once, and what its requests are refused later."""

import gzip
import json

import pytest
from upstream.simulator.batch_samples import PATH, BatchDesk, item, items, params

from semcache.upstream.simulator import BatchConduct


@pytest.fixture
def batches(desk):
    return BatchDesk(desk)


REFUSED = [
    pytest.param(b"", "not valid", id="nothing"),
    pytest.param(b"[]", "expected a JSON object", id="array"),
    pytest.param(b"{}", "requests: Field required", id="no requests"),
    pytest.param(b'{"requests": []}', "requests: List should have at least 1 item", id="empty"),
    pytest.param(b'{"requests": {}}', "requests: Input should be a valid list", id="no list"),
    pytest.param(b'{"requests": [1]}', "requests.0: Input should be a valid dictionary", id="number"),
    pytest.param(b'{"requests": [], "model": 1}', "requests: List should have at least 1", id="the first complaint"),
    pytest.param(b'{"model": 1, "requests": []}', "model: Extra inputs are not permitted", id="unknown field"),
    pytest.param(b'{"requests": [{"custom_id": "a", "params": {}},]}', "not valid JSON", id="trailing comma"),
    pytest.param(b'{"requests": [{"custom_id": "a", "params": {}}', "not valid JSON", id="cut off"),
    pytest.param(b'{"requests": [{"custom_id": "a", "params": {}}]} x', "not valid JSON", id="more behind"),
    pytest.param(b'{"requests": [{"custom_id": "a" "params": {}}]}', "not valid JSON", id="missing comma"),
    pytest.param(b'{"requests": [{"custom_id": "a", "params": {"x": NaN}}]}', "NaN is not JSON", id="NaN"),
    pytest.param(b'{"requests": "\xff"}', "not valid UTF-8", id="no UTF-8"),
    pytest.param(b'{"requests": ' + b"[" * 100_000, "not valid", id="too deep"),
    pytest.param([{"params": {}}], "requests.0.custom_id: Field required", id="no id"),
    pytest.param([{"custom_id": "a"}], "requests.0.params: Field required", id="no params"),
    pytest.param([item("a") | {"id": 1}], "requests.0.id: Extra inputs are not permitted", id="extra"),
    pytest.param([item("a"), item("b c")], "requests.1.custom_id: String should match pattern", id="pattern"),
    pytest.param([item("")], "requests.0.custom_id: String should match pattern", id="empty id"),
    pytest.param([item("a" * 65)], "requests.0.custom_id: String should match pattern", id="long id"),
    pytest.param([item("a\n")], "requests.0.custom_id: String should match pattern", id="line end in id"),
    pytest.param([item(7)], "requests.0.custom_id: Input should be a valid string", id="number as id"),
    pytest.param([item("a"), item("b"), item("a")], "requests.2.custom_id: `a` is not unique", id="one id twice"),
    pytest.param([{"custom_id": "a", "params": []}], "requests.0.params: Input should be a valid", id="list"),
]


@pytest.mark.parametrize(("body", "problem"), REFUSED)
def test_a_body_that_is_no_batch_is_refused_at_once(desk, body, problem):
    raw = body if isinstance(body, bytes) else {"requests": body}
    answer = desk.post(raw, path=PATH)
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert problem in answer.problem
    assert desk.simulator.batches == []


LATER = [
    pytest.param({"stream": True}, "stream: ", id="stream"),
    pytest.param({"speed": "fast"}, "speed: ", id="speed"),
    pytest.param({"max_tokens": 0}, "max_tokens: ", id="pre-warming"),
    pytest.param({"thread": {"type": "create"}}, "thread: Extra", id="thread"),
    pytest.param({"context_hint": {}}, "context_hint: Extra", id="context hint"),
    pytest.param({"cache_hint": {}}, "cache_hint: Extra", id="cache hint"),
    pytest.param({"betas": []}, "betas: Extra", id="betas"),
    pytest.param({"temperature": 1}, "temperature: Extra", id="sampling under 2026-10-21"),
    pytest.param({"messages": []}, "messages: at least one message is required", id="no turn"),
    pytest.param({"model": None}, "model: Field required", id="no model"),
]


@pytest.mark.parametrize(("changes", "problem"), LATER)
def test_params_are_judged_later_and_become_an_errored_result(batches, changes, problem):
    result = batches.finished([item("a", **changes)])["a"]
    assert result["type"] == "errored"
    assert result["error"]["error"]["message"].startswith(problem)
    assert batches.simulator.bill_usd == 0


def test_stream_false_is_no_reason_to_refuse(batches):
    assert batches.finished([item("a", stream=False)])["a"]["type"] == "succeeded"


def test_a_batch_speaks_the_edition_of_its_creation(batches):
    asked = [item("a", model="claude-haiku-4-5", temperature=0)]
    assert batches.finished(asked, anthropic_version="2023-06-01")["a"]["type"] == "succeeded"


def test_more_output_needs_the_beta_and_a_batch(batches, desk):
    asked, beta = item("a", model="claude-opus-5-5", max_tokens=300_000), {"anthropic_beta": "output-300k-2026-03-24"}
    assert batches.finished([asked])["a"]["type"] == "errored"
    assert batches.finished([asked], **beta)["a"]["type"] == "succeeded"
    assert desk.post(asked["params"], **beta).status == 400


def test_limits_of_count_and_size_are_claudes(open_desk):
    assert BatchConduct() == BatchConduct(max_requests=100_000, max_body_bytes=256_000_000)
    desk = open_desk(batches=BatchConduct(max_requests=2, max_body_bytes=2000))
    assert "at most 2 items after validation, not 3" in desk.post({"requests": items(3)}, path=PATH).problem
    answer = desk.post({"requests": [item("a", "long " * 500)]}, path=PATH)
    assert (answer.status, answer.json["error"]["type"]) == (413, "request_too_large")
    assert desk.post(params("long " * 500)).status == 200


def test_a_batch_may_come_compressed_and_in_any_spelling(desk):
    spelled = json.dumps({"requests": items(3)}, indent=3).replace("\n", "\r\n").encode()
    assert desk.post(gzip.compress(spelled), path=PATH, content_encoding="gzip").status == 200
    (batch,) = desk.simulator.batches
    assert list(batch.requests) == items(3)
    assert (batch.requests[-1], batch.requests[:2]) == (items(3)[2], items(2))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("PUT", PATH, 405, id="put"),
        pytest.param("POST", f"{PATH}/msgbatch_x", 405, id="post one"),
        pytest.param("GET", f"{PATH}/msgbatch_x/cancel", 405, id="get cancel"),
        pytest.param("GET", f"{PATH}/msgbatch_x/one", 404, id="unknown part"),
        pytest.param("GET", f"{PATH}/msgbatch_x/results/more", 404, id="too deep"),
        pytest.param("GET", f"{PATH}/msgbatch_x", 404, id="unknown batch"),
    ],
)
def test_other_paths_below_batches_are_refused(desk, method, path, status):
    assert desk.send(method, path).status == status
