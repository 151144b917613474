"""Answers that are still asked for are asked anew before they expire, so that they never go cold."""

from __future__ import annotations

import pytest
from batches.batch_worlds import TOPICS
from service.worlds import until

TTL_SECONDS, NEAR_SECONDS = 10_000.0, 2_000.0
REFRESHING = {"ttl_seconds": TTL_SECONDS, "refresh_seconds": NEAR_SECONDS}
QUESTION, REWORDED = TOPICS[2], TOPICS[2].upper()


def is_hit(world, question=QUESTION):
    return world.ask(question).headers["cache-status"].startswith("semcache; hit")


def refreshes(world):
    causes = world.http("GET", "/semcache/v1/savings").json()["outcomes"]
    return sum(row["requests"] for row in causes if row["outcome"] == "refresh")


@pytest.mark.parametrize("wait_seconds", [pytest.param(0.0, id="at once"), pytest.param(1_000.0, id="by batch")])
def test_an_answer_that_is_served_in_its_last_hours_lives_on(open_world, wait_seconds):
    world = open_world(**REFRESHING, own_jobs_wait_seconds=wait_seconds)
    world.ask(QUESTION)
    world.clock.skipped += TTL_SECONDS - NEAR_SECONDS + 10
    assert is_hit(world)
    assert is_hit(world)
    if wait_seconds:
        until(lambda: world.http("GET", "/semcache/v1/batches").json()["own_jobs"])
    world.clock.skipped += wait_seconds / 2
    until(lambda: refreshes(world))
    world.clock.skipped += NEAR_SECONDS
    assert is_hit(world)
    assert refreshes(world) == 1
    assert len(world.sent()) == (1 if wait_seconds else 0)


def test_what_else_it_was_known_for_is_kept(open_world):
    world = open_world(**REFRESHING)
    world.ask(QUESTION)
    entry = world.ask(QUESTION).headers["x-semcache-entry"]
    world.http("POST", "/semcache/v1/feedback", json={"entry": entry, "question": REWORDED, "verdict": "right"})
    world.clock.skipped += TTL_SECONDS - NEAR_SECONDS + 10
    assert is_hit(world)
    until(lambda: refreshes(world))
    texts = [each["text"] for each in world.http("GET", f"/semcache/v1/entries/{entry}").json()["exemplars"]]
    assert sorted(texts) == sorted([QUESTION, REWORDED])


def test_an_answer_that_nobody_asks_for_expires(open_world):
    world = open_world(**REFRESHING)
    world.ask(QUESTION)
    world.clock.skipped += TTL_SECONDS / 2
    assert is_hit(world)
    world.clock.skipped += TTL_SECONDS
    assert not is_hit(world)
    assert refreshes(world) == 0


def test_nothing_is_refreshed_unless_that_is_wanted(open_world):
    world = open_world(ttl_seconds=TTL_SECONDS)
    world.ask(QUESTION)
    world.clock.skipped += TTL_SECONDS - 10
    assert is_hit(world)
    world.clock.skipped += 20
    assert not is_hit(world)
