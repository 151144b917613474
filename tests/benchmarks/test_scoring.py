"""The arithmetic of the benchmarks, checked by hand."""

from __future__ import annotations

import random

import pytest
from questions import questions
from reporting import Bar, aligned
from scoring import Tally, Trace, best_within, bootstrap, cold_start, hit_ratio, in_hindsight, percent, summed, wilson
from slot_values import SlotValues
from truth import Row, Verdict, same_class

A1, A2, B = Row("a one", "a"), Row("a two", "a"), Row("b", "b")
JUDGES = (same_class, same_class)


def test_unjudged_hits_are_left_out_of_the_rate_and_judged_strictly_beside_it() -> None:
    def unjudged(asked: Row, stored: Row) -> Verdict:
        return Verdict.UNJUDGED

    tally = Tally()
    tally.count(is_repeat=False, asked=A1, stored=B, judges=(unjudged, same_class))
    figures = tally.figures()
    assert (figures["error_rate"], figures["strict_error_rate"], figures["unjudged_rate"]) == (0.0, 100.0, 100.0)
    assert figures["similar_false_hit_rate"] is None


def test_tallies_add_up() -> None:
    assert summed([Tally(requests=1, wrong=1), Tally(requests=2)]) == Tally(requests=3, wrong=1)


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    [(0, 10, (0.0, 27.75)), (5, 10, (23.66, 76.34)), (10, 10, (72.25, 100.0)), (0, 0, None)],
)
def test_the_wilson_interval(successes: int, trials: int, interval: tuple[float, float] | None) -> None:
    assert wilson(successes, trials) == interval


def test_per_cent_of_nothing_is_nothing() -> None:
    assert percent(1, 0) is None
    assert percent(1, 3) == 33.33


def served(run: Trace, asked: Row, stored: Row | None, *, times: int) -> None:
    for _ in range(times):
        run.count(is_repeat=False, asked=asked, stored=stored, judges=JUDGES)


def test_a_repeat_that_is_answered_as_it_was_before_the_truth_changed_is_wrong() -> None:
    tally = Tally()
    tally.count(is_repeat=True, asked=Row("a one", "new"), stored=A1, judges=JUDGES)
    figures = tally.figures()
    assert (tally.identical, tally.outdated, tally.wrong) == (1, 1, 0)
    assert (figures["error_rate"], figures["false_hit_rate"], figures["similar_false_hit_rate"]) == (100, 100, None)


def test_a_trace_knows_how_the_run_began_and_how_each_class_fared() -> None:
    run = Trace()
    served(run, A1, None, times=150)
    served(run, B, A1, times=50)
    served(run, A2, A1, times=50)
    assert (run.after(100), run.after(200), run.after(500)) == (
        Tally(requests=100),
        Tally(requests=200, similar=50, new_wordings=50, wrong=50, strict_wrong=50),
        None,
    )
    assert (run.by_class["a"].requests, run.by_class["a"].wrong, run.by_class["b"].wrong) == (200, 0, 50)
    assert cold_start([run, run], marks=(200, 500)) == {
        "first 200": {"hit_rate": 25.0, "error_rate": 25.0},
        "first 500": {"hit_rate": None, "error_rate": None},
    }


def test_hindsight_mixes_the_settings_on_both_sides_of_the_error_rate() -> None:
    loose, strict = Tally(requests=100, similar=80, wrong=3), Tally(requests=100, similar=40, wrong=1)
    found = in_hindsight([loose, strict], 0.02)
    assert (found.hit_share, found.within) == (pytest.approx(0.6), strict)
    assert in_hindsight([loose, strict], 0.005).hit_share == pytest.approx(0.2)  # mixed with serving nothing
    assert best_within([loose, strict], 0.005) is None


def test_the_bootstrap_draws_classes_and_encloses_the_ratio() -> None:
    ours, theirs = Trace(), Trace()
    for number in range(40):
        row = Row(str(number), str(number))
        served(ours, row, row, times=5 + number % 3)
        served(theirs, row, row, times=3)
        served(ours, row, None, times=5 - number % 3)
        served(theirs, row, None, times=7)
    low, high = bootstrap([ours], [theirs], draws=200, chance=random.Random(1))
    assert 1.8 < low < hit_ratio(ours, theirs) < high < 2.2


def test_slot_values_tell_another_value_from_another_wording() -> None:
    wordings = ("how long must I bake {}", "for how long do I bake {}", "tell me how long to bake {}")
    dishes = (
        "bread cake pie salmon trout potatoes carrots chicken duck turkey lasagna pizza cookies muffins scones".split()
    )
    dishes += (
        "brownies ham beef lamb pork cod beans squash peppers onions tomatoes apples pears rolls bagels tarts".split()
    )
    dishes += "biscuits quiche gratin custard meringue granola ribs kale leeks corn".split()
    texts = [("bake", wording.format(dish)) for dish in dishes for wording in wordings]
    values = SlotValues(texts)
    assert values.differ("bake", "how long must I bake salmon", "how long must I bake trout")
    assert not values.differ("bake", "how long must I bake salmon", "tell me how long to bake salmon")


def test_questions_are_different_and_always_the_same() -> None:
    made = questions(500, seed=1)
    assert len({each.text for each in made}) == 500
    assert made == questions(500, seed=1)


def test_a_bar_holds_on_its_own_side() -> None:
    assert Bar("latency", 2.0, 2.5, at_most=True).holds
    assert not Bar("throughput", 400, 500, at_most=False).holds
    assert not Bar("unmeasured", None, 1, at_most=True).holds


def test_tables_are_aligned() -> None:
    assert aligned([("name", "n"), ("a", "10")]) == "name   n\na     10"
