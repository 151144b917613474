"""Where the time of a request goes: laps that follow each other and add up to the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.stopwatch import STAGES, UNTIMED, Stage, Stopwatch


class Ticks:
    """A clock that shows what it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.sampled_from(STAGES), st.floats(0, 10)), max_size=30))
def test_stages_add_up_to_the_whole_whatever_comes_in_whatever_order(passed: list[tuple[str, float]]) -> None:
    clock = Ticks()
    stopwatch = Stopwatch(clock)
    for stage, seconds in passed:
        clock.now += seconds
        stopwatch.lap(stage)
    assert sum(stopwatch.stages().values()) == pytest.approx(stopwatch.seconds)
    assert set(stopwatch.stages()) == {stage for stage, _ in passed}
    ends = [ended for _, _, ended in stopwatch.laps()]
    assert [began for _, began, _ in stopwatch.laps()] == [100.0, *ends][: len(ends)]


def test_a_stage_that_is_reached_twice_has_both_times() -> None:
    clock = Ticks()
    stopwatch = Stopwatch(clock)
    for stage in (Stage.NEAREST, Stage.DECIDE, Stage.NEAREST):
        clock.now += 1
        stopwatch.lap(stage)
    assert stopwatch.stages() == {"nearest": 2, "decide": 1}


def test_a_request_that_nobody_times_keeps_nothing() -> None:
    UNTIMED.lap(Stage.EXACT)
    assert UNTIMED.stages() == {}
