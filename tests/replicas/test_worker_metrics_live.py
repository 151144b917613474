"""`semcache serve --workers 3`, scraped as Prometheus would: whichever worker answers, it answers for all."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from fleets import Fleet, fleet_of
from prometheus_client.parser import text_string_to_metric_families
from worlds import until

pytestmark = pytest.mark.slow


def scrape(fleet: Fleet) -> Counter[str]:
    """Samples by name, added up over their labels."""
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(fleet.http(0, "GET", "/metrics").text):
        for sample in family.samples:
            sums[sample.name] += sample.value  # type: ignore[assignment]
    return sums


def ask_many(fleet: Fleet, times: int) -> None:
    """Each on a connection of its own, of which every worker gets some."""
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda number: fleet.ask(0, f"What is the fare to zone {number % 10}?"), range(times)):
            assert answer.status_code == 200, answer.text


def decisions(fleet: Fleet) -> list[object]:
    found: list[object] = fleet.http(0, "GET", "/semcache/v1/decisions?limit=500").json()["decisions"]
    return found


def processes_of(fleet: Fleet) -> set[int]:
    return set(fleet.replicas[0].pids)


def test_a_scrape_is_the_sum_of_all_workers_and_does_not_fall_when_one_is_killed(tmp_path: Path) -> None:
    with fleet_of(tmp_path, None, replicas=3) as fleet:
        ask_many(fleet, 90)
        fleet.everywhere(lambda replica: scrape(fleet)["semcache_requests_total"] == 90)
        shown = scrape(fleet)
        assert shown["semcache_request_seconds_count"] == shown["semcache_lookup_seconds_count"] == 90
        assert shown["semcache_upstream_calls_total"] == fleet.calls
        assert (shown["semcache_processes"], shown["semcache_entries"]) == (3, 10)
        assert shown["semcache_bill_tokens_total"] > 0
        fleet.everywhere(lambda replica: len(decisions(fleet)) == 90)

        victim = min(processes_of(fleet))
        os.kill(victim, signal.SIGKILL)
        seen = shown
        while victim in processes_of(fleet) or len(processes_of(fleet)) < 3:
            seen = _never_less(fleet, seen)
        ask_many(fleet, 30)
        until(lambda: scrape(fleet)["semcache_requests_total"] == 120)
        _never_less(fleet, seen)
        until(lambda: scrape(fleet)["semcache_processes"] == 3)


def _never_less(fleet: Fleet, seen: Counter[str]) -> Counter[str]:
    try:
        now = scrape(fleet)
    except httpx2.HTTPError:  # its connection was waiting for the one that was killed
        return seen
    counters = [name for name in seen if name.endswith(("_total", "_count", "_bucket")) and name in now]
    assert counters
    fallen = {name: (seen[name], now[name]) for name in counters if now[name] < seen[name] - 1e-9}
    assert not fallen
    return now


def test_what_workers_tell_each_other_is_private_and_gone_when_the_service_ends(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    with fleet_of(tmp_path, None, replicas=2, TMPDIR=str(folder)) as fleet:
        fleet.ask(0, "What is the fare?")
        [shared] = folder.glob("semcache-workers-*")
        assert shared.stat().st_mode & 0o077 == 0
        assert {each.name for each in shared.iterdir()} <= {"0", "1"}
    assert list(folder.iterdir()) == []
