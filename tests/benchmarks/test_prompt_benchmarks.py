"""The benchmarks of cheaper prompts: traffic that repeats itself, bounds that are bounds, and scripts that run."""

from __future__ import annotations

import json

import breakpoints
import pytest
import shaping
from caching_policies import best_fixed_usd
from caching_traffic import TRAFFICS, visits

MODEL = "claude-sonnet-5-5"


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
    assert breakpoints._cheapest_course(times, 2.0, 0.1, 2.5, 4.0) == pytest.approx(expected)


def test_no_fixed_policy_is_below_the_clairvoyant() -> None:
    model = breakpoints.BOOK.model(MODEL)
    trace = visits("many users", seed=2, model=MODEL)[:120]
    cost, policy = best_fixed_usd(trace, model, model.prices_on(breakpoints.TODAY))
    assert breakpoints._hindsight(trace, model) <= cost
    assert policy["system"] is not None


@pytest.mark.slow
def test_prompt_caching_reports_every_traffic(capsys: pytest.CaptureFixture[str]) -> None:
    assert breakpoints.main(["--quick", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["figures"]) == {f"{MODEL}: {name}" for name in TRAFFICS}
    for row in result["figures"].values():
        assert row["clairvoyant"] <= row["best fixed"] <= row["none"] * 1.0001


@pytest.mark.slow
def test_shaping_reports_every_contender(capsys: pytest.CaptureFixture[str]) -> None:
    assert shaping.main(["--quick", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out)["figures"].values():
        assert {"nothing", "marks alone", "compression alone", "always on", "planner"} == set(row)
