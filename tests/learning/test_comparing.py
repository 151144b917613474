"""Comparing answers: the judge's word, Claude's where it is uncertain, and what asking him costs."""

from __future__ import annotations

import json

import pytest
from fakes import message
from schools import FORGOT, RESET, SETTINGS, SHOP, TRACKING, OpenSchool, School, Upstream, saying

from semcache.decision.sameness.outcomes import Pairing
from semcache.decision.sameness.rubric import CRITERIA
from semcache.stores.ledger_book import LedgerQuery

HAIKU = "claude-haiku-5-5"
YES, NO = (json.dumps(dict.fromkeys(CRITERIA, verdict)) for verdict in (True, False))
OPEN = "Perhaps in Settings."


def verdict(school: School, fresh: str, stored: str, send: Upstream | None) -> bool | None:
    pairing = Pairing(FORGOT, message(fresh), RESET, message(stored))
    return school.comparing.verdict(pairing, namespace=SHOP, send=send)


@pytest.mark.parametrize(("fresh", "expected"), [(SETTINGS, True), (TRACKING, False)])
def test_what_the_local_judge_can_tell_costs_nothing(open_school: OpenSchool, fresh: str, expected: bool) -> None:
    school, claude = open_school(judge_model=HAIKU), saying(NO)
    assert verdict(school, fresh, SETTINGS, claude) is expected
    assert (claude.bodies, school.spent()) == ([], {})


@pytest.mark.parametrize(
    ("model", "send"),
    [pytest.param(None, saying(YES), id="no model"), pytest.param(HAIKU, None, id="no way to ask")],
)
def test_what_is_uncertain_stays_unknown_where_claude_is_not_asked(
    open_school: OpenSchool, model: str | None, send: Upstream | None
) -> None:
    school = open_school(judge_model=model)
    assert school.comparing.asks_claude == (model is not None)
    assert verdict(school, OPEN, SETTINGS, send) is None
    assert school.spent() == {}


@pytest.mark.parametrize(
    ("replies", "expected", "calls"),
    [
        pytest.param((YES, YES), True, 2, id="yes in both orders"),
        pytest.param((NO,), False, 1, id="no"),
        pytest.param((YES, NO), False, 2, id="it depends on the order"),
        pytest.param(("They are alike.",), None, 1, id="unreadable"),
        pytest.param((YES, "{}"), None, 2, id="unreadable in the other order"),
        pytest.param((None,), None, 0, id="unreachable"),
        pytest.param((YES, None), None, 1, id="unreachable in the other order"),
    ],
)
def test_claude_is_asked_in_both_orders_and_each_reply_is_booked(
    open_school: OpenSchool, replies: tuple[str | None, ...], expected: bool | None, calls: int
) -> None:
    school, claude = open_school(judge_model=HAIKU), saying(*replies)
    assert verdict(school, OPEN, SETTINGS, claude) is expected
    assert school.spent() == ({"judge": calls} if calls else {})
    assert {body["model"] for body in claude.bodies} == {HAIKU}


def test_a_judgement_is_paid_for_and_saves_nothing(open_school: OpenSchool) -> None:
    school = open_school(judge_model=HAIKU)
    verdict(school, OPEN, SETTINGS, saying(YES))
    school.ledger.flush()
    (row,) = school.store.ledger_groups(LedgerQuery(namespace=SHOP))
    assert (row.baseline_usd, row.cost_usd) == (0, school.ledger.overhead[0])
    assert row.cost_usd > 0
