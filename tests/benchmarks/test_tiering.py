"""The six-task workload and its table: shares add up, money follows the models, and the small model saves."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import tiering
from tiering_workload import BY_VOLUME, EQUAL, KINDS, Recording, mixed_workload


@pytest.mark.parametrize("shares", [BY_VOLUME, EQUAL])
def test_a_workload_holds_the_shares_it_was_asked_for(shares) -> None:
    works = mixed_workload(1_000, seed=3, shares=shares, recorded=[])
    counts = Counter(work.kind for work in works)
    assert sum(shares.values()) == pytest.approx(1)
    assert all(counts[kind] == pytest.approx(1_000 * shares[kind], abs=1) for kind in KINDS)
    assert works == mixed_workload(1_000, seed=3, shares=shares, recorded=[])


def test_recorded_questions_bring_what_is_known_of_them() -> None:
    recorded = [Recording(f"Question {number}?", number % 2 == 0, True) for number in range(50)]
    works = mixed_workload(200, seed=1, shares=EQUAL, recorded=recorded)
    known = [work for work in works if work.kind == "question"]
    assert len(known) == round(200 / 7)
    assert all(work.right == (int(work.prompt.split()[1][:-1]) % 2 == 0, True) for work in known)


@pytest.mark.slow
def test_the_table_is_made_without_any_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert tiering.main(["--seeds", "1", "--requests", "80", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    ours, middle = figures["by volume: semcache, tasks inferred"], figures["by volume: always middle"]
    assert ours["all"] < middle["all"] < figures["by volume: always large"]["all"]
    assert ours["saved against middle, %"] == pytest.approx(100 * (1 - ours["all"] / middle["all"]), abs=0.1)
    assert ours["classification"] < middle["classification"] / 10
