"""A request is read strictly and never edited."""

from __future__ import annotations

import pytest
from fakes import body, request

from semcache.errors import InvalidRequest
from semcache.request import Mode, Request


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        pytest.param(b'{"model": ', "not valid JSON at line 1 column", id="broken JSON"),
        pytest.param(b"", "not valid JSON", id="empty"),
        pytest.param(b'{"model": "\xff"}', "not valid UTF-8 at byte 11", id="invalid UTF-8"),
        pytest.param(b"[1]", "expected a JSON object, got an array", id="array"),
        pytest.param(b"null", "expected a JSON object, got null", id="null"),
        pytest.param(b'{"temperature": NaN}', "NaN is not JSON", id="NaN"),
        pytest.param(b'{"a":' * 100_000, "nested too deeply", id="deep"),
    ],
)
def test_a_body_that_cannot_be_read_says_where_and_why(raw: bytes, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        Request.parse(raw)


def test_errors_never_quote_what_the_caller_sent() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Request.parse(b'{"my secret prompt": oops}')
    assert "secret" not in str(refusal.value)


def test_a_strategy_gets_a_new_request_and_signs_it() -> None:
    original = request(stream=True)
    shaped = original.reshaped("routing", {"model": "claude-sonnet-5-5"})
    assert original.body == body(stream=True)
    assert shaped.model == "claude-sonnet-5-5"
    assert shaped.shaped_by == ("routing",)


def test_wrong_types_read_as_not_given_and_pass_through() -> None:
    odd = Request({"model": 7, "max_tokens": True, "messages": ["x"], "stream": "yes"})
    assert (odd.model, odd.max_tokens, odd.messages, odd.stream) == ("", None, [], False)


def test_lone_surrogates_survive() -> None:
    odd = Request.parse(rb'{"messages": "\ud83d"}').reshaped("test", {})
    assert Request.parse(odd.content()).body == {"messages": "\ud83d"}


def test_prompts_and_credentials_are_not_in_a_requests_repr() -> None:
    shown = repr(request("my secret", headers=(("x-api-key", "sk-secret"),)))
    assert "secret" not in shown


@pytest.mark.parametrize("operator", list(Mode))
@pytest.mark.parametrize("caller", list(Mode))
def test_a_caller_can_tighten_the_mode_and_never_loosen_it(operator: Mode, caller: Mode) -> None:
    order = list(Mode)
    assert order.index(operator.tightened_by(caller)) == min(order.index(operator), order.index(caller))
