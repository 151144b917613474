"""The arithmetic of the benchmarks, checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from baselines import Stream, perfect_cache, static_threshold
from questions import questions
from reporting import Bar, aligned
from scoring import Tally, percent, summed, wilson
from slot_values import SlotValues
from workloads import Row, Verdict, Workload, zipf_stream


def same_class(asked: Row, stored: Row) -> Verdict:
    return Verdict.RIGHT if asked.class_id == stored.class_id else Verdict.WRONG


A1, A2, B = Row("a one", "a"), Row("a two", "a"), Row("b", "b")
WORKLOAD = Workload("tiny", (A1, A2, B), same_class, same_class)
# a one and a two are 0.9 apart, b is 0.65 from a one and 0.2 from a two
VECTORS = {
    "a one": np.array([1, 0, 0], np.float32),
    "a two": np.array([0.9, math.sqrt(1 - 0.81), 0], np.float32),
    "b": np.array([0.65, -0.76, 0], np.float32),
}


def stream(*rows: Row) -> Stream:
    return Stream.of(rows, {name: vector / np.linalg.norm(vector) for name, vector in VECTORS.items()})


def test_a_static_threshold_serves_the_nearest_and_inserts_every_miss() -> None:
    tally = static_threshold(stream(A1, A2, A1, B), WORKLOAD, 0.60)
    assert (tally.requests, tally.repeats, tally.identical, tally.similar, tally.wrong) == (4, 1, 1, 2, 1)


def test_a_stricter_threshold_is_not_wrong_here() -> None:
    tally = static_threshold(stream(A1, A2, A1, B), WORKLOAD, 0.70)
    assert (tally.similar, tally.wrong) == (1, 0)


def test_the_perfect_cache_serves_classes_it_has_seen_and_no_traps() -> None:
    trap = Row("b again", "b", is_shared=False)
    vectors = {**VECTORS, "b again": VECTORS["b"]}
    rows = (A1, A2, B, trap, trap)
    tally = perfect_cache(Stream.of(rows, vectors), WORKLOAD)
    assert (tally.identical, tally.similar, tally.wrong) == (1, 1, 0)


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


def test_zipf_popularity_falls_with_the_rank() -> None:
    rows = [Row(f"text {number}", str(number % 10)) for number in range(100)]
    drawn = zipf_stream(rows, requests=4000, exponent=1.0, seed=1)
    counts = sorted((sum(row.class_id == str(name) for row in drawn) for name in range(10)), reverse=True)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.3)
    assert drawn == zipf_stream(rows, requests=4000, exponent=1.0, seed=1)


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
