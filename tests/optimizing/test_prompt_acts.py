"""Answers that act: two that say the same and call other tools are not the same answer."""

from __future__ import annotations

from typing import Any

import pytest
from optimizing.workshops import GOOD, ORIGINAL

from semcache.message import Message
from semcache.optimizing.acts import Acts, compared_acts
from semcache.optimizing.trying import Answers, try_version

USAGE = {"input_tokens": 1, "output_tokens": 1}


def called(*calls: tuple[str, Any], says: str = "") -> Message:
    blocks = [
        {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": given} for n, (name, given) in enumerate(calls)
    ]
    return Message({"content": [{"type": "text", "text": says}, *blocks], "stop_reason": "tool_use", "usage": USAGE})


ORDER = ("look_up", {"order": "A-17", "note": "asked on the phone"})


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(called(ORDER, says="A moment."), Acts.SAME, id="other words around it"),
        pytest.param(called(), Acts.DIFFERENT, id="no tool"),
        pytest.param(called(("refund", ORDER[1])), Acts.DIFFERENT, id="another tool"),
        pytest.param(called(ORDER, ORDER), Acts.DIFFERENT, id="twice"),
        pytest.param(called(("look_up", {**ORDER[1], "order": "A-18"})), Acts.DIFFERENT, id="another id"),
        pytest.param(called(("look_up", {**ORDER[1], "note": "by phone, today"})), Acts.UNCLEAR, id="other free text"),
    ],
)
def test_tool_calls_are_compared_by_what_they_do(other: Message, expected: Acts) -> None:
    assert compared_acts(called(ORDER), other) is expected


def test_answers_without_tools_are_left_to_the_judge() -> None:
    assert compared_acts(called(says="Yes."), called(says="No.")) is Acts.NONE


def test_a_version_that_calls_another_tool_does_not_agree(workshop, asking) -> None:
    body = {
        "model": "claude-haiku-5-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Is there a cafe?"}],
    }
    first = called(ORDER, says="I will look.")
    told = Answers((body,) * 6, (first,) * 6, (first,) * 6)
    tried = try_version(told, GOOD, ORIGINAL, asking=asking, comparing=workshop.comparing)
    assert (tried.control.same, tried.version.same, tried.version.different) == (6, 0, 6)
    assert not tried.is_as_good
