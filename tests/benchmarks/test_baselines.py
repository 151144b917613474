"""The caches to compare with, on streams small enough to follow by hand, and against slower writings of the rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from baselines import (
    EXACT_ONLY,
    ORACLE_DEPTHS,
    SWEEP,
    Stream,
    oracle,
    perfect_cache,
    same_slots,
    static_in_hindsight,
    static_sweep,
    static_threshold,
)
from random_streams import random_stream
from scoring import Tally
from truth import Row, Workload, same_class

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


@pytest.mark.parametrize("cosine", [0.60, 0.75, 0.9, 0.99, EXACT_ONLY])
def test_one_pass_for_all_thresholds_serves_what_a_plain_loop_serves(cosine: float) -> None:
    asked, workload = random_stream(requests=400, seed=3)
    stored, plain = dict[int, Row](), Tally()
    for place, (row, number) in enumerate(zip(asked.rows, asked.numbers.tolist(), strict=True)):
        nearest = max(stored, key=lambda text: (text == number, asked.cosines[number, text]), default=None)
        is_hit = nearest is not None and (nearest == number or asked.cosines[number, nearest] >= cosine)
        served = stored[nearest] if is_hit else None
        plain.count(is_repeat=asked.first[number] < place, asked=row, stored=served, judges=(same_class, same_class))
        if served is None:
            stored[number] = row
    assert static_sweep(asked, workload)[cosine].so_far() == plain


def test_what_is_only_repeated_is_all_that_exact_only_serves() -> None:
    asked, workload = random_stream(requests=400, seed=4)
    tally = static_sweep(asked, workload)[EXACT_ONLY]
    assert tally.hits == tally.identical == tally.repeats


def test_other_numbers_and_ids_are_passed_over_for_the_next_nearest() -> None:
    rows = [Row(text, text) for text in ("track order 1234", "track order 1235", "where is my parcel")]
    near = np.array([1, 0], np.float32), np.array([0.999, 0.0447], np.float32), np.array([0.9, 0.436], np.float32)
    asked = Stream.of(rows, dict(zip((row.text for row in rows), near, strict=True)))
    allowed = same_slots(asked)
    assert not allowed(1, 0)
    workload = Workload("orders", tuple(rows), same_class, same_class)
    assert static_sweep(asked, workload, cosines=(0.95,))[0.95].similar == 1
    assert static_sweep(asked, workload, cosines=(0.95,), allowed=allowed)[0.95].similar == 0


def test_hindsight_is_at_least_the_best_threshold_within_the_rate() -> None:
    asked, workload = random_stream(requests=600, seed=5)
    sweep = static_sweep(asked, workload)
    for rate in (0.0, 0.005, 0.02, 0.1, 1.0):
        found = static_in_hindsight(sweep, rate)
        assert found.within is not None
        assert found.within.error_share <= rate
        assert found.within.hit_share <= found.hit_share <= max(trace.hit_share for trace in sweep.values())
    assert set(sweep) == {*SWEEP, EXACT_ONLY}


def test_oracles_are_never_wrong_and_better_the_more_they_see() -> None:
    asked, workload = random_stream(requests=400, seed=6)
    found = [oracle(asked, workload, candidates=depth) for depth in ORACLE_DEPTHS]
    assert all(tally.wrong == 0 for tally in found)
    hits = [tally.hits for tally in (*found, perfect_cache(asked, workload))]
    assert hits == sorted(hits)


def test_the_perfect_cache_serves_classes_it_has_seen_and_no_traps() -> None:
    trap = Row("b again", "b", is_shared=False)
    rows = (A1, A2, B, trap, trap)
    tally = perfect_cache(Stream.of(rows, {**VECTORS, "b again": VECTORS["b"]}), WORKLOAD)
    assert (tally.identical, tally.similar, tally.wrong) == (1, 1, 0)


def test_an_answer_that_was_right_when_it_was_stored_can_be_wrong_now() -> None:
    changed = Row("a one", "another answer")
    asked = stream(A1, A1, changed)
    tally = static_threshold(asked, WORKLOAD, 0.9)
    assert (tally.identical, tally.outdated, tally.error_share) == (2, 1, pytest.approx(1 / 3))
    assert perfect_cache(asked, WORKLOAD).hits == 1
