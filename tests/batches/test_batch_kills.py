"""kill -9 of a real service, on a real disk, at every point of a batch's life: nothing is lost, nothing sent twice."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from batches.batch_worlds import PATH, TOPICS, BatchWorld, Clock, items, raw_create, text_of
from service.worlds import MODELS, served, settings, until

from semcache.pricing import PriceBook
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator, simulator_app

SCRIPT = Path(__file__).with_name("doomed_service.py")
TESTS = Path(__file__).resolve().parents[1]
COUNT = 6
PATIENCE_SECONDS = 120  # more than a loaded machine takes
# In order: begin, add, accept; two portions looked up; plan, create, created, twice; results, settled, over, twice;
# end.
# Behind a write lies what lies before the next one: only behind a create is it another moment.
POINTS = (*range(1, 36, 2), 14, 20)
# From the cancellation on: noted, told to all, both upstream batches asked to stop; what they had done, settled, over.
CANCEL_POINTS = (1, 3, 5, 6, 7, 9, 11, 13)


@contextmanager
def service(
    folder: Path, upstream: str, *, point: int, since: str = ""
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, str(SCRIPT), str(folder), upstream, str(port), str(point), since]
    process = subprocess.Popen(command, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: process.poll() is not None or answers(url), seconds=PATIENCE_SECONDS)
        yield url, process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def submit(url: str) -> bool:
    try:
        return raw_create(url, items(COUNT)).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def simulator() -> Simulator:
    quick = BatchConduct(seconds=0.2)
    return Simulator(PriceBook.load(MODELS / "claude.toml"), conduct=Conduct(batches=quick))


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_service_goes_on_where_it_was(tmp_path: Path, simulator: Simulator, point: int) -> None:
    with served(simulator_app(simulator)) as upstream:
        with service(tmp_path, upstream, point=point) as (url, process):
            was_accepted = submit(url)
            assert process.wait(timeout=PATIENCE_SECONDS) == -9
        with service(tmp_path, upstream, point=0) as (url, _):
            world = BatchWorld(settings(tmp_path), url, simulator, upstream, Clock())
            listed = world.http("GET", PATH).json()["data"]
            assert listed or not was_accepted
            batch_id = listed[0]["id"] if listed else raw_create(url, items(COUNT)).json()["id"]
            assert world.ended(batch_id, seconds=PATIENCE_SECONDS).request_counts.succeeded == COUNT
            results = world.results(batch_id)
            assert [text_of(results[f"id-{n}"]).count(TOPICS[n]) for n in range(COUNT)] == [1] * COUNT
            assert Counter(world.questions_sent()) == Counter(TOPICS[:COUNT])


@pytest.mark.slow
@pytest.mark.parametrize("point", CANCEL_POINTS)
def test_a_cancellation_outlives_a_kill_and_keeps_what_was_answered(tmp_path: Path, point: int) -> None:
    slow, clock = BatchConduct(seconds=1000.0, cancel_seconds=0.3), Clock()
    simulator = Simulator(PriceBook.load(MODELS / "claude.toml"), conduct=Conduct(batches=slow), clock=clock)
    with served(simulator_app(simulator)) as upstream:
        with service(tmp_path, upstream, point=point, since="move") as (url, process):
            batch_id = raw_create(url, items(COUNT)).json()["id"]
            until(lambda: len(simulator.batches) == 2, seconds=PATIENCE_SECONDS)
            clock.skipped += 300.0  # one of the four in the first batch is done, none of the two in the second
            cancel(url, batch_id)
            assert process.wait(timeout=PATIENCE_SECONDS) == -9
        with service(tmp_path, upstream, point=0) as (url, _):
            world = BatchWorld(settings(tmp_path), url, simulator, upstream, Clock())
            cancel(url, batch_id)
            counts = world.ended(batch_id, seconds=PATIENCE_SECONDS).request_counts
            assert counts.succeeded > 0 < counts.canceled
            assert counts.succeeded + counts.canceled == COUNT
            results = world.results(batch_id)
            answered = [n for n in range(COUNT) if results[f"id-{n}"]["type"] == "succeeded"]
            assert [text_of(results[f"id-{n}"]).count(TOPICS[n]) for n in answered] == [1] * len(answered)
            assert Counter(world.questions_sent()) == Counter(TOPICS[:COUNT])


def cancel(url: str, batch_id: str) -> bool:
    headers = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21"}
    try:
        answered = httpx2.post(f"{url}{PATH}/{batch_id}/cancel", headers=headers, timeout=30, trust_env=False)
        return answered.status_code == 200
    except httpx2.TransportError:
        return False
