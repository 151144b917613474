"""The decision: the likeliest answer within the risk that may be taken, or the reason why there is none."""

from __future__ import annotations

import random

import numpy as np
import pytest
from evidence_samples import EMBEDDER, SCOPE, candidate, embedded, entry
from fakes import trusting_scorer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semcache.decision.audit_schedule import AuditPlan, AuditSchedule
from semcache.decision.beliefs import Beliefs
from semcache.decision.deciding import LearnedDecision
from semcache.decision.drift import Caution
from semcache.decision.evidence import FEATURES, Witness
from semcache.decision.verdict import Accepted, Rejected, Verdict
from semcache.entry import Candidate, Label, Origin

ASKED = "How do I reset the password of my account?"


class Asking:
    """One namespace's decision over its beliefs."""

    def __init__(self, *, similarity: float = 0.8, error_budget: float = 0.01) -> None:
        self.beliefs = Beliefs(trusting_scorer(similarity), error_budget=error_budget, schedule=AuditSchedule())
        self.namespaces: list[str] = []
        self._decision = LearnedDecision(Witness(EMBEDDER.words), self._of)

    def _of(self, namespace: str) -> Beliefs:
        self.namespaces.append(namespace)
        return self.beliefs

    def know(self, learned: np.ndarray) -> None:
        """Take these weights for learned, whatever they are."""
        self.beliefs.restore({**self.beliefs.as_json(), "weights": learned.tolist()})
        assert self.beliefs.now().scorer.all_weights == learned.tolist()

    def decide(self, asked: str, *candidates: Candidate) -> Verdict:
        return self._decision.decide(asked, embedded(asked), candidates)


@pytest.fixture
def asking() -> Asking:
    return Asking()


def test_the_likeliest_answer_is_accepted_with_its_confidence(asking: Asking) -> None:
    near, far = candidate(ASKED, "How do I reset the password of my accounts?"), candidate(ASKED, "Where is my parcel?")
    verdict = asking.decide(ASKED, far, near)
    assert isinstance(verdict, Accepted)
    assert verdict.candidate == near
    assert verdict.confidence > 0.99
    assert [each.entry_id for each in verdict.considered] == [near.entry.id, far.entry.id]
    assert set(asking.namespaces) == {SCOPE.namespace}


def test_without_candidates_there_is_nothing_to_decide(asking: Asking) -> None:
    assert asking.decide(ASKED) == Rejected((), "no-candidate")


def test_what_is_not_likely_enough_is_not_served(asking: Asking) -> None:
    verdict = asking.decide(ASKED, candidate(ASKED, "Where is my parcel?"))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "below-threshold"


@pytest.mark.parametrize("error_budget", [0.005, 0.5])
def test_no_budget_and_no_weight_lifts_a_veto(error_budget: float) -> None:
    asking = Asking(similarity=-2.0, error_budget=error_budget)  # sure of everything
    verdict = asking.decide(ASKED, candidate(ASKED, "How do I reset the password of account 4711?"))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "guard:numbers"


weights = arrays(np.float64, len(FEATURES) + 1, elements=st.floats(-1000, 1000))


@given(weights)
def test_no_learned_weights_lift_a_guard(learned: np.ndarray) -> None:
    asking = Asking()
    asking.know(learned)
    verdict = asking.decide(ASKED, candidate(ASKED, "How do I reset the password of account 4711?"))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "guard:numbers"


@given(weights, st.sampled_from([Origin.FEEDBACK, Origin.AUDIT]))
def test_no_learned_weights_serve_what_was_found_wrong_near_by(learned: np.ndarray, origin: Origin) -> None:
    asking, owner = Asking(), entry("ent_1")
    asking.know(learned)
    known = candidate(ASKED, "How can I reset my account password?", of=owner)
    near = "How do I reset the password of my accounts?"
    verdict = asking.decide(ASKED, known, candidate(ASKED, near, of=owner, label=Label.NEGATIVE, origin=origin))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "negative-exemplar"


def test_what_a_miss_taught_can_be_outweighed(asking: Asking) -> None:
    owner = entry("ent_1")
    known = candidate(ASKED, "How do I reset the password of my accounts?", of=owner)
    taught = candidate(ASKED, "How do I reset the password of my phone?", of=owner, label=Label.NEGATIVE)
    assert isinstance(asking.decide(ASKED, known, taught), Accepted)


def test_the_reason_is_drift_where_the_alarm_alone_holds_an_answer_back() -> None:
    asking = Asking(error_budget=0.3)
    for number in range(2000):
        asking.beliefs.book_other()
        if number % 40 == 0:  # few of many requests, so that the budget lasts
            asking.beliefs.settle_audit(AuditPlan(1.0, True, True, False), 0.99, True, float(number))
    belief = asking.beliefs.now()
    assert (belief.caution, belief.cut > 0) == (Caution.EXACT_ONLY, True)
    verdict = asking.decide(ASKED, candidate(ASKED, "How do I reset the password of my accounts?"))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "drift"


def test_the_same_wording_needs_no_model() -> None:
    asking = Asking(similarity=2.0)  # sure of nothing
    verdict = asking.decide(ASKED, candidate(ASKED, "Hi, how can I reset the password of my account?"))
    assert isinstance(verdict, Accepted)


def test_after_too_many_wrong_audits_only_exact_repeats_are_served(asking: Asking) -> None:
    plan = AuditPlan(1.0, True, True, False)
    for _ in range(40):
        asking.beliefs.settle_audit(plan, 0.99, True, 0.0)
    verdict = asking.decide(ASKED, candidate(ASKED, "How do I reset the password of my accounts?"))
    assert isinstance(verdict, Rejected)
    assert verdict.reason in ("drift", "below-threshold")
    assert asking.beliefs.now().cut <= 0 or asking.beliefs.now().caution.factor == 0


def test_two_questions_of_one_answer_are_one_candidate(asking: Asking) -> None:
    owner = entry("ent_1")
    verdict = asking.decide(
        ASKED,
        candidate(ASKED, "How do I reset the password of my accounts?", of=owner),
        candidate(ASKED, "Where is my parcel?", of=owner),
    )
    assert len(verdict.considered) == 1


def test_the_decision_does_not_depend_on_the_order_of_candidates(asking: Asking) -> None:
    texts = ["How do I reset the password of my accounts?", "Where is my parcel?", "How do I reset my phone?"]
    candidates = [candidate(ASKED, text) for text in texts]
    first = asking.decide(ASKED, *candidates)
    random.Random(1).shuffle(candidates)
    assert asking.decide(ASKED, *candidates) == first
