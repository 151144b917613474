"""The calibrated threshold: near enough, and nothing speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest
from fakes import message

from semcache.decision.threshold import Accepted, CalibratedThreshold, Rejected
from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Label, Scope

ASKED = "How do I reset my router?"
PLAIN = Embedding(np.array([1.0, 0.0], np.float32), np.array([[1.0, 0.0]], np.float32))
_ids = count(1)


@dataclass
class Line:
    """A calibration that is easy to follow: a threshold of .9, and confidence equal to similarity."""

    asked: float = 0.0

    def threshold_for(self, error_budget: float) -> float:
        self.asked = error_budget
        return 0.9

    def confidence(self, similarity: float) -> float:
        return max(similarity, 0.0)


def candidate(
    similarity: float,
    *,
    entry: str = "a",
    text: str = "How can I reset my router?",
    label: Label = Label.POSITIVE,
    kind: Kind = Kind.LEARNED,
    windows: Sequence[Sequence[float]] = ((1.0, 0.0),),
) -> Candidate:
    stored = Entry(
        id=entry, scope=Scope("default", "0"), key=entry, kind=kind, question=text, message=message(f"answer {entry}"),
        requested_model="m", served_model="m", cost_usd=0.0, created_at=0.0, expires_at=None,
    )  # fmt: skip
    rows = np.array(windows, np.float32)
    exemplar = Exemplar(entry, text, Embedding(rows.mean(axis=0), rows), label=label, id=next(_ids))
    return Candidate(stored, exemplar, similarity)


def judge(*candidates: Candidate, asked: Embedding = PLAIN) -> Accepted | Rejected:
    return CalibratedThreshold(Line(), error_budget=0.01).judge(ASKED, asked, candidates)


def chosen(verdict: Accepted | Rejected) -> str:
    return verdict.candidate.entry.id if isinstance(verdict, Accepted) else verdict.reason


def test_the_threshold_is_the_one_for_the_error_budget() -> None:
    line = Line()
    assert CalibratedThreshold(line, error_budget=0.0).threshold == 0.9
    assert line.asked == 0.0


@pytest.mark.parametrize(
    ("candidates", "outcome"),
    [
        pytest.param([], "no-candidate", id="none"),
        pytest.param([candidate(0.9)], "a", id="at the threshold"),
        pytest.param([candidate(0.899)], "below-threshold", id="below"),
        pytest.param([candidate(0.93), candidate(0.97, entry="b")], "b", id="the nearest"),
        pytest.param(
            [candidate(0.97), candidate(0.98, entry="b", text="Reset router 7?")], "a", id="next behind a guard"
        ),
        pytest.param([candidate(0.98, text="How do I reset my router 7?")], "guard:numbers", id="guard"),
        pytest.param(
            [candidate(0.95), candidate(0.96, label=Label.NEGATIVE)], "negative-exemplar", id="nearer negative"
        ),
        pytest.param([candidate(0.95), candidate(0.94, label=Label.NEGATIVE)], "negative-exemplar", id="as near"),
        pytest.param([candidate(0.99), candidate(0.91, label=Label.NEGATIVE)], "a", id="far negative"),
        pytest.param([candidate(0.99, label=Label.NEGATIVE)], "negative-exemplar", id="only negative"),
        pytest.param(
            [candidate(0.95), candidate(0.99, entry="b", label=Label.NEGATIVE)], "a", id="negative of another entry"
        ),
        pytest.param([candidate(0.93), candidate(0.97), candidate(0.95)], "a", id="many exemplars of one entry"),
        pytest.param([candidate(0.99, windows=((1, 0), (0, 1)))], "windows-differ", id="another number of windows"),
    ],
)
def test_the_judge_decides(candidates: list[Candidate], outcome: str) -> None:
    assert chosen(judge(*candidates)) == outcome


def test_two_faq_answers_that_fit_alike_are_no_answer() -> None:
    near = [candidate(0.95, kind=Kind.FAQ), candidate(0.94, entry="b", kind=Kind.FAQ)]
    far = [candidate(0.97, kind=Kind.FAQ), candidate(0.94, entry="b", kind=Kind.FAQ)]
    vetoed = [candidate(0.95, kind=Kind.FAQ), candidate(0.94, entry="b", kind=Kind.FAQ, text="Reset router 7?")]
    assert chosen(judge(*near)) == "ambiguous"
    assert chosen(judge(*far)) == "a"
    assert chosen(judge(*vetoed)) == "a"


def test_every_window_of_a_long_text_must_find_its_equal() -> None:
    asked = Embedding(np.array([0.7, 0.7], np.float32), np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    assert chosen(judge(candidate(0.99, windows=((0, 1), (1, 0))), asked=asked)) == "a"
    assert chosen(judge(candidate(0.99, windows=((1, 0), (1, 0))), asked=asked)) == "windows-differ"


def test_the_verdict_lists_everything_it_considered_with_what_spoke_against_it() -> None:
    verdict = judge(candidate(0.95), candidate(0.5, entry="b"), candidate(0.97, entry="c", text="Reset router 7?"))
    assert isinstance(verdict, Accepted)
    assert [(each.entry_id, each.objections) for each in verdict.considered] == [
        ("c", ("guard:numbers",)),
        ("a", ()),
        ("b", ("below-threshold",)),
    ]
    assert verdict.confidence == 0.95
