"""What the simulated Claude takes for the question."""

from __future__ import annotations

import pytest

from semcache.upstream.simulator.blocks import question_of

HINT = "(Throughout, answer as briefly as the question allows.)"


@pytest.mark.parametrize(
    ("texts", "question"),
    [
        (["A long document.", "What does it say?"], "What does it say?"),
        (["What does it say?", HINT], "What does it say?"),
        ([HINT], HINT),
        ([], ""),
    ],
    ids=["the last text", "before a remark", "nothing but a remark", "no words"],
)
def test_a_remark_in_brackets_is_no_question(texts: list[str], question: str) -> None:
    turn = {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}
    assert question_of({"messages": [turn]}) == question
