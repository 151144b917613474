"""The benchmarks of cheaper prompts: traffic that repeats itself, bounds that are bounds, and scripts that run."""

from __future__ import annotations

import json
from itertools import pairwise

import breakpoints
import pytest
import shaping
from caching_optima import Rates, Use, cheapest_course, least_usd
from caching_policies import best_fixed_usd
from caching_traffic import TRAFFICS, laws, visits

MODEL = "claude-sonnet-5-5"
RATES = Rates(0.1, {"": 2.0, "5m": 2.5, "1h": 4.0})


@pytest.mark.parametrize("name", TRAFFICS)
def test_traffic_is_the_same_for_the_same_seed_and_in_order(name: str) -> None:
    trace = visits(name, seed=1, model=MODEL)
    assert trace == visits(name, seed=1, model=MODEL)
    assert [visit.at for visit in trace] == sorted(visit.at for visit in trace)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param([0.0], 2.0, id="once: not cached"),
        pytest.param([0.0, 10.0], 2.5 + 0.1, id="twice at once: written for five minutes"),
        pytest.param([0.0, 1_000.0], 2.0 + 2.0, id="twice in an hour: an hour costs as much as reading it anew"),
        pytest.param([0.0, 1_000.0, 2_000.0], 4.0 + 0.1 + 0.1, id="three times in an hour"),
        pytest.param([0.0, 9_000.0], 4.0, id="too far apart"),
    ],
)
def test_the_clairvoyant_takes_the_cheapest_course(times: list[float], expected: float) -> None:
    uses = [Use(at, number, float("inf")) for number, at in enumerate(times)]
    assert cheapest_course(uses, RATES) == pytest.approx(expected)


def test_what_is_read_is_prolonged_where_that_is_cheaper_than_writing_it_anew() -> None:
    uses = [Use(at, number, 0.3) for number, at in enumerate([0.0, 10.0, 1_000.0])]
    assert cheapest_course(uses, RATES) == pytest.approx(2.5 + (0.1 + 0.3) + 0.1)


@pytest.mark.parametrize("name", TRAFFICS)
def test_who_knows_the_future_pays_no_more_than_who_knows_the_odds(name: str) -> None:
    model = breakpoints.BOOK.model(MODEL)
    trace = visits(name, seed=3, model=MODEL)[:150]
    foreseen, expected = least_usd(trace, laws()[name], model, model.prices_on(breakpoints.TODAY))
    assert 0 < foreseen <= expected


def test_what_the_laws_say_is_what_the_traffic_does() -> None:
    law, gaps, ends = laws()["documents"], [], 0
    trace = visits("documents", seed=4, model=MODEL)
    by_document = {session: [visit for visit in trace if visit.session == session] for session in range(60)}
    for asked in by_document.values():
        gaps += [after.at - before.at for before, after in pairwise(asked)]
        ends += len(asked) == 1
    assert law.goes_on(0) == pytest.approx(1 - ends / 60)
    assert law.soon == pytest.approx(sum(gap < 300 for gap in gaps) / len(gaps), abs=0.1)


def test_no_fixed_policy_is_below_the_clairvoyant() -> None:
    model = breakpoints.BOOK.model(MODEL)
    trace = visits("many users", seed=2, model=MODEL)[:120]
    cost, policy = best_fixed_usd(trace, model, model.prices_on(breakpoints.TODAY))
    assert least_usd(trace, laws()["many users"], model, model.prices_on(breakpoints.TODAY))[0] <= cost
    assert policy["system"] is not None


@pytest.mark.slow
def test_prompt_caching_reports_every_traffic(capsys: pytest.CaptureFixture[str]) -> None:
    assert breakpoints.main(["--quick", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["figures"]) == {f"{MODEL}: {name}" for name in TRAFFICS}
    for row in result["figures"].values():
        assert row["clairvoyant"] <= row["best online"] <= row["none"] * 1.0001
        assert row["clairvoyant"] <= row["best fixed"] <= row["none"] * 1.0001
    assert result["figures"][f"{MODEL}: a clock inside the system text"]["worst, of none, %"] < 40


@pytest.mark.slow
def test_shaping_reports_every_contender(capsys: pytest.CaptureFixture[str]) -> None:
    assert shaping.main(["--quick", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out)["figures"].values():
        assert {"nothing", "marks alone", "compression alone", "always on", "planner"} == set(row)
