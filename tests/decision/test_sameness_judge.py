"""The cascade of judges: Claude is asked only what the local one cannot tell, and only where he is named."""

from __future__ import annotations

import json

import pytest
from fakes import message

from semcache.decision.sameness.judge import judged
from semcache.decision.sameness.outcomes import Different, Pairing, Same, Sameness, Uncertain
from semcache.decision.sameness.rubric import CRITERIA, LABEL
from semcache.request import Request

PAIRING = Pairing("How do I reset it?", message("Press the button."), "How can I reset it?", message("Push it."))
UNSURE = Uncertain("alike-to-a-degree", 0.5)


class Saying:
    """A local judge that always says this."""

    def __init__(self, sameness: Sameness) -> None:
        self.sameness = sameness

    def compare(self, pairing: Pairing) -> Sameness:
        return self.sameness


def run(local: Sameness, *, claude: bool | None = None, model: str | None = None) -> tuple[Sameness, list[Request]]:
    """The verdict, and the requests it took."""
    judging, asked = judged(Saying(local), PAIRING, claude_model=model), []
    try:
        call = next(judging)
        while True:
            asked.append(call.request)
            call = judging.send(message(json.dumps(dict.fromkeys(CRITERIA, claude))))
    except StopIteration as stop:
        return stop.value, asked


@pytest.mark.parametrize("sure", [Same("equal", 0.99), Different("numbers", 0.97)])
def test_what_the_local_judge_can_tell_is_asked_of_nobody(sure: Sameness) -> None:
    assert run(sure, model="claude-haiku-5-5", claude=False) == (sure, [])


def test_without_a_model_what_is_uncertain_stays_so() -> None:
    assert run(UNSURE) == (UNSURE, [])


@pytest.mark.parametrize(("claude", "outcome", "calls"), [(True, Same, 2), (False, Different, 1)])
def test_claude_decides_what_is_uncertain(claude: bool, outcome: type[Sameness], calls: int) -> None:
    verdict, asked = run(UNSURE, model="claude-haiku-5-5", claude=claude)
    assert isinstance(verdict, outcome)
    assert [(request.model, request.caller.label) for request in asked] == [("claude-haiku-5-5", LABEL)] * calls
