"""Streams of requests: popularity, repeats, and a truth that changes half way."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from streams import (
    Drift,
    Relabelling,
    fresh_zipf_stream,
    natural_stream,
    no_repeat_stream,
    similar_classes,
    zipf_stream,
)
from truth import Row, Verdict, Workload, noisy, same_class

ROWS = [Row(f"text {number}", str(number % 10)) for number in range(100)]
OTHERS = [Row(f"other {number}", f"other {number % 10}") for number in range(100)]


def test_zipf_popularity_falls_with_the_rank() -> None:
    drawn = zipf_stream(ROWS, requests=4000, exponent=1.0, seed=1)
    counts = sorted(Counter(row.class_id for row in drawn).values(), reverse=True)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.3)
    assert drawn == zipf_stream(ROWS, requests=4000, exponent=1.0, seed=1)


def test_a_fresh_stream_has_popular_classes_and_no_text_twice() -> None:
    drawn = fresh_zipf_stream(ROWS, requests=30, exponent=1.5, seed=1)
    assert len({row.text for row in drawn}) == 30
    assert Counter(row.class_id for row in drawn).most_common(1)[0][1] > 6
    assert {row.text for row in fresh_zipf_stream(ROWS, requests=500, exponent=1.0, seed=1)} == {r.text for r in ROWS}


def test_a_natural_stream_asks_every_text_once() -> None:
    assert sorted(row.text for row in natural_stream(ROWS, requests=500, seed=2)) == sorted(row.text for row in ROWS)


def test_a_stream_without_repeats_has_no_class_twice() -> None:
    drawn = no_repeat_stream(ROWS, requests=50, seed=3)
    assert sorted(row.class_id for row in drawn) == sorted({row.class_id for row in ROWS})


@pytest.mark.parametrize("relabelling", Relabelling)
def test_half_way_the_truth_of_pairs_changes_and_that_of_the_rest_does_not(relabelling: Relabelling) -> None:
    drift = Drift((ROWS, OTHERS), relabelling, pairs=[("0", "1")])
    drawn = drift.stream(requests=200, exponent=0.0, seed=4)
    truth = {"0": set[str](), "1": set[str](), "2": set[str]()}, {"0": set[str](), "1": set[str](), "2": set[str]()}
    for place, row in enumerate(drawn):
        number = int(row.text.split()[1])
        if row.text.startswith("text") and number % 10 < 3:
            truth[place >= 100][str(number % 10)].add(row.class_id)
    apart, together = truth[::-1] if relabelling is Relabelling.SPLIT else truth
    assert apart == {"0": {"0"}, "1": {"1"}, "2": {"2"}}
    assert together == {"0": {"0"}, "1": {"0"}, "2": {"2"}}
    assert len({row.text for row in drawn}) == 200


def test_half_way_the_other_domain_becomes_the_popular_one() -> None:
    drawn = Drift((ROWS, OTHERS), Relabelling.SPLIT, pairs=[]).stream(requests=100, exponent=1.0, seed=5)
    shares = [sum(row.text.startswith("other") for row in half) / 50 for half in (drawn[:50], drawn[50:])]
    assert shares[0] < 0.4
    assert shares[1] > 0.6


def test_the_classes_nearest_to_each_other_are_paired() -> None:
    angles = {"a": 0.0, "b": 1.0, "c": 0.1, "d": 1.2}
    rows = [Row(name, name) for name in angles]
    vectors = {name: np.array([np.cos(angle), np.sin(angle)], np.float32) for name, angle in angles.items()}
    assert similar_classes(rows, vectors) == [("a", "c"), ("b", "d")]


def test_two_workloads_with_equal_names_and_texts_stay_two_domains() -> None:
    chance = np.random.default_rng(7)
    one = Workload("one", tuple(ROWS), same_class, same_class)
    other = Workload("two", (*OTHERS, ROWS[0]), same_class, same_class)
    vectors = {row.text: chance.normal(size=8).astype(np.float32) for row in (*ROWS, *OTHERS)}
    drift = Drift.between(one, other, Relabelling.MERGE, vectors=vectors)
    texts = [row.text for domain in drift.domains for row in domain]
    assert len(texts) == len(set(texts)) == 200
    assert {row.class_id.split("/")[0] for row in drift.domains[1]} == {"two"}
    assert all(name.split("/")[0] == twin.split("/")[0] for name, twin in drift.pairs)
    assert len(drift.pairs) == 10


def test_a_noisy_judge_exchanges_right_and_wrong_in_the_stated_share() -> None:
    judge = noisy(same_class, 0.2, random.Random(6))
    verdicts = Counter(judge(ROWS[0], ROWS[10]) for _ in range(2000))
    assert verdicts[Verdict.WRONG] / 2000 == pytest.approx(0.2, abs=0.03)
    assert noisy(lambda asked, stored: Verdict.UNJUDGED, 1.0, random.Random(6))(ROWS[0], ROWS[1]) is Verdict.UNJUDGED


def test_replies_are_equal_exactly_where_one_answer_serves_both() -> None:
    assert Row("one", "a").reply == Row("two", "a").reply != Row("one", "b").reply
    assert Row("one", "a", is_shared=False).reply != Row("two", "a", is_shared=False).reply
    assert Row("one", "a", answer="In its own words.").reply == "In its own words."
