"""One worker speaks for all: what they count adds up, and outlives them; who is dead waits for nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from starlette.testclient import TestClient
from worlds import MODELS, RESET, question_body

from semcache import Settings
from semcache.service.app import app_around
from semcache.service.durations import Durations
from semcache.service.merging import decode, encode, merged
from semcache.service.parts import open_parts
from semcache.service.worker_slots import WorkerSlot

amounts = st.integers(0, 1_000).map(float)
counters = st.dictionaries(st.sampled_from(["exact", "miss", "faq"]), amounts, max_size=3)
seconds = st.lists(st.tuples(st.sampled_from([0.001, 0.05, 0.7, 100.0]), st.sampled_from(["a", "b"])), max_size=6)


def values(metrics: list[Metric]) -> dict[tuple[str, str], float]:
    return {
        (sample.name, str(sorted(sample.labels.items()))): sample.value
        for metric in metrics
        for sample in metric.samples
    }


def counted(
    by_outcome: dict[str, float], *, waiting: float = 0.0, observed: Sequence[tuple[float, str]] = ()
) -> list[Metric]:
    requests = CounterMetricFamily("requests", "Requests", labels=["outcome"])
    for outcome, amount in by_outcome.items():
        requests.add_metric([outcome], amount)
    durations = Durations("seconds", "Time", (0.01, 0.5, 1), label="stage", values=())
    for each, stage in observed:
        durations.observe(each, stage)
    return [requests, GaugeMetricFamily("waiting", "What waits", value=waiting), *durations.collect()]


@given(living=st.lists(counters, max_size=3), dead=st.lists(counters, max_size=3))
def test_counters_of_the_living_and_the_dead_add_up(
    living: list[dict[str, float]], dead: list[dict[str, float]]
) -> None:
    found = values(merged([counted(each) for each in living], [counted(each) for each in dead]))
    for outcome in ("exact", "miss", "faq"):
        total = sum(each.get(outcome, 0.0) for each in (*living, *dead))
        assert found.get(("requests_total", f"[('outcome', '{outcome}')]"), 0.0) == total


@given(processes=st.lists(seconds, min_size=1, max_size=4))
def test_a_merged_histogram_is_that_of_all_observations(processes: list[list[tuple[float, str]]]) -> None:
    everything = [each for process in processes for each in process]
    found = values(merged([counted({}, observed=each) for each in processes]))
    expected = values(counted({}, observed=everything))
    assert found.keys() - {("waiting", "[]")} == expected.keys() - {("waiting", "[]")}
    assert all(math.isclose(found[key], expected[key]) for key in expected)


def test_buckets_stay_in_order_also_where_one_process_knows_more_series() -> None:
    processes = [counted({}, observed=[(0.7, "b")]), counted({}, observed=[(0.001, "a"), (100.0, "b")])]
    [family] = [each for each in merged(processes) if isinstance(each.name, str) and each.name == "seconds"]
    bounds = [sample.labels["le"] for sample in family.samples if sample.name == "seconds_bucket"]
    assert bounds == ["0.01", "0.5", "1", "+Inf"] * 2


def test_gauges_add_up_over_the_living_alone() -> None:
    found = values(merged([counted({}, waiting=2.0), counted({}, waiting=3.0)], [counted({}, waiting=50.0)]))
    assert found[("waiting", "[]")] == 5.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("semcache_degraded", 3.0),
        ("semcache_event_loop_lag_seconds", 3.0),
        ("semcache_store_circuit", 3.0),
        ("process_start_time_seconds", 1.0),
    ],
)
def test_what_does_not_add_up_is_the_worst_or_the_oldest(name: str, expected: float) -> None:
    processes = [[GaugeMetricFamily(name, "", value=value)] for value in (2.0, 3.0, 1.0)]
    assert values(merged(processes)) == {(name, "[]"): expected}


def test_metrics_come_back_from_json_as_they_were() -> None:
    metrics = counted({"exact": 3.0}, waiting=math.inf, observed=[(0.3, "a")])
    again = decode(encode(metrics))
    assert [(each.name, each.documentation, each.type) for each in again] == [
        (each.name, each.documentation, each.type) for each in metrics
    ]
    assert values(again) == values(metrics)
    assert isinstance(metrics[-1], HistogramMetricFamily)


# folders


def test_whoever_starts_takes_the_first_folder_that_nobody_holds(tmp_path: Path) -> None:
    first, second = WorkerSlot(tmp_path), WorkerSlot(tmp_path)
    first.put("said", b"one")
    second.put("said", b"two")
    assert [note.content for note in first.others("said")] == [b"two"]
    first.close()
    assert [(note.content, note.is_by_living) for note in second.others("said")] == [(b"one", False)]
    third = WorkerSlot(tmp_path)
    assert third.left("said") == b"one"
    assert [(note.content, note.is_by_living) for note in second.others("said")] == [(b"one", True)]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["0", "1"]
    for slot in (second, third):
        slot.close()


# services that share a folder


class Workers:
    """The application several times over, as workers run it, on one local store."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder / "workers"
        self.folder.mkdir()
        self._settings = Settings(
            models_dir=MODELS, embedder="hashed", upstream="simulator", data_dir=folder / "data", audits=False
        )
        self._stack = stack

    def start(self, stack: ExitStack | None = None) -> TestClient:
        app = app_around(lambda: open_parts(self._settings), workers_folder=self.folder)
        headers = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21"}
        client = TestClient(app, headers=headers, base_url="http://localhost", client=("127.0.0.1", 50_000))
        return (stack or self._stack).enter_context(client)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with ExitStack() as stack:
        yield Workers(tmp_path, stack)


def ask(worker: TestClient, question: str = RESET) -> None:
    assert worker.post("/v1/messages", json=question_body(question)).status_code == 200


def figure(worker: TestClient, start: str) -> float:
    lines = worker.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))


def requests(worker: TestClient) -> float:
    return figure(worker, "semcache_requests_total{")


def test_what_one_worker_has_shown_every_worker_shows(workers: Workers) -> None:
    one, other = workers.start(), workers.start()
    for _ in range(3):
        ask(one)
    ask(other)
    assert requests(one) >= 3
    assert requests(other) == requests(one) == 4
    assert figure(one, "semcache_request_seconds_count") == 4
    assert figure(one, "semcache_processes ") == 2
    assert figure(one, "semcache_entries ") == figure(other, "semcache_entries ") == 1


def test_what_a_worker_has_counted_is_not_lost_when_it_ends_or_is_replaced(workers: Workers) -> None:
    one = workers.start()
    with ExitStack() as stack:
        ask(workers.start(stack))
    assert (requests(one), figure(one, "semcache_processes ")) == (1, 1)
    again = workers.start()
    ask(again)
    assert requests(again) == requests(one) == 2
    assert figure(one, "semcache_processes ") == 2
    assert sorted(each.name for each in workers.folder.iterdir()) == ["0", "1"]


def test_decisions_are_those_of_all_the_newest_first(workers: Workers) -> None:
    one = workers.start()
    with ExitStack() as stack:
        gone = workers.start(stack)
        ask(gone)
        ask(one)
        ask(gone)
    for worker in (one, workers.start()):
        one.get("/metrics")  # tells the others
        found = worker.get("/semcache/v1/decisions").json()["decisions"]
        assert [each["outcome"] for each in found] == ["exact", "exact", "miss"]
        assert found == sorted(found, key=lambda each: -each["at"])


def test_a_folder_that_is_gone_costs_the_others_figures_and_nothing_else(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    workers.folder.rmdir()
    alone = workers.start()
    ask(alone)
    assert requests(alone) == 1
    assert len(alone.get("/semcache/v1/decisions").json()["decisions"]) == 1
    assert "METRICS ARE THIS WORKER'S ALONE" in caplog.text
