"""`semcache doctor` and the service on a Redis."""

from __future__ import annotations

from typing import Any

import pytest


def findings(cli, url: str, *, code: int = 0) -> list[dict[str, Any]]:
    return [each for each in cli.told("doctor", "--store", url, code=code) if each["what"] == "store"]


def test_the_doctor_finds_a_redis_with_vectors_sound(cli, redis_url: str) -> None:
    found = findings(cli, redis_url)
    told = " ".join(each["finding"] for each in found)
    assert "Redis 8" in found[0]["finding"]
    assert "one server" in found[0]["finding"]
    assert "similar questions are found" in told
    assert "noeviction" in told
    assert [each["remedy"] for each in found if each["level"] == "warn"] == [
        "set appendonly yes, or a restart starts empty"
    ]


def test_the_doctor_says_what_an_old_redis_cannot_do(cli, old_redis_url: str) -> None:
    (said,) = [each for each in findings(cli, old_redis_url) if "vector sets" in each["finding"]]
    assert said["level"] == "warn"
    assert "only exact repeats" in said["finding"]
    assert "Redis 8" in said["remedy"]


@pytest.mark.slow
def test_the_doctor_examines_a_cluster(cli, redis_cluster_url: str) -> None:
    found = findings(cli, redis_cluster_url)
    assert "a cluster of 3 masters" in found[0]["finding"]
    assert not [each for each in found if each["level"] != "ok"]


def test_the_doctor_says_that_redis_is_away_and_no_password(cli) -> None:
    (said,) = findings(cli, "redis://me:hunter2@127.0.0.1:1", code=1)
    assert said["level"] == "fail"
    assert "cannot be reached" in said["finding"]
    assert "hunter2" not in str(said)


def test_a_command_answers_from_redis(cli, redis_url: str) -> None:
    cli("ask", "How do I repot a fern?", "--store", redis_url)
    assert "exact ·" in cli("ask", "How do I repot a fern?", "--store", redis_url).output
