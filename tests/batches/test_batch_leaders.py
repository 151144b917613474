"""Who waits for whom inside a batch."""

from __future__ import annotations

import numpy as np
import pytest

from semcache.batches import leaders as module
from semcache.batches.leaders import Leaders
from semcache.decision.verdict import Accepted, Rejected
from semcache.entry import Embedding, Miss, Scope

SCOPE, OTHER = Scope("default", "one"), Scope("default", "other")
ANGLES = {"east": 0.0, "nearly east": 0.1, "north": np.pi / 2}


class Nearest:
    """Accepts what is nearer than this, as the cache's decision does."""

    def __init__(self, at_least=0.9):
        self.at_least = at_least
        self.asked = []

    def decide(self, question, embedding, candidates, *, objection=None):
        self.asked.append([each.exemplar.text for each in candidates])
        best = max(candidates, key=lambda each: each.similarity)
        return Accepted(best, 0.99, ()) if best.similarity >= self.at_least else Rejected((), "below-threshold")


def embed(text):
    vector = np.array([np.cos(ANGLES[text]), np.sin(ANGLES[text])], np.float32)
    return Embedding(vector, vector[np.newaxis])


def miss(question, *, scope=SCOPE, **changes):
    return Miss(scope, "key", "no-candidate", question, **changes)


@pytest.fixture
def leaders():
    found = Leaders(Nearest(), embed)
    found.add(3, miss("east"))
    return found


def test_one_waits_for_the_request_whose_answer_would_be_served_to_it(leaders):
    assert leaders.leader_of(miss("nearly east")) == 3
    assert leaders.leader_of(miss("north")) is None


def test_the_nearest_leads(leaders):
    leaders.add(7, miss("nearly east"))
    leaders.add(8, miss("north"))
    assert leaders.leader_of(miss("nearly east")) == 7


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(miss("east", scope=OTHER), id="another scope"),
        pytest.param(miss("east", is_exact_only=True), id="exact only"),
        pytest.param(miss(None), id="no question"),
    ],
)
def test_nobody_waits_where_no_answer_could_be_shared(leaders, asked):
    assert leaders.leader_of(asked) is None


def test_a_question_that_cannot_be_embedded_waits_for_nobody():
    leaders = Leaders(Nearest(), lambda text: None)
    leaders.add(1, miss("east"))
    assert leaders.leader_of(miss("east")) is None


def test_what_is_far_is_not_even_judged():
    decider = Nearest()
    leaders = Leaders(decider, embed)
    leaders.add(1, miss("east"))
    leaders.leader_of(miss("north"))
    assert decider.asked == []


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 1)
    leaders = Leaders(Nearest(), embed)
    leaders.add(1, miss("east"))
    leaders.add(2, miss("north", scope=OTHER))
    assert leaders.leader_of(miss("east")) == 1
    assert leaders.leader_of(miss("north", scope=OTHER)) is None
